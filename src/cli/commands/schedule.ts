import { type Command, Option } from "commander";
import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { isAppError, errorCode } from "../../errors.ts";
import type { ScheduledStrategy } from "../../operations/schedule/jobs.ts";
import {
  installSchedule,
  removeSchedule,
  type ScheduleMethod,
  type ScheduleRequest,
  showSchedule,
  type ShownSchedule,
} from "../../operations/schedule/schedule.ts";
import type { Cli } from "../cli.ts";
import { ENVIRONMENT_FILE } from "../environment-file.ts";
import type { ScheduleRemoveJson } from "../../json/setup.ts";
import { installJson, renderCommands, renderInstall, renderShown, showJson } from "../render/schedule.ts";
import { scheduleRequest } from "../schedule-request.ts";
import { requireStrategy, requireStrategyPath } from "../strategy-file.ts";

interface MethodOptions {
  readonly cron?: true;
  readonly systemd?: true;
  readonly service?: true;
}

interface InstallOptions extends MethodOptions {
  readonly log?: string;
  readonly envFile?: string;
  readonly enable: boolean;
}

export function addSchedule(program: Command, cli: () => Cli): void {
  const schedule = program
    .command("schedule")
    .summary("run what is scheduled by itself")
    .description(
      "Installs the strategy's schedule in the crontab of the current user, as systemd timers, or as one service (`handled serve`).",
    );
  methodOptions(schedule.command("install"))
    .summary("install the strategy's schedule")
    .description(
      "Puts one entry for each scheduled job (backup, verification, pruning, copying) into the crontab of the current user (with --systemd, one timer; with --service, one service that runs them all). Everything else in the crontab stays. Installing again changes nothing.",
    )
    .option(
      "--log <file>",
      "append the runs' output to this file (default: /var/log/handled.log for root, else ~/.local/state/handled/handled.log; the journal with --service)",
    )
    .option(
      "--env-file <file>",
      `read environment variables for the runs from this file (default: ${ENVIRONMENT_FILE} beside the strategy, where it is)`,
    )
    .option("--no-enable", "write systemd units without switching them on")
    .action(async (options: InstallOptions) => {
      await runInstall(cli(), options);
    });
  methodOptions(schedule.command("show"))
    .summary("show what is installed")
    .description("Shows what is installed for this strategy, beside what the strategy wants.")
    .action(async (options: MethodOptions) => {
      await runShow(cli(), options);
    });
  methodOptions(schedule.command("remove"))
    .summary("take the schedule away")
    .description("Takes this strategy's schedule away; everything else stays.")
    .action(async (options: MethodOptions) => {
      await runRemove(cli(), options);
    });
}

function methodOptions(command: Command): Command {
  return command
    .addOption(new Option("--cron", "the crontab of the current user").conflicts(["systemd", "service"]))
    .addOption(
      new Option("--systemd", "systemd timers: the machine's for root, else the user's own").conflicts(
        "service",
      ),
    )
    .addOption(
      new Option(
        "--service",
        "the daemon, as a systemd service: the machine's for root, else the user's own",
      ),
    );
}

function methodOf({ cron, systemd, service }: MethodOptions): ScheduleMethod | undefined {
  if (service === true) return "service";
  return systemd === true ? "systemd" : cron === true ? "cron" : undefined;
}

async function runInstall(cli: Cli, options: InstallOptions): Promise<void> {
  const strategy = await requireStrategy(cli);
  const envFile =
    options.envFile === undefined ? await ownEnvFile(strategy.path) : resolve(cli.cwd, options.envFile);
  const request: ScheduleRequest = {
    ...requestFor(cli, strategy, methodOf(options) ?? "cron"),
    logFile: options.log === undefined ? undefined : resolve(cli.cwd, options.log),
    envFile,
    enable: options.enable,
  };
  const report = await installSchedule(cli.runtime, request, cli.signal);
  cli.output.result(installJson(report, envFile), () =>
    renderInstall(cli.output, report, envFile, cli.runtime.clock.now(), strategy.timeZone),
  );
  for (const warning of report.warnings) cli.output.warn(warning);
}

async function runShow(cli: Cli, options: MethodOptions): Promise<void> {
  const strategy = await requireStrategy(cli);
  const all = await eachMethod(options, async (method) => {
    return await showSchedule(cli.runtime, requestFor(cli, strategy, method), cli.signal);
  });
  // What was not asked for and is not there is not worth a word.
  const isAsked = methodOf(options) !== undefined;
  const installed = all.filter((shown) => isAsked || shown.installed.length > 0);
  const shown = installed.length > 0 ? installed : all.slice(0, 1);
  cli.output.result(showJson(shown), () => renderAll(cli, shown, strategy.timeZone));
}

function renderAll(cli: Cli, shown: readonly ShownSchedule[], timeZone: string): string {
  return shown.map((each) => renderShown(cli.output, each, cli.runtime.clock.now(), timeZone)).join("\n\n");
}

async function runRemove(cli: Cli, options: MethodOptions): Promise<void> {
  // Not read: what it installed must go also when it is broken or was deleted.
  const strategy = { path: await requireStrategyPath(cli), timeZone: "UTC", databases: [] };
  const removed: ScheduleRemoveJson["removed"] = await eachMethod(options, async (method) => {
    const { commands, ...report } = await removeSchedule(
      cli.runtime,
      requestFor(cli, strategy, method),
      cli.signal,
    );
    return { method, ...report, commands: [...commands] };
  });
  cli.output.result({ removed } satisfies ScheduleRemoveJson, () => {
    const changed = removed.filter((each) => each.changed);
    if (changed.length === 0) return `nothing is installed for ${strategy.path}`;
    return changed
      .flatMap(({ place, commands }) => [
        `${cli.output.paint("green", "✓")} the schedule is taken out of ${place}`,
        ...renderCommands(commands),
      ])
      .join("\n");
  });
}

function requestFor(cli: Cli, strategy: ScheduledStrategy, method: ScheduleMethod): ScheduleRequest {
  return { ...scheduleRequest(cli, strategy), method };
}

/** Calls for the method that was asked for, else for each; then a machine without cron has nothing in a crontab. */
async function eachMethod<Result>(
  options: MethodOptions,
  call: (method: ScheduleMethod) => Promise<Result>,
): Promise<Result[]> {
  const asked = methodOf(options);
  if (asked !== undefined) return [await call(asked)];
  const results: Result[] = [];
  for (const method of ["cron", "systemd", "service"] as const) {
    try {
      results.push(await call(method));
    } catch (error) {
      if (method !== "cron" || !isAppError(error, "client_missing")) throw error;
    }
  }
  return results;
}

/** The file with secrets that `handled init` wrote. */
async function ownEnvFile(strategyPath: string): Promise<string | undefined> {
  const path = join(dirname(strategyPath), ENVIRONMENT_FILE);
  try {
    return (await stat(path)).isFile() ? path : undefined;
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
