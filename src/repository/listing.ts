import { AppError, isAppError, messageOf } from "../errors.ts";
import { mapBounded } from "../lib/concurrency.ts";
import type { Storage, StoredObject } from "../storage/storage.ts";
import {
  backupsFolder,
  contentKey,
  databaseFolder,
  indexKey,
  isArchiveName,
  tablesKey,
  unfinishedKey,
} from "./layout.ts";
import {
  type ArchiveIndex,
  BACKUP_ID,
  type BackupId,
  type BackupIndex,
  type SnapshotIndex,
} from "./manifest.ts";
import { readIndex, readIndexes } from "./manifests.ts";
import type { Repository } from "./repository.ts";
import { readMark } from "./marks.ts";
import { asStored } from "./sealing/sealed-storage.ts";

// Enough to hide the latency of a network mount or an object store, few enough for any server.
const PARALLEL_READS = 64;

/** A backup that is named but cannot be relied on. */
export interface DamagedBackup {
  readonly id: string;
  /** What is wrong with it, in words. */
  readonly reason: string;
  /** Its summary, where that at least is sound. */
  readonly index?: BackupIndex;
}

export interface BackupListing {
  /**
   * Newest first, by the moment they bring back. Each one's archive is there in its full size; of a snapshot, only that its
   * manifest is there was looked at.
   */
  readonly backups: BackupIndex[];
  /** Sorted by id. One damaged backup never hides the others. */
  readonly damaged: DamagedBackup[];
}

