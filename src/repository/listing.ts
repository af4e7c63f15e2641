import { isAppError, messageOf } from "../errors.ts";
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
import { type ArchiveIndex, BackupId, type BackupIndex, type SnapshotIndex } from "./manifest.ts";
import { readIndex } from "./manifests.ts";
import type { Repository } from "./repository.ts";
import { readMark } from "./marks.ts";

// Enough to hide the latency of a network mount or an object store, few enough for any server.
const PARALLEL_READS = 16;

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
  const found = await mapBounded([...folders], PARALLEL_READS, ([id, names]) =>
    inspectBackup(repository, database, id, names, signal),
  );
  const read = found.filter((each) => each !== undefined);
  const backups = read.flatMap((each) => (each.kind === "index" ? [each.index] : []));
  const damaged = read.flatMap((each) => (each.kind === "damaged" ? [each.damaged] : []));
  const archives = await checkArchives(repository, database, backups.filter(isArchive), signal);
  const snapshots = await checkSnapshots(repository, database, backups.filter(isSnapshot), folders, signal);
  return {
    backups: [...archives.sound, ...snapshots.sound].toSorted(newestFirst),
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
  const candidates = (await listArchives(storage, database, signal)).filter(({ key }) => isArchiveName(key));
  if (candidates.length === 0) return [];
  const known = new Set(backups.filter(isArchive).map(({ archive }) => archive.key));
  const ids = new Set<string>(backups.map(({ id }) => id));
  // Looked up after the files, so that a backup finished in between is not taken for a foreign one.
  for (const [id, names] of await surveyBackups(storage, database, signal)) {
    if (ids.has(id)) continue;
    const key = await archiveNamedBy(repository, database, id, names, signal);
    if (key !== undefined) known.add(key);
  }
  return candidates.filter(({ key }) => !known.has(key)).toSorted((a, b) => (a.key < b.key ? -1 : 1));
}

/** The names of the objects in the folder of each backup. */
export async function surveyBackups(
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<Map<BackupId, Set<string>>> {
  const prefix = backupsFolder(database);
  const folders = new Map<BackupId, Set<string>>();
  for await (const { key } of storage.list(prefix, "all", signal)) {
    const [folder, ...rest] = key.slice(prefix.length).split("/");
    // Anything else here is somebody else's: file servers like to put folders of their own everywhere.
    const id = BackupId.safeParse(folder);
    if (!id.success || rest.length === 0) continue;
    const names = folders.get(id.data) ?? new Set();
    names.add(rest.join("/"));
    folders.set(id.data, names);
  }
  return folders;
}

type Inspected = { kind: "index"; index: BackupIndex } | { kind: "damaged"; damaged: DamagedBackup };

async function inspectBackup(
  repository: Repository,
  database: string,
  id: BackupId,
  names: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<Inspected | undefined> {
  if (!names.has("index")) {
    if (names.has("unfinished")) return undefined;
    return await inspectOrphan(repository.storage, database, id, signal);
  }
  try {
    return { kind: "index", index: await readIndex(repository, database, id, signal) };
  } catch (error) {
    // Deleted between the survey and the reading.
    if (isAppError(error, "backup_missing")) return undefined;
    if (!isUnreadable(error)) throw error;
    return { kind: "damaged", damaged: { id, reason: messageOf(error) } };
  }
}

/** No order of writing or deleting leaves a folder without index and mark: somebody removed one of them. */
async function inspectOrphan(
  storage: Storage,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<Inspected | undefined> {
  // A survey is no snapshot: look again before calling it damaged.
  const keys = [indexKey(database, id), unfinishedKey(database, id)];
  for (const key of keys) if ((await storage.stat(key, signal)) !== undefined) return undefined;
  const names = (await surveyBackups(storage, database, signal)).get(id);
  if (names === undefined) return undefined;
  return { kind: "damaged", damaged: { id, reason: "its index is missing" } };
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
  const archives = await listArchives(repository.storage, database, signal);
  const sizes = new Map(archives.map(({ key, size }) => [key, size]));
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
    for (const [name, key] of Object.entries({
      tables: tablesKey(database, index.id),
      content: contentKey(database, index.id),
    })) {
      if (folders.get(index.id)?.has(name) === true) continue;
      // A survey is no snapshot: what it did not see it may have passed over while it was being written.
      if ((await repository.storage.stat(key, signal)) === undefined) missing.push(`\`${name}\``);
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

async function listArchives(
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<StoredObject[]> {
  const objects: StoredObject[] = [];
  for await (const object of storage.list(databaseFolder(database), "here", signal)) objects.push(object);
  return objects;
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

function newestFirst(a: BackupIndex, b: BackupIndex): number {
  // Not as text: a time may be written with or without a fraction of the second.
  const byTime = Date.parse(b.snapshotAt) - Date.parse(a.snapshotAt);
  if (byTime !== 0) return byTime;
  return a.id < b.id ? 1 : -1;
}
