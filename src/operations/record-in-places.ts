import { isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { holdsAnythingOf, openRepository, type Repository } from "../repository/repository.ts";
import { requireSameKeys } from "../repository/sealing/alike.ts";
import type { Storage } from "../storage/storage.ts";

/** Gives `record` each place that can be written, one after the other. Never throws: a record is no reason to fail. */
export type RecordInPlaces = (
  signal: AbortSignal,
  record: (repository: Repository) => Promise<void>,
) => Promise<void>;

/**
 * Records in the places of a database that have something of it. A place where it failed is told, once, and left alone from then on.
 * @param what for that message: `this run`
 */
export function recordInPlaces(
  runtime: Runtime,
  database: string,
  all: readonly Storage[],
  what: string,
): RecordInPlaces {
  const storages = all.filter(({ asOf }) => asOf === undefined);
  const refused = new Set<Storage>();
  return async (signal, record) => {
    let first: Repository | undefined;
    for (const storage of storages) {
      if (refused.has(storage)) continue;
      try {
        const repository = await openKnown(runtime, storage, database, signal);
        if (repository === undefined) continue;
        first ??= repository;
        if (isAlike(first, repository)) await record(repository);
      } catch (error) {
        // Whatever it is, it says nothing of what is recorded.
        refused.add(storage);
        runtime.reporter.warn(`${what} is not recorded in ${storage.place}: ${messageOf(error)}`);
      }
    }
  };
}

/** Into a place that is sealed to others nothing of this database is written. */
function isAlike(first: Repository, other: Repository): boolean {
  try {
    requireSameKeys(first, other);
    return true;
  } catch (error) {
    if (!isAppError(error, "repository_unusable")) throw error;
    return false;
  }
}

/**
 * The repository, where it has something of the database: a record must not make a folder for a name that is mistyped. What
 * keeps it from being opened is the run's own to say, which needs it more than its record does.
 */
async function openKnown(
  runtime: Runtime,
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<Repository | undefined> {
  try {
    const repository = await openRepository(runtime, storage, signal);
    return (await holdsAnythingOf(storage, database, signal)) ? repository : undefined;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return undefined;
  }
}
