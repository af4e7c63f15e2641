import { createHash } from "node:crypto";
import { pipeline } from "node:stream/promises";
import { isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { contentKey, databaseFolder, indexKey, tablesKey, unfinishedKey } from "./layout.ts";
import type { Lease } from "./lease.ts";
import { isArchive, listBackups, surveyBackups } from "./listing.ts";
import type { BackupId, BackupIndex, UnfinishedMark } from "./manifest.ts";
import { encodeVoid, isVoid } from "./manifests.ts";
import { asItLies, readMark } from "./marks.ts";
import type { Repository } from "./repository.ts";
import { sealClassOf } from "./sealing/classes.ts";
import { HEADER_BYTES } from "./sealing/sealed-object.ts";
import { asStored } from "./sealing/sealed-storage.ts";

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
    const outcome = await recoverOne(repository, database, id, signal);
    if (outcome === "removed") removed.push(id);
    if (typeof outcome === "string") continue;
    left.push(id);
    runtime.reporter.warn(`clean up after the crashed backup ${id}: ${outcome.left}`);
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
  index: BackupIndex,
  signal: AbortSignal,
): Promise<void> {
  const { storage } = repository;
  const { database, id } = index;
  if (index.kind === "snapshot") {
    // Nothing more than needed is written: the disk may be full.
    const written = (await stateOfIndex(storage, database, id, signal)) === "there";
    await (written ? removeSnapshot : removeManifest)(storage, database, id, signal);
    return;
  }
  await storage.delete(indexKey(database, id), signal);
  const archive = { key: index.archive.key, ...asItLies(index.archive) };
  if (await isSameArchive(storage, archive, signal)) await storage.delete(archive.key, signal);
  await removeManifest(storage, database, id, signal);
}

/**
 * Removes the manifest of a snapshot. From the first step until the last a void index stands in its folder: even when
 * another writer took over meanwhile and removed the mark, what a crash leaves is not taken for a damaged backup.
 */
export async function removeSnapshot(
  storage: Storage,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<void> {
  await storage.put(indexKey(database, id), encodeVoid(), signal);
  await removeManifest(storage, database, id, signal);
  await storage.delete(indexKey(database, id), signal);
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

/** What became of one marked backup; `left` says in words what was not touched, and why. */
type Outcome = "complete" | "removed" | { readonly left: string };

/** Completes or undoes one marked backup. */
async function recoverOne(
  repository: Repository,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<Outcome> {
  const { storage } = repository;
  if ((await stateOfIndex(storage, database, id, signal)) === "there") {
    // Written whole before the crash, or not yet begun to be deleted.
    await storage.delete(unfinishedKey(database, id), signal);
    return "complete";
  }
  let mark: UnfinishedMark | undefined;
  try {
    mark = await readMark(storage, database, id, signal);
  } catch (error) {
    if (!isAppError(error, "backup_damaged") && !isAppError(error, "repository_version")) throw error;
    // Which archive it names cannot be known: nothing of it is touched.
    return { left: messageOf(error) };
  }
  if (mark?.archive === null && mark.doing === "write") {
    // Its writer may be asleep one step before the index, and the parts it names may be collected before it wakes. With
    // the place taken it cannot publish any more. When it did so just now, the backup is whole: nothing was removed yet.
    const made = await storage.putIfAbsent(indexKey(database, id), encodeVoid(), signal);
    if (!made && (await stateOfIndex(storage, database, id, signal)) === "there") {
      await storage.delete(unfinishedKey(database, id), signal);
      return "complete";
    }
  }
  const left = mark === undefined ? undefined : await removeArchive(repository, database, mark, signal);
  if (mark?.archive === null && mark.doing === "delete") await removeSnapshot(storage, database, id, signal);
  else await removeManifest(storage, database, id, signal);
  return left === undefined ? "removed" : { left };
}

/** What stands in the place of a backup's index. */
export async function stateOfIndex(
  storage: Storage,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<"there" | "void" | "missing"> {
  try {
    return isVoid(await storage.get(indexKey(database, id), signal)) ? "void" : "there";
  } catch (error) {
    if (isAppError(error, "object_missing")) return "missing";
    throw error;
  }
}

/** Removes the archive that a mark names; says why not when it is not the marked one. */
async function removeArchive(
  repository: Repository,
  database: string,
  { doing, archive }: UnfinishedMark,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { storage } = repository;
  if (archive === null) return undefined;
  // The mark is written before the archive gets its name. If something else took that name first, the file is not ours
  // to delete. A backup that was being deleted had an index naming this key: the file was ours, whatever it holds now.
  if (doing === "write" && !(await isSameArchive(storage, archive, signal))) {
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
export async function isSameArchive(
  storage: Storage,
  archive: NonNullable<UnfinishedMark["archive"]>,
  signal: AbortSignal,
): Promise<boolean> {
  const stored = asStored(storage);
  const found = await stored.stat(archive.key, signal);
  const header = sealClassOf(archive.key) === "plain" ? 0 : HEADER_BYTES;
  if (found?.size !== header + archive.size) return false;
  const hash = createHash("sha256");
  let skip = header;
  await pipeline(
    await stored.open(archive.key, signal),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        hash.update(chunk.subarray(skip));
        skip -= Math.min(skip, chunk.length);
      }
    },
    { signal },
  );
  return hash.digest("hex") === archive.sha256;
}

async function archivesOfBackups(
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<Set<string>> {
  const { backups, damaged } = await listBackups(repository, database, signal);
  const indexes = [...backups, ...damaged.flatMap(({ index }) => (index === undefined ? [] : [index]))];
  return new Set(indexes.filter(isArchive).map(({ archive }) => archive.key));
}
