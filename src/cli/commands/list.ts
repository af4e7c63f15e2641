import type { Command } from "commander";
import { isAppError } from "../../errors.ts";
import { findDatabase } from "../../config/strategy.ts";
import { emptyListing, listPlaces, type PlacesListing } from "../../operations/list-places.ts";
import type { Place } from "../../operations/places.ts";
import { KEEP_ALL } from "../../operations/prune.ts";
import type { Cli } from "../cli.ts";
import { providerViewOf } from "../provider-view-of.ts";
import { type Listed, listJson, renderListings } from "../render/list.ts";
import { asOfOption, placeOptions } from "../options.ts";
import { databasesIn, resolvePlaces } from "../repositories.ts";
import { placesOf, type PlaceOptions, resolveTarget } from "../targets.ts";

export function addList(program: Command, cli: () => Cli): void {
  placeOptions(program.command("list"))
    .summary("show the backups that a repository holds")
    .description(
      "Shows every backup of one database or of all, newest first. Needs only the repository. Archives that other tools put there are shown as foreign. Where a managed service runs the database, its own backups follow; that it cannot be asked is a warning.",
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
): Promise<{ listings: Listed[]; timeZone: string }> {
  const { strategy, storages, timeZone } = await resolvePlaces(cli, options);
  const listings: Listed[] = [];
  const list = async (places: readonly Place[], database: string): Promise<PlacesListing> =>
    await listPlaces(cli.runtime, places, database, timeZone, cli.signal);
  if (strategy !== null) {
    const databases = name === undefined ? strategy.databases : [findDatabase(strategy, name)];
    for (const { name: database } of databases) {
      const target = await resolveTarget(cli, database, options);
      const listing = await list(placesOf(target, undefined), database).catch((error: unknown) => {
        // Before our first backup the service's are all that there is.
        if (!isAppError(error, "repository_missing") || target.entry?.provider === undefined) throw error;
        return emptyListing(database);
      });
      listings.push({ ...listing, provider: await providerViewOf(cli, target, listing.repositories) });
    }
    return { listings, timeZone };
  }
  // The repositories tell their databases themselves.
  const places = storages.map((open, at): Place => {
    const storage = open();
    return { name: options.repository?.[at] ?? storage.place, storage, rules: KEEP_ALL };
  });
  const opened = places.map(({ storage }) => storage);
  const databases = name === undefined ? await databasesIn(cli, opened) : [name];
  for (const database of databases) listings.push({ ...(await list(places, database)), provider: null });
  return { listings, timeZone };
}
