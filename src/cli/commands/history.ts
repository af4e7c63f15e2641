import { type Command, Option } from "commander";
import { readHistory } from "../../operations/history.ts";
import { RUN_OPERATIONS, type RunFile } from "../../repository/run-file.ts";
import { ERRORS } from "../../errors.ts";
import type { Cli } from "../cli.ts";
import { durationArgument, placeOptions, positiveInteger } from "../options.ts";
import { historyJson, renderHistory } from "../render/history.ts";
import { resolveAllTargets } from "../repositories.ts";
import { type PlaceOptions, storagesOf, type Target } from "../targets.ts";

interface Options extends PlaceOptions {
  readonly last: number;
  readonly since?: number;
  readonly failed?: true;
  readonly operation?: RunFile["operation"];
  readonly rebuild?: true;
}

const SHOWN = 20;

export function addHistory(program: Command, cli: () => Cli): void {
  placeOptions(program.command("history"))
    .summary("show what ran, and what came of it")
    .description(
      "Shows the runs that a repository has recorded, newest first: backups, verifications, restores, copies, prunings, recoveries and drills, with who ran them, how long they took, and what went wrong. A run whose process is gone was interrupted.",
    )
    .argument("[database...]", "names from the strategy or the repository; all when none is given")
    .addOption(
      new Option("--last <number>", "no more than so many of each database")
        .argParser(positiveInteger)
        .default(SHOWN),
    )
    .option("--since <duration>", "only what began so long ago or later, such as 7d", durationArgument)
    .option("--failed", "only what failed, was interrupted or is degraded")
    .addOption(new Option("--operation <name>", "only runs of this operation").choices(RUN_OPERATIONS))
    .option(
      "--rebuild",
      "make the index of these runs on this machine anew, which otherwise looks after itself",
    )
    .action(async (names: string[], options: Options) => {
      await runHistory(cli(), names, options);
    });
}

async function runHistory(cli: Cli, names: readonly string[], options: Options): Promise<void> {
  for (const target of await resolveAllTargets(cli, names, options)) await showHistory(cli, target, options);
}

async function showHistory(cli: Cli, target: Target, options: Options): Promise<void> {
  const { last, since, failed, operation, rebuild } = options;
  const now = cli.runtime.clock.now();
  const history = await readHistory(
    cli.runtime,
    {
      database: target.name,
      storages: storagesOf(target),
      last,
      since: since === undefined ? undefined : new Date(now.getTime() - since),
      operation,
      failed,
      rebuild,
    },
    cli.signal,
  );
  cli.output.result(historyJson(history), () =>
    renderHistory(cli.output, history, { now, timeZone: target.timeZone }),
  );
  for (const { message } of history.failures)
    cli.output.warn(`what is recorded there is not shown: ${message}`);
  if (history.failures.length > 0) cli.exitWith(ERRORS.unhealthy.exit);
}
