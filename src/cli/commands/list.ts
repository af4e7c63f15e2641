import type { Command } from "commander";
import { findDatabase } from "../../config/strategy.ts";
import { type DatabaseListing, listRepository } from "../../operations/list.ts";
import { openStrategyPlace } from "../open-place.ts";
import type { Cli } from "../cli.ts";
import { listJson, renderListings } from "../render/list.ts";
import { asOfOption, placeOptions } from "../options.ts";
import { resolvePlaces } from "../repositories.ts";
import type { PlaceOptions } from "../targets.ts";

export function addList(program: Command, cli: () => Cli): void {
  placeOptions(program.command("list"))
    .summary("show the backups that a repository holds")
    .description(
      "Shows every backup of one database or of all, newest first. Needs only the repository. Archives that other tools put there are shown as foreign.",
    )
    .argument("[database]", "one database; all when left out")
    .addOption(asOfOption())
    .action(async (name: string | undefined, options: PlaceOptions) => {
      await runList(cli(), name, options);
    });
}

async function runList(cli: Cli, name: string | undefined, options: PlaceOptions): Promise<void> {
  const { listings, timeZone } = await collect(cli, name, options);
  cli.output.result(listJson(listings), () =>
    renderListings(cli.output, listings, cli.runtime.clock.now(), timeZone),
  );
}

async function collect(
  cli: Cli,
  name: string | undefined,
  options: PlaceOptions,
): Promise<{ listings: DatabaseListing[]; timeZone: string }> {
  const { strategy, storages, timeZone } = await resolvePlaces(cli, options);
  if (strategy === null) {
    // The repository tells its databases itself.
    const found: DatabaseListing[] = [];
    for (const open of storages) found.push(...(await listRepository(cli.runtime, open(), name, cli.signal)));
    return { listings: found, timeZone };
  }
  const databases = name === undefined ? strategy.databases : [findDatabase(strategy, name)];
  const listings: DatabaseListing[] = [];
  for (const database of databases) {
    const storage = openStrategyPlace(cli, strategy, database.repositories[0], options);
    listings.push(...(await listRepository(cli.runtime, storage, database.name, cli.signal)));
  }
  return { listings, timeZone };
}