/** The backups of a database. Those still being written, or left half-made by a crash, are not among them. */
export async function listBackups(
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<BackupListing> {
  const folders = await surveyBackups(repository.storage, database, signal);
  const { backups, damaged } = await inspectBackups(repository, database, folders, signal);
  const archives = await checkArchives(repository, database, backups.filter(isArchive), signal);
  const snapshots = await checkSnapshots(repository, database, backups.filter(isSnapshot), folders, signal);
  return {
    backups: newestFirst([...archives.sound, ...snapshots.sound]),
    damaged: [...damaged, ...archives.broken, ...snapshots.broken].toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

/**
 * Archives in the database's folder that no backup and no unfinished run names: other tools put them there, or their
 * manifest is damaged beyond reading. Sorted by key. They can be restored, and are never deleted.
 */
export async function listForeign(
  repository: Repository,
  database: string,
  backups: readonly BackupIndex[],
  signal: AbortSignal,
): Promise<StoredObject[]> {
  const { storage } = repository;
  const known = new Set(backups.filter(isArchive).map(({ archive }) => archive.key));
  const isUnknown = (key: string): boolean => isArchiveName(key) && !known.has(key);
  const candidates = (await storage.keys(databaseFolder(database), "here", signal)).filter(isUnknown);
  if (candidates.length === 0) return [];
  const ids = new Set<string>(backups.map(({ id }) => id));
  // Looked up after the files, so that a backup finished in between is not taken for a foreign one.
  for (const [id, names] of await surveyBackups(storage, database, signal)) {
    if (ids.has(id)) continue;
    const key = await archiveNamedBy(repository, database, id, names, signal);
    if (key !== undefined) known.add(key);
  }
  const foreign = candidates.filter(isUnknown).toSorted();
  // As they lie there: what is named like a sealed one need not be one of ours.
  const stored = asStored(storage);
  const found = await mapBounded(foreign, PARALLEL_READS, (key) => stored.stat(key, signal));
  return found.filter((object) => object !== undefined);
}

/** The names of the objects in the folder of each backup. */
export async function surveyBackups(
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<Map<BackupId, Set<string>>> {
  const prefix = backupsFolder(database);
  const folders = new Map<BackupId, Set<string>>();
  for (const key of await storage.keys(prefix, "all", signal)) {
    const end = key.indexOf("/", prefix.length);
    const folder = key.slice(prefix.length, end);
    // Anything else here is somebody else's: file servers like to put folders of their own everywhere.
    if (end < 0 || !BACKUP_ID.test(folder)) continue;
    const id = folder as BackupId;
    const names = folders.get(id) ?? new Set();
    names.add(key.slice(end + 1));
    folders.set(id, names);
  }
  return folders;
}

async function inspectBackups(
  repository: Repository,
  database: string,
  folders: ReadonlyMap<BackupId, ReadonlySet<string>>,
  signal: AbortSignal,
): Promise<{ backups: BackupIndex[]; damaged: DamagedBackup[] }> {
  const backups: BackupIndex[] = [];
  const damaged: DamagedBackup[] = [];
  const ids = [...folders.keys()].filter((id) => folders.get(id)?.has("index"));
  for (const [at, index] of (await readIndexes(repository, database, ids, signal)).entries()) {
    if (!(index instanceof AppError)) backups.push(index);
    // Deleted between the survey and the reading.
    else if (index.code === "backup_missing") continue;
    else if (isUnreadable(index)) damaged.push({ id: ids[at] ?? "", reason: messageOf(index) });
    else throw index;
  }
  for (const [id, names] of folders) {
    if (names.has("index") || names.has("unfinished")) continue;
    const orphan = await inspectOrphan(repository.storage, database, id, signal);
    if (orphan !== undefined) damaged.push(orphan);
  }
  return { backups, damaged };
}

/** No order of writing or deleting leaves a folder without index and mark: somebody removed one of them. */
async function inspectOrphan(
  storage: Storage,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<DamagedBackup | undefined> {
  // A survey is no snapshot: look again before calling it damaged.
  const keys = [indexKey(database, id), unfinishedKey(database, id)];
  for (const key of keys) if ((await storage.stat(key, signal)) !== undefined) return undefined;
  const names = (await surveyBackups(storage, database, signal)).get(id);
  if (names === undefined) return undefined;
  return { id, reason: "its index is missing" };
}

/** Errors that concern one index; anything else (an interruption, say) ends the listing. */
export function isUnreadable(error: unknown): boolean {
  return (
    isAppError(error, "backup_damaged") ||
    isAppError(error, "repository_version") ||
    isAppError(error, "repository_unusable")
  );
}

interface Checked {
  readonly sound: BackupIndex[];
  readonly broken: DamagedBackup[];
}

/** Archives lie in plain sight, where people tidy up by hand: a backup without its file must not pass for one. */
async function checkArchives(
  repository: Repository,
  database: string,
  backups: readonly ArchiveIndex[],
  signal: AbortSignal,
): Promise<Checked> {
  const sound: BackupIndex[] = [];
  const broken: DamagedBackup[] = [];
  if (backups.length === 0) return { sound, broken };
  const sizes = new Map<string, number>();
  for await (const { key, size } of repository.storage.list(databaseFolder(database), "here", signal)) {
    sizes.set(key, size);
  }
  for (const index of backups) {
    const { key, size } = index.archive;
    const found = sizes.get(key);
    if (found === size) {
      sound.push(index);
    } else if ((await repository.storage.stat(indexKey(database, index.id), signal)) !== undefined) {
      // Its index is still there, so this is not a backup that is being deleted right now.
      const state = found === undefined ? "is missing" : `has ${found} bytes, the index says ${size}`;
      broken.push({ id: index.id, reason: `its archive ${key} ${state}`, index });
    }
  }
  return { sound, broken };
}

/** Whether all parts are there only a verification can tell; that the manifest is there the survey has seen. */
async function checkSnapshots(
  repository: Repository,
  database: string,
  backups: readonly SnapshotIndex[],
  folders: ReadonlyMap<BackupId, ReadonlySet<string>>,
  signal: AbortSignal,
): Promise<Checked> {
  const sound: BackupIndex[] = [];
  const broken: DamagedBackup[] = [];
  for (const index of backups) {
    const missing: string[] = [];
    for (const [name, keyOf] of [
      ["tables", tablesKey],
      ["content", contentKey],
    ] as const) {
      if (folders.get(index.id)?.has(name) === true) continue;
      // A survey is no snapshot: what it did not see it may have passed over while it was being written.
      const found = await repository.storage.stat(keyOf(database, index.id), signal);
      if (found === undefined) missing.push(`\`${name}\``);
    }
    if (missing.length === 0) {
      sound.push(index);
    } else if ((await repository.storage.stat(indexKey(database, index.id), signal)) !== undefined) {
      // Its index is still there, so this is not a backup that is being deleted right now.
      broken.push({ id: index.id, reason: `its object ${missing.join(" and ")} is missing`, index });
    }
  }
  return { sound, broken };
}

export function isArchive(index: BackupIndex): index is ArchiveIndex {
  return index.kind === "archive";
}

export function isSnapshot(index: BackupIndex): index is SnapshotIndex {
  return index.kind === "snapshot";
}

async function archiveNamedBy(
  repository: Repository,
  database: string,
  id: BackupId,
  names: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    if (!names.has("index")) return (await readMark(repository.storage, database, id, signal))?.archive?.key;
    const index = await readIndex(repository, database, id, signal);
    return index.kind === "archive" ? index.archive.key : undefined;
  } catch (error) {
    if (isAppError(error, "backup_missing") || isUnreadable(error)) return undefined;
    throw error;
  }
}

function newestFirst(backups: readonly BackupIndex[]): BackupIndex[] {
  // Not as text: a time may be written with or without a fraction of the second.
  const timed = backups.map((index) => ({ index, at: Date.parse(index.snapshotAt) }));
  timed.sort((a, b) => b.at - a.at || (a.index.id < b.index.id ? 1 : -1));
  return timed.map(({ index }) => index);
}
