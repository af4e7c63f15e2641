import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { PlacesListing } from "../operations/list-places.ts";
import type { Place } from "../operations/places.ts";
import { indexKey } from "../repository/layout.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { Repository } from "../repository/repository.ts";
import { bytesToCome } from "./space.ts";

/** One of the places of a database, as far as it could be read. */
export interface PlaceFacts {
  readonly name: string;
  /** What tells it from others, however they are named. */
  readonly place: string;
  /** Null where it has no end, or does not tell. */
  readonly freeBytes: number | null;
  /** How much more the database will take there after each of the coming days; empty where that does not matter. */
  readonly toCome: readonly number[];
  /** How the newest backup is locked there; null where nothing is, or it is not there. */
  readonly lock: LockFacts | null;
}

interface LockFacts {
  readonly backup: string;
  readonly windowMs: number;
  /** For how long it stays so, in milliseconds; null where it is not locked. */
  readonly leftMs: number | null;
}

export async function gatherPlaces(
  runtime: Runtime,
  places: readonly Place[],
  timeZone: string,
  { listing, newest }: { readonly listing: PlacesListing; readonly newest: BackupIndex | undefined },
  signal: AbortSignal,
): Promise<PlaceFacts[]> {
  const facts: PlaceFacts[] = [];
  for (const place of places) {
    const repository = listing.repositories.find((one) => one.storage.place === place.storage.place);
    if (repository === undefined) continue;
    const freeBytes = await orNull(() => place.storage.freeBytes(signal), signal);
    const isThere = newest !== undefined && listing.places.get(newest.id)?.includes(place.name) === true;
    facts.push({
      name: place.name,
      place: place.storage.place,
      freeBytes,
      toCome: freeBytes === null ? [] : bytesToCome(runtime, place, timeZone, listing.backups),
      lock: isThere ? await orNull(() => lockOf(repository, newest, signal), signal) : null,
    });
  }
  return facts;
}

async function lockOf(
  { storage }: Repository,
  { database, id }: BackupIndex,
  signal: AbortSignal,
): Promise<LockFacts | undefined> {
  const { locks } = storage;
  if (locks === undefined) return undefined;
  const until = await locks.lockedUntil(indexKey(database, id), signal);
  const now = await locks.now(signal);
  const leftMs = until === undefined ? null : until.getTime() - now.getTime();
  return { backup: id, windowMs: locks.windowMs, leftMs };
}

/** What cannot be told here says nothing of the backups, which could be read. */
async function orNull<T>(ask: () => Promise<T | undefined>, signal: AbortSignal): Promise<T | null> {
  try {
    return (await ask()) ?? null;
  } catch (error) {
    if (!(error instanceof AppError) || signal.aborted) throw error;
    return null;
  }
}
