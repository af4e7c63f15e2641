import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { contentKey, databaseFolder, indexKey, tablesKey, unfinishedKey } from "./layout.ts";
import type { Lease } from "./lease.ts";
import { listBackups, surveyBackups } from "./listing.ts";
import type { BackupId, BackupIndex, UnfinishedMark } from "./manifest.ts";
import { readMark } from "./marks.ts";
import type { Repository } from "./repository.ts";

/** What a writer found of those that crashed before it. */
export interface Recovery {
  /** Ids of backups whose writing was undone, or whose deleting was completed. */
  readonly removed: readonly string[];
  /** Temporary files removed. */
  readonly swept: number;
  /** Ids of which something was left alone; a warning said what and why. */
  readonly left: readonly string[];
}

/**
 * Removes what crashed writers left of this database: every writer must call it once it holds the lease and before it
 * writes. A marked backup with an index is complete and stays; one without is removed with its archive.
 */
export async function recoverUnfinished(
  runtime: Runtime,
  repository: Repository,
  database: string,
  lease: Lease,
  signal: AbortSignal,
): Promise<Recovery> {
  const { storage } = repository;
  await lease.check(signal);
  const swept = await storage.sweep(databaseFolder(database), signal);
  const removed: string[] = [];
  const left: string[] = [];
  for (const [id, names] of await surveyBackups(storage, database, signal)) {
    if (!names.has("unfinished")) continue;
    await lease.check(signal);
    const reason = await recoverOne(repository, database, id, names, signal);
    if (reason === undefined) {
      if (!names.has("index")) removed.push(id);
      continue;
    }
    left.push(id);
    runtime.reporter.warn(`clean up after the crashed backup ${id}: ${reason}`);
  }
  if (removed.length > 0)
    runtime.reporter.note(`removed the remains of ${removed.join(", ")}, cut off by a crash`);
  return { removed, swept, left };
}

/**
 * Takes back a backup that this run failed to complete: index first, so that at no moment it names what is gone.
 * Needs no lease: everything it touches was made by this run, and the archive is compared before it is removed.
 */
export async function discardUnfinished(
  repository: Repository,
  { database, id, archive }: BackupIndex,
  signal: AbortSignal,
): Promise<void> {
  const { storage } = repository;
  await storage.delete(indexKey(database, id), signal);
  if (await isArchive(storage, archive, signal)) await storage.delete(archive.key, signal);
  await removeManifest(storage, database, id, signal);
}

/** Removes all but the index. The mark goes last: until then the next writer finds what is left. */
export async function removeManifest(
  storage: Storage,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<void> {
  await storage.delete(contentKey(database, id), signal);
  await storage.delete(tablesKey(database, id), signal);
  await storage.delete(unfinishedKey(database, id), signal);
}

/** Completes or undoes one marked backup. Returns what was left alone, in words, if anything was. */
async function recoverOne(
  repository: Repository,
  database: string,
  id: BackupId,
  names: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { storage } = repository;
  if (names.has("index")) {
    // Written whole before the crash, or not yet begun to be deleted.
    await storage.delete(unfinishedKey(database, id), signal);
    return undefined;
  }
  let mark: UnfinishedMark | undefined;
  try {
    mark = await readMark(storage, database, id, signal);
  } catch (error) {
    if (!isAppError(error, "backup_damaged") && !isAppError(error, "repository_version")) throw error;
    // Which archive it names cannot be known: nothing of it is touched.
    return messageOf(error);
  }
  const left = mark === undefined ? undefined : await removeArchive(repository, database, mark, signal);
  await removeManifest(storage, database, id, signal);
  return left;
}

/** Removes the archive that a mark names; says why not when it is not the marked one. */
async function removeArchive(
  repository: Repository,
  database: string,
  { doing, archive }: UnfinishedMark,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { storage } = repository;
  // The mark is written before the archive gets its name. If something else took that name first, the file is not ours
  // to delete. A backup that was being deleted had an index naming this key: the file was ours, whatever it holds now.
  if (doing === "write" && !(await isArchive(storage, archive, signal))) {
    const there = (await storage.stat(archive.key, signal)) !== undefined;
    return there ? `${archive.key} is not the file that was being written, and stays` : undefined;
  }
  if ((await archivesOfBackups(repository, database, signal)).has(archive.key)) {
    return `${archive.key} belongs to another backup, and stays`;
  }
  await storage.delete(archive.key, signal);
  return undefined;
}

/** Whether the object under the archive's key is that archive, byte for byte. */
async function isArchive(
  storage: Storage,
  archive: UnfinishedMark["archive"],
  signal: AbortSignal,
): Promise<boolean> {
  const found = await storage.stat(archive.key, signal);
  if (found?.size !== archive.size) return false;
  const hash = createHash("sha256");
  await pipeline(await storage.open(archive.key, signal), hash, { signal });
  return hash.digest("hex") === archive.sha256;
}

async function archivesOfBackups(
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<Set<string>> {
  const { backups, damaged } = await listBackups(repository, database, signal);
  const indexes = [...backups, ...damaged.flatMap(({ index }) => (index === undefined ? [] : [index]))];
  return new Set(indexes.map(({ archive }) => archive.key));
}
