import type { Command } from "commander";
import { findDatabase } from "../../config/strategy.ts";
import { listPlaces, type PlacesListing } from "../../operations/list-places.ts";
import type { Place } from "../../operations/places.ts";
import { KEEP_ALL } from "../../operations/prune.ts";
import type { Cli } from "../cli.ts";
import { listJson, renderListings } from "../render/list.ts";
import { asOfOption, placeOptions } from "../options.ts";
import { databasesIn, resolvePlaces } from "../repositories.ts";
import { placesOf, type PlaceOptions, resolveTarget } from "../targets.ts";

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
): Promise<{ listings: PlacesListing[]; timeZone: string }> {
  const { strategy, storages, timeZone } = await resolvePlaces(cli, options);
  const listings: PlacesListing[] = [];
  const list = async (places: readonly Place[], database: string): Promise<void> => {
    listings.push(await listPlaces(cli.runtime, places, database, timeZone, cli.signal));
  };
  if (strategy !== null) {
    const databases = name === undefined ? strategy.databases : [findDatabase(strategy, name)];
    for (const database of databases)
      await list(placesOf(await resolveTarget(cli, database.name, options), undefined), database.name);
    return { listings, timeZone };
  }
  // The repositories tell their databases themselves.
  const places = storages.map((open, at): Place => {
    const storage = open();
    return { name: options.repository?.[at] ?? storage.place, storage, rules: KEEP_ALL };
  });
  const opened = places.map(({ storage }) => storage);
  const databases = name === undefined ? await databasesIn(cli, opened) : [name];
  for (const database of databases) await list(places, database);
  return { listings, timeZone };
}
