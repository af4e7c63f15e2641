import type { Runtime } from "../../lib/runtime.ts";
import { listBackups } from "../../repository/backups.ts";
import { daysUntilFull, type Growth, growthOf, sumGrowth } from "../../repository/growth.ts";
import { isArchive, isSnapshot } from "../../repository/listing.ts";
import { backupsFolder, partsFolder } from "../../repository/layout.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import type { StoredCount } from "../../repository/named-objects.ts";
import {
  listDatabases,
  openRepository,
  type Repository,
  whatIsKnownOf,
} from "../../repository/repository.ts";
import { sizeTaken } from "../../repository/sealing/sealed-storage.ts";
import { STORED_KINDS, type StoredKind } from "../../repository/survey-stored.ts";
import type { Storage } from "../../storage/storage.ts";
import { type DatabaseStock, takeStock } from "./take-stock.ts";

/** What one backup costs, in bytes. */
interface BackupUsage {
  readonly index: BackupIndex;
  /** What it had to store when it was taken. */
  readonly addedBytes: number;
  /** What nothing else needs: deleting it, and nothing else, frees that. */
  readonly ownBytes: number;
}

export interface DatabaseUsage {
  readonly database: string;
  readonly storedBytes: number;
  readonly stored: Readonly<Record<StoredKind, StoredCount>>;
  readonly counts: {
    readonly archives: number;
    readonly snapshots: number;
    readonly damaged: number;
    readonly foreign: number;
  };
  readonly growth: Growth | null;
  /** What its backups would take if none shared anything, by what they take; null where there is nothing. */
  readonly deduplication: number | null;
  /** Newest first. */
  readonly backups: readonly BackupUsage[];
  /** What could not be read: it may need what counts as an orphan, or as another's own. */
  readonly doubts: readonly string[];
}

export interface PlaceUsage {
  readonly place: string;
  readonly storedBytes: number;
  /** Null for a bucket. */
  readonly freeBytes: number | null;
  /** Of all databases in the place, also those that were not asked for. */
  readonly growth: Growth | null;
  /** If nothing is deleted meanwhile; null where the place has no end, does not grow, or too little is known. */
  readonly daysUntilFull: number | null;
  readonly databases: readonly DatabaseUsage[];
}

/**
 * What a place holds and how fast that grows. Reads the indexes and part lists, and no part; changes nothing.
 * @param names null: every database in it
 */
export async function repositoryUsage(
  runtime: Runtime,
  storage: Storage,
  names: readonly string[] | null,
  signal: AbortSignal,
): Promise<PlaceUsage> {
  const repository = await openRepository(runtime, storage, signal);
  const all = await listDatabases(repository, signal);
  const databases: DatabaseUsage[] = [];
  for (const name of names ?? all) {
    const known = await whatIsKnownOf(repository, name, signal);
    if (!known.there) runtime.reporter.note(known.note);
    databases.push(usageOf(repository.storage, await takeStock(repository, name, signal)));
  }
  const asked = new Set(databases.map(({ database }) => database));
  const others = await growthOfOthers(
    repository,
    all.filter((name) => !asked.has(name)),
    signal,
  );
  const growth = sumGrowth([...databases.map((one) => one.growth), ...others]);
  const freeBytes = (await storage.freeBytes(signal)) ?? null;
  return {
    place: repository.place,
    storedBytes: databases.reduce((sum, one) => sum + one.storedBytes, 0),
    freeBytes,
    growth,
    daysUntilFull: daysUntilFull(freeBytes, growth),
    databases,
  };
}

async function growthOfOthers(
  repository: Repository,
  names: readonly string[],
  signal: AbortSignal,
): Promise<(Growth | null)[]> {
  const { storage } = repository;
  const growths: (Growth | null)[] = [];
  for (const name of names)
    growths.push(growthOfBackups(storage, (await listBackups(repository, name, signal)).backups));
  return growths;
}

function usageOf(
  storage: Storage,
  { database, indexes, listing, foreign, holdings, unread, stored }: DatabaseStock,
): DatabaseUsage {
  const { kinds, manifests, neededBytes } = stored;
  const ownParts = holdings.ownBytes((size) => sizeTaken(storage, partsFolder(database), size));
  const ownOf = (index: BackupIndex): number => {
    const folder = `${backupsFolder(database)}${index.id}/`;
    const manifest = [...(manifests.get(index.id) ?? [])].reduce(
      (sum, [name, size]) => sum + sizeTaken(storage, folder + name, size),
      0,
    );
    return manifest + (index.kind === "archive" ? addedBy(storage, index) : (ownParts.get(index.id) ?? 0));
  };
  const named = indexes.reduce(
    (sum, index) => sum + (index.kind === "archive" ? index.archive.size : index.snapshot.namedBytes),
    0,
  );
  const unreadable = listing.damaged.filter(({ index }) => index === undefined);
  return {
    database,
    storedBytes: STORED_KINDS.reduce((sum, kind) => sum + kinds[kind].bytes, 0),
    stored: kinds,
    counts: {
      archives: listing.backups.filter(isArchive).length,
      snapshots: listing.backups.filter(isSnapshot).length,
      damaged: listing.damaged.length,
      foreign: foreign.length,
    },
    growth: growthOfBackups(storage, listing.backups),
    deduplication: neededBytes === 0 ? null : named / neededBytes,
    backups: indexes
      .toSorted((a, b) => Date.parse(b.snapshotAt) - Date.parse(a.snapshotAt))
      .map((index) => ({ index, addedBytes: addedBy(storage, index), ownBytes: ownOf(index) })),
    doubts: [
      ...unreadable.map(({ id, reason }) => `backup ${id}: ${reason}`),
      ...unread.map(({ index, reason }) => `backup ${index.id}: ${reason}`),
    ],
  };
}

/** Of a sealed snapshot to within some bytes a part: its index counts what is in them. */
function addedBy(storage: Storage, index: BackupIndex): number {
  if (index.kind === "archive") return sizeTaken(storage, index.archive.key, index.archive.size);
  const { newParts } = index.snapshot;
  return index.totals.storedBytes + newParts * sizeTaken(storage, partsFolder(index.database), 0);
}

/** Each entry of the strategy has a rhythm of its own: a weekly archive beside hourly snapshots. */
function growthOfBackups(storage: Storage, backups: readonly BackupIndex[]): Growth | null {
  const rows = Map.groupBy(backups, ({ kind, schedule }) => JSON.stringify([kind, schedule]));
  return sumGrowth(
    [...rows.values()].map((row) =>
      growthOf(row.map((index) => ({ at: Date.parse(index.snapshotAt), bytes: addedBy(storage, index) }))),
    ),
  );
}
