import { AppError, isAppError, messageOf } from "../errors.ts";
import type { StagedObject, Storage } from "../storage/storage.ts";
import { contentKey, indexKey, tablesKey, unfinishedKey } from "./layout.ts";
import type { Lease } from "./lease.ts";
import type { BackupContent, BackupIndex, TableLine } from "./manifest.ts";
import { type BackupHead, type EncodedManifest, encodeManifest } from "./manifests.ts";
import { writeMark } from "./marks.ts";
import type { Repository } from "./repository.ts";
import { discardUnfinished, removeManifest } from "./unfinished.ts";

// What operations need of backups, in one place.
export { type DamagedBackup, listBackups, listForeign } from "./listing.ts";
export { newBackupId, readContent, readTables } from "./manifests.ts";
export { recoverUnfinished } from "./unfinished.ts";

/** Everything a run knows of the backup it took. */
export interface NewBackup {
  readonly head: BackupHead;
  readonly tables: readonly TableLine[];
  readonly content: BackupContent;
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
): Promise<BackupIndex> {
  const manifest = encodeManifest(backup.head, backup.tables, backup.content);
  const { index } = manifest;
  await lease.check(signal);
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
 * Deletes a backup: its index first, so that at no moment a backup is listed whose archive is gone. A run that is cut
 * off is completed by the next writer's recovery.
 */
export async function deleteBackup(
  repository: Repository,
  index: BackupIndex,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  const { storage } = repository;
  await lease.check(signal);
  await writeMark(storage, index, "delete", signal);
  await storage.delete(indexKey(index.database, index.id), signal);
  await storage.delete(index.archive.key, signal);
  await removeManifest(storage, index.database, index.id, signal);
}

async function writeManifest(
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
    throw new AppError("object_exists", `write the index of ${id}: it is there already`);
  }
  // Had the lease been taken over between the last look and the index, the new holder would have removed the archive:
  // then the index must not stay. Before the mark goes, for until then the next writer can still tell.
  await lease.check(signal);
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
