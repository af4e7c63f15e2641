import type { Command } from "commander";
import { checkRepository, type PlaceCheck } from "../../operations/repository/check.ts";
import { repositoryUsage } from "../../operations/repository/usage.ts";
import type { Cli } from "../cli.ts";
import { placeOptions } from "../options.ts";
import { checkJson, renderCheck } from "../render/repository-check.ts";
import { renderUsage, usageJson } from "../render/usage.ts";
import { eachPlace, repositoryPlaces } from "../repository-places.ts";
import type { PlaceOptions } from "../targets.ts";
import { addRepair } from "./repository-repair.ts";

export function addRepository(program: Command, cli: () => Cli): void {
  const repository = program
    .command("repository")
    .summary("look after the places where backups are kept")
    .description("Looks after the places where backups are kept.");
  placeOptions(repository.command("check"))
    .summary("look whether everything is there")
    .description(
      "Looks whether every index can be read, whether everything that it names is there in the size it should have, and what else lies in the repository; says what to do about it. Quick, for it reads no rows: only `handled verify` proves them. Changes nothing. Exit code 13 when a backup is damaged, 4 when anything else is not as it should be.",
    )
    .argument("[database...]", "names of databases; all in the repository when none is given")
    .action(async (names: string[], options: PlaceOptions) => {
      await runCheck(cli(), names, options);
    });
  addRepair(repository, cli);
  placeOptions(repository.command("usage"))
    .summary("show what backups take, and how fast that grows")
    .description(
      "Shows for each repository and each database in it what is stored by what it is, what each backup added and what deleting it would free, how much the backups share, how fast they grow, and when the disk is full. Reads no rows, and changes nothing.",
    )
    .argument("[database...]", "names of databases; all in the repository when none is given")
    .action(async (names: string[], options: PlaceOptions) => {
      await runUsage(cli(), names, options);
    });
}

async function runCheck(cli: Cli, names: readonly string[], options: PlaceOptions): Promise<void> {
  const places = await repositoryPlaces(cli, names, options);
  const { results, failed } = await eachPlace(cli, places, (place) =>
    checkRepository(cli.runtime, place, cli.signal),
  );
  if (results.length > 0) cli.output.result(checkJson(results), () => renderCheck(cli.output, results));
  const exit = exitOf(results) ?? failed;
  if (exit !== undefined) cli.exitWith(exit);
}

const DAMAGED_EXIT = 13;
const UNHEALTHY_EXIT = 4;

/** Damage first; undefined where everything that could be looked at is as it should be. */
function exitOf(checks: readonly PlaceCheck[]): number | undefined {
  const levels = checks.flatMap(({ findings }) => findings.map(({ level }) => level));
  if (levels.includes("damage")) return DAMAGED_EXIT;
  return levels.includes("problem") ? UNHEALTHY_EXIT : undefined;
}

async function runUsage(cli: Cli, names: readonly string[], options: PlaceOptions): Promise<void> {
  const places = await repositoryPlaces(cli, names, options);
  const { results, failed } = await eachPlace(cli, places, ({ storage, names: wanted }) =>
    repositoryUsage(cli.runtime, storage, wanted, cli.signal),
  );
  if (results.length > 0) {
    const timeZone = places[0]?.timeZone ?? "UTC";
    cli.output.result(usageJson(results), () => renderUsage(cli.output, results, timeZone));
  }
  if (failed !== undefined) cli.exitWith(failed);
}
