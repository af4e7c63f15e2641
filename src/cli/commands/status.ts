import type { Command } from "commander";
import { earliestRun } from "../../config/review.ts";
import { AppError, ERRORS } from "../../errors.ts";
import { databaseStatus, type DatabaseStatus, unreadableStatus } from "../../operations/status.ts";
import type { Cli } from "../cli.ts";
import { placeOptions } from "../options.ts";
import { renderStatus, statusJson } from "../render/status.ts";
import { resolveAllTargets } from "../repositories.ts";
import type { PlaceOptions, Target } from "../targets.ts";

export function addStatus(program: Command, cli: () => Cli): void {
  placeOptions(program.command("status"))
    .summary("are the objectives met?")
    .description(
      "Shows for each database whether its newest backup is within the RPO, how much data is at risk now, and when the next backup is due. Exit code 4 when any is unhealthy.",
    )
    .argument("[database...]", "names from the strategy; all when none is given")
    .action(async (names: string[], options: PlaceOptions) => {
      await runStatus(cli(), names, options);
    });
}

async function runStatus(cli: Cli, names: readonly string[], options: PlaceOptions): Promise<void> {
  const targets = await resolveAllTargets(cli, names, options);
  const statuses: DatabaseStatus[] = [];
  for (const target of targets) statuses.push(await statusOf(cli, target));
  const timeZone = targets[0]?.timeZone ?? "UTC";
  cli.output.result(statusJson(statuses), () =>
    renderStatus(cli.output, statuses, cli.runtime.clock.now(), timeZone),
  );
  if (statuses.some(({ healthy }) => !healthy)) cli.exitWith(ERRORS.unhealthy.exit);
}

/** One repository that cannot be read is a problem of its databases and must not hide the others. */
async function statusOf(cli: Cli, target: Target): Promise<DatabaseStatus> {
  const { entry } = target;
  const schedules = (entry?.backups ?? []).flatMap(({ schedule }) => schedule ?? []);
  const request = {
    database: target.name,
    criticality: entry?.criticality ?? null,
    rpoMs: entry?.objectives.rpoMs ?? null,
    rtoMs: entry?.objectives.rtoMs ?? null,
    nextRun: earliestRun(schedules, target.timeZone, cli.runtime.clock.now()) ?? null,
  };
  try {
    return await databaseStatus(cli.runtime, { ...request, storage: target.storage() }, cli.signal);
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "interrupted" || cli.signal.aborted) throw error;
    return unreadableStatus(request, error);
  }
}
