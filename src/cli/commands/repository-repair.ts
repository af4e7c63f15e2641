import { DEGRADED_EXIT } from "../../errors.ts";
import type { Command } from "commander";
import { noteChange } from "../../operations/changes-here.ts";
import {
  planRepair,
  type RepairReport,
  repairRepository,
  type RepairStep,
} from "../../operations/repository/repair.ts";
import type { Cli } from "../cli.ts";
import { confirmByName } from "../confirm.ts";
import { durationArgument, placeOptions } from "../options.ts";
import { renderRepair, repairJson, stepText } from "../render/repository-repair.ts";
import { eachPlace, type RepositoryPlace, repositoryPlaces } from "../repository-places.ts";
import type { PlaceOptions } from "../targets.ts";

interface Options extends PlaceOptions {
  readonly dryRun?: true;
  readonly yes?: true;
  readonly garbageAge?: number;
}

const DAY_MS = 86_400_000;

export function addRepair(repository: Command, cli: () => Cli): void {
  placeOptions(repository.command("repair"))
    .summary("mend what can be mended without another copy")
    .description(
      "Cleans up after crashed runs and dead processes, writes a missing `repository.json` anew, points the links to the newest archives, and records which backups are damaged, so that they count for nothing and the next snapshot reads their rows again. Deletes nothing that a readable index names, and no archive of others; remains without an index go in two runs, a day apart. Exit code 3 when something had to be left.",
    )
    .argument("[database...]", "names of databases; all in the repository when none is given")
    .option("--dry-run", "only say what would be done")
    .option("--yes", "do not ask")
    .option(
      "--garbage-age <duration>",
      "how long what no backup needs must have been noted before it is deleted (default: 24h)",
      durationArgument,
    )
    .action(async (names: string[], options: Options) => {
      await runRepair(cli(), names, options);
    });
}

async function runRepair(cli: Cli, names: readonly string[], options: Options): Promise<void> {
  const dryRun = options.dryRun === true;
  const places = await repositoryPlaces(cli, names, options);
  const { results, failed } = await eachPlace(cli, places, (place) => repair(cli, place, options));
  if (results.length > 0) {
    cli.output.result(repairJson(results, dryRun), () => renderRepair(cli.output, results, dryRun));
  }
  const isLeft = results.some(({ steps }) => steps.some((step) => step.isLeft));
  const exit = failed ?? (isLeft ? DEGRADED_EXIT : undefined);
  if (exit !== undefined) cli.exitWith(exit);
}

async function repair(cli: Cli, place: RepositoryPlace, options: Options): Promise<RepairReport> {
  const request = { ...place, garbageAgeMs: options.garbageAge ?? DAY_MS };
  const plan = await planRepair(cli.runtime, request, cli.signal);
  if (options.dryRun === true || plan.steps.length === 0) return plan;
  if (options.yes !== true) for (const step of plan.steps) cli.output.note(`would ${stepText(step)}`);
  await confirmByName(cli, `repair ${plan.place}`, "repair", options.yes === true);
  const done: RepairStep[] = [];
  try {
    return await repairRepository(cli.runtime, request, (step) => void done.push(step), cli.signal);
  } catch (error) {
    // Otherwise the report tells of them.
    for (const step of done) cli.output.note(stepText(step));
    throw error;
  } finally {
    await noteChange(cli.runtime, [place.storage]);
  }
}
