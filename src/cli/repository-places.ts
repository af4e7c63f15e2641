import { AppError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";
import { reportFailure } from "./failure.ts";
import { resolvePlaces } from "./repositories.ts";
import { DEFAULT_PREFIX, type PlaceOptions, resolveTargets } from "./targets.ts";

/** A repository, and what of it a command is about. */
export interface RepositoryPlace {
  readonly storage: Storage;
  /** Null: every database in it. */
  readonly names: readonly string[] | null;
  readonly timeZone: string;
  /** First word of the archives' file names. */
  readonly prefix: string;
}

/** The repositories a command looks at as a whole: those of the strategy or the command line, or of the named databases. */
export async function repositoryPlaces(
  cli: Cli,
  names: readonly string[],
  options: PlaceOptions,
): Promise<RepositoryPlace[]> {
  const { storages, strategy, timeZone } = await resolvePlaces(cli, options);
  const prefix = strategy?.archivePrefix ?? DEFAULT_PREFIX;
  const facts = { timeZone, prefix };
  if (names.length === 0) return storages.map((open) => ({ storage: open(), names: null, ...facts }));
  if (options.repository !== undefined) {
    return storages.map((open) => ({ storage: open(), names: [...new Set(names)], ...facts }));
  }
  const places = new Map<string, RepositoryPlace & { readonly names: string[] }>();
  for (const target of await resolveTargets(cli, names, options)) {
    for (const storage of target.places().map((place) => place.storage())) {
      const place = places.get(storage.place) ?? { storage, names: [], ...facts };
      places.set(storage.place, place);
      place.names.push(target.name);
    }
  }
  return [...places.values()];
}

/**
 * Does something with each place. One that cannot be read is told and does not keep the others from it; where there is only
 * one, it is the command's own failure.
 * @returns what came of the places that could be worked on, and the exit code of the first that could not
 */
export async function eachPlace<T>(
  cli: Cli,
  places: readonly RepositoryPlace[],
  work: (place: RepositoryPlace) => Promise<T>,
): Promise<{ readonly results: T[]; readonly failed: number | undefined }> {
  const { results, failures } = await tryPlaces(cli, places, work);
  for (const failure of failures) reportFailure(cli.output, failure);
  const [first] = failures;
  return { results, failed: results.length === 0 ? first?.exitCode : first === undefined ? undefined : 3 };
}

/** The same, and nobody is told: gives back why places could not be read. */
export async function tryPlaces<T>(
  cli: Cli,
  places: readonly RepositoryPlace[],
  work: (place: RepositoryPlace) => Promise<T>,
): Promise<{ readonly results: T[]; readonly failures: AppError[] }> {
  const results: T[] = [];
  const failures: AppError[] = [];
  for (const place of places) {
    try {
      results.push(await work(place));
    } catch (error) {
      const isFailure = error instanceof AppError && error.code !== "interrupted" && !cli.signal.aborted;
      if (!isFailure || places.length === 1) throw error;
      failures.push(error);
    }
  }
  return { results, failures };
}
