import { findDatabase } from "../config/strategy.ts";
import { isAppError } from "../errors.ts";
import { emptyListing, listPlaces, type PlacesListing } from "../operations/list-places.ts";
import type { Place } from "../operations/places.ts";
import { KEEP_ALL } from "../operations/prune.ts";
import type { Cli } from "./cli.ts";
import { providerViewOf } from "./provider-view-of.ts";
import type { Listed } from "./render/list.ts";
import { databasesIn, resolvePlaces } from "./repositories.ts";
import { placesOf, type PlaceOptions, resolveTarget } from "./targets.ts";

/**
 * The backups of one database or of all, the managed service's own among them.
 * @param name undefined: all
 */
export async function listingsOf(
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
