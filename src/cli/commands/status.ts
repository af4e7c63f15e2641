import type { Command } from "commander";
import { nextRun } from "../../config/schedule.ts";
import { AppError, ERRORS } from "../../errors.ts";
import { readInstalled } from "../../operations/schedule/installed.ts";
import { databaseStatus, type DatabaseStatus, unreadableStatus } from "../../operations/status.ts";
import type { Cli } from "../cli.ts";
import { placeOptions } from "../options.ts";
import { renderStatus, statusJson } from "../render/status.ts";
import { resolveAllTargets } from "../repositories.ts";
import { scheduleRequest } from "../schedule-request.ts";
import { placesOf, type PlaceOptions, type Target } from "../targets.ts";

export function addStatus(program: Command, cli: () => Cli): void {
  placeOptions(program.command("status"))
    .summary("are the objectives met?")
    .description(
      "Shows for each database whether its newest backup is within the RPO, how much data is at risk now, and when the next backup is due, if a schedule is installed on this machine; where the strategy has several backups of a database, each has a line. A backup of other schemas than the strategy's does not count for the RPO. Exit code 4 when any is unhealthy.",
    )
    .argument("[database...]", "names from the strategy; all when none is given")
    .action(async (names: string[], options: PlaceOptions) => {
      await runStatus(cli(), names, options);
    });
}

async function runStatus(cli: Cli, names: readonly string[], options: PlaceOptions): Promise<void> {
  const targets = await resolveAllTargets(cli, names, options);
  const statuses: DatabaseStatus[] = [];
  const isInstalled = await installedIn(cli, targets);
  for (const target of targets) statuses.push(await statusOf(cli, target, isInstalled));
  const timeZone = targets[0]?.timeZone ?? "UTC";
  cli.output.result(statusJson(statuses), () =>
    renderStatus(cli.output, statuses, cli.runtime.clock.now(), timeZone),
  );
  if (statuses.some(({ healthy }) => !healthy)) cli.exitWith(ERRORS.unhealthy.exit);
}

type IsInstalled = Awaited<ReturnType<typeof readInstalled>>;

async function installedIn(cli: Cli, targets: readonly Target[]): Promise<IsInstalled> {
  const strategy = targets[0]?.strategy ?? null;
  return strategy === null
    ? null
    : await readInstalled(cli.runtime, scheduleRequest(cli, strategy), cli.signal);
}

/** One repository that cannot be read is a problem of its databases and must not hide the others. */
async function statusOf(cli: Cli, target: Target, isInstalled: IsInstalled): Promise<DatabaseStatus> {
  const { entry } = target;
  const now = cli.runtime.clock.now();
  const request = {
    database: target.name,
    criticality: entry?.criticality ?? null,
    rpoMs: entry?.objectives.rpoMs ?? null,
    rtoMs: entry?.objectives.rtoMs ?? null,
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
  };
  try {
    return await databaseStatus(
      cli.runtime,
      { ...request, places: placesOf(target, undefined), timeZone: target.timeZone },
      cli.signal,
    );
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "interrupted" || cli.signal.aborted) throw error;
    return unreadableStatus(request, error);
  }
}
