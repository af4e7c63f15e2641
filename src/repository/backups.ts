import { AppError, isAppError, messageOf } from "../errors.ts";
import type { StagedObject, Storage } from "../storage/storage.ts";
import { contentKey, indexKey, tablesKey, unfinishedKey } from "./layout.ts";
import type { Lease } from "./lease.ts";
import type {
  ArchiveContent,
  ArchiveIndex,
  ArchiveTable,
  BackupId,
  BackupIndex,
  ReadMarkFile,
  SnapshotContent,
  SnapshotIndex,
  SnapshotTable,
} from "./manifest.ts";
import { type ArchiveHead, type EncodedManifest, encodeManifest, type SnapshotHead } from "./manifests.ts";
import { writeMark } from "./marks.ts";
import { readersOf } from "./readers.ts";
import type { Repository } from "./repository.ts";
import { discardUnfinished, removeManifest, removeSnapshot } from "./unfinished.ts";

// What operations need of backups, in one place.
export { type DamagedBackup, listBackups, listForeign } from "./listing.ts";
export { newBackupId, readContent, readTables } from "./manifests.ts";
export { recoverUnfinished } from "./unfinished.ts";

/** Everything a run knows of the archive it took. */
export interface NewBackup {
  readonly head: ArchiveHead;
  readonly tables: readonly ArchiveTable[];
  readonly content: ArchiveContent;
}

/** Everything a run knows of the snapshot it took. */
export interface NewSnapshot {
  readonly head: SnapshotHead;
  readonly tables: readonly SnapshotTable[];
  readonly content: SnapshotContent;
}

/**
 * Makes a backup out of a staged archive: mark, archive, tables, content, index, in this order; the backup exists from
 * the moment its index is durable. On any failure nothing of it stays, neither under the archive's name nor elsewhere.
 * Throws `object_exists` when the archive's name is taken, `lease_lost`, and the storage's own errors.
 * @param staged the archive: finished, and read back by the caller
 */
export async function publishBackup(
  repository: Repository,
  staged: StagedObject,
  backup: NewBackup,
  lease: Lease,
  signal: AbortSignal,
): Promise<ArchiveIndex> {
  const manifest = encodeManifest(backup.head, backup.tables, backup.content);
  const { index } = manifest;
  await lease.check(signal);
  await requireFreeId(repository.storage, index, signal);
  try {
    await writeMark(repository.storage, index, "write", signal);
    await staged.publish();
    await writeManifest(repository.storage, manifest, lease, signal);
  } catch (error) {
    throw await takeBack(repository, index, error);
  }
  return index;
}

/**
 * Makes a backup out of stored parts and part lists, which the caller made durable: mark, tables, content, index, in this
 * order; the backup exists from the moment its index is durable. On any failure nothing of its manifest stays; parts and
 * part lists do, and are collected later. Throws `lease_lost`, and the storage's own errors.
 */
export async function publishSnapshot(
  repository: Repository,
  snapshot: NewSnapshot,
  lease: Lease,
  signal: AbortSignal,
): Promise<SnapshotIndex> {
  const manifest = encodeManifest(snapshot.head, snapshot.tables, snapshot.content);
  const { index } = manifest;
  await lease.check(signal);
  await requireFreeId(repository.storage, index, signal);
  try {
    await writeMark(repository.storage, index, "write", signal);
    await writeManifest(repository.storage, manifest, lease, signal);
  } catch (error) {
    throw await takeBack(repository, index, error);
  }
  return index;
}

/**
 * Deletes a backup: its index first, so that at no moment a backup is listed whose archive or parts are gone. Parts and
 * part lists stay for `collectGarbage`. False, and nothing done, when a process is reading the backup; markers of dead
 * processes have to be removed before (`livingReaders`). A run that is cut off is completed by the next writer's recovery.
 */
export async function deleteBackup(
  repository: Repository,
  index: BackupIndex,
  lease: Lease,
  signal: AbortSignal,
): Promise<boolean> {
  const { storage } = repository;
  const { database, id } = index;
  await lease.check(signal);
  // First the mark, then the look at the readers; a reader does the same the other way round, so one of us sees the other.
  await writeMark(storage, index, "delete", signal);
  const readers = await readersOf(storage, database, signal);
  if (readers.some(({ file }) => mayRead(file, id))) {
    await storage.delete(unfinishedKey(database, id), signal);
    return false;
  }
  if (index.kind === "snapshot") {
    await removeSnapshot(storage, database, id, signal);
    return true;
  }
  await storage.delete(indexKey(database, id), signal);
  await storage.delete(index.archive.key, signal);
  await removeManifest(storage, database, id, signal);
  return true;
}

/** Before anything is written: what fails later is taken back, and must not take another backup of the same id along. */
async function requireFreeId(
  storage: Storage,
  { database, id }: BackupIndex,
  signal: AbortSignal,
): Promise<void> {
  if ((await storage.stat(indexKey(database, id), signal)) === undefined) return;
  throw new AppError("object_exists", `write the index of ${id}: it is there already`);
}

/** A marker that cannot be read may be about any backup, and so is one that names none. */
function mayRead(file: ReadMarkFile | undefined, id: BackupId): boolean {
  return file === undefined || file.backups.length === 0 || file.backups.includes(id);
}

/** Tables, content, index, and the mark goes. The mark is there already, and so is everything that the manifest names. */
export async function writeManifest(
  storage: Storage,
  { index, indexData, tablesData, contentData }: EncodedManifest,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  const { database, id } = index;
  await storage.put(tablesKey(database, id), tablesData, signal);
  await storage.put(contentKey(database, id), contentData, signal);
  await lease.check(signal);
  if (!(await storage.putIfAbsent(indexKey(database, id), indexData, signal))) {
    // Another writer that took over makes the place of the index void.
    await lease.check(signal);
    throw new AppError("object_exists", `write the index of ${id}: it is there already`);
  }
  // Had the lease been taken over between the last look and the index, the new holder would have removed the archive:
  // then the index must not stay. Before the mark goes, for until then the next writer can still tell. Where it would
  // have made the index void instead, the index that could be written names what is there.
  if (index.kind === "archive") await lease.check(signal);
  await storage.delete(unfinishedKey(database, id), signal);
}

/** Undoes a failed publication; returns the error to throw. */
async function takeBack(repository: Repository, index: BackupIndex, error: unknown): Promise<unknown> {
  // Not the run's signal: an interrupted run has to tidy up as well.
  const { signal } = new AbortController();
  try {
    await discardUnfinished(repository, index, signal);
    return error;
  } catch (cleanup) {
    const first = isAppError(error) ? error : undefined;
    return new AppError(
      first?.code ?? "unexpected",
      `${messageOf(error)}; and what it left cannot be removed: ${messageOf(cleanup)}`,
      {
        cause: error,
        hint: first?.hint ?? "the next backup removes it",
        details: { ...first?.details, cleanup },
      },
    );
  }
}
