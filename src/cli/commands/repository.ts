import type { Command } from "commander";
import { repositoryUsage } from "../../operations/repository/usage.ts";
import type { Cli } from "../cli.ts";
import { placeOptions } from "../options.ts";
import { renderUsage, usageJson } from "../render/usage.ts";
import { eachPlace, repositoryPlaces } from "../repository-places.ts";
import type { PlaceOptions } from "../targets.ts";

export function addRepository(program: Command, cli: () => Cli): void {
  const repository = program
    .command("repository")
    .summary("look after the places where backups are kept")
    .description("Looks after the places where backups are kept.");
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
