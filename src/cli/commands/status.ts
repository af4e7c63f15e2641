import type { Command } from "commander";
import { nextRun } from "../../config/schedule.ts";
import { ERRORS } from "../../errors.ts";
import type { HealthRequest } from "../../health/facts.ts";
import { lookAtHealth } from "../../health/health.ts";
import { readInstalled } from "../../operations/schedule/installed.ts";
import { scheduledJobs } from "../../operations/schedule/jobs.ts";
import type { Cli } from "../cli.ts";
import { notifyOfStatus } from "../notify-of-status.ts";
import { placeOptions } from "../options.ts";
import { renderStatus, statusJson } from "../render/status.ts";
import { resolveAllTargets } from "../repositories.ts";
import { scheduleRequest } from "../schedule-request.ts";
import { placesOf, type PlaceOptions, type Target } from "../targets.ts";

interface StatusOptions extends PlaceOptions {
  readonly connect?: true;
  readonly notify?: true;
}

export function addStatus(program: Command, cli: () => Cli): void {
  placeOptions(program.command("status"))
    .summary("are the objectives met?")
    .description(
      "Shows for each database how much data is at risk now, also if only what is proven counts, how long a restore took and would take, and when the next backup is due, if a schedule is installed on this machine; where the strategy has several backups of a database, each has a line. Below stands everything that is wrong, by how bad it is, and what to do about it (docs/health.md). A backup of other schemas than the strategy's does not count for the RPO. Exit code 4 when anything worse than a notice is found, 1 with `--notify` when nothing is and a message did not arrive.",
    )
    .option(
      "--connect",
      "connect to each database, too: is the server there, are the clients new enough, do the clocks agree?",
    )
    .argument("[database...]", "names from the strategy; all when none is given")
    .option(
      "--notify",
      "tell the strategy's channels what is new, worse, still open or over since they were told last: for cron, every hour or so",
    )
    .action(async (names: string[], options: StatusOptions) => {
      await runStatus(cli(), names, options);
    });
}

async function runStatus(cli: Cli, names: readonly string[], options: StatusOptions): Promise<void> {
  const targets = await resolveAllTargets(cli, names, options);
  const isInstalled = await installedIn(cli, targets);
  const requests = targets.map((target) => ({
    ...requestOf(cli, target, isInstalled),
    connection: options.connect === true ? () => target.connection() : undefined,
  }));
  const health = await lookAtHealth(cli.runtime, requests, targets[0]?.strategy ?? null, cli.signal);
  const timeZone = targets[0]?.timeZone ?? "UTC";
  cli.output.result(statusJson(health), () =>
    renderStatus(cli.output, health, cli.runtime.clock.now(), timeZone),
  );
  if (!health.healthy) cli.exitWith(ERRORS.unhealthy.exit);
  if (options.notify === true) await notifyOfStatus(cli, targets, health);
}

type IsInstalled = Awaited<ReturnType<typeof readInstalled>>;

async function installedIn(cli: Cli, targets: readonly Target[]): Promise<IsInstalled> {
  const strategy = targets[0]?.strategy ?? null;
  return strategy === null
    ? null
    : await readInstalled(cli.runtime, scheduleRequest(cli, strategy), cli.signal);
}

function requestOf(cli: Cli, target: Target, isInstalled: IsInstalled): Omit<HealthRequest, "connection"> {
  const { entry } = target;
  const now = cli.runtime.clock.now();
  return {
    database: target.name,
    criticality: entry?.criticality ?? null,
    rpoMs: entry?.objectives.rpoMs ?? null,
    rtoMs: entry?.objectives.rtoMs ?? null,
    proofMs: entry?.objectives.proofMs ?? null,
    timeZone: target.timeZone,
    places: () => placesOf(target, undefined),
    schemas: entry === null ? undefined : (entry.schemas ?? null),
    entries: (entry?.backups ?? []).map(({ name, kind, schedule }) => ({
      name,
      kind,
      nextRun: schedule === undefined ? null : nextRun(schedule, target.timeZone, now),
      installed:
        schedule === undefined
          ? null
          : (isInstalled?.({ database: target.name, operation: "backup", entry: name }) ?? null),
    })),
    jobs: scheduledJobs({ databases: entry === null ? [] : [entry] }).map((job) => ({
      ...job,
      installed: isInstalled?.(job) ?? null,
    })),
  };
}
