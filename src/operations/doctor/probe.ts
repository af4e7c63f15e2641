import { randomUUID } from "node:crypto";
import { rmdir, stat } from "node:fs/promises";
import { dirname, isAbsolute } from "node:path";
import { AppError, errorCode } from "../../errors.ts";
import { databaseFolder } from "../../repository/layout.ts";
import type { Storage } from "../../storage/storage.ts";

/**
 * Proves that the place can be written, that a key is never given twice (what keeps two writers apart), and that what
 * was written reads back. Nothing stays behind, not even folders. Throws `repository_unusable`, `space_missing`.
 */
export async function probeStorage(storage: Storage, database: string, signal: AbortSignal): Promise<void> {
  const created = isFolder(storage) ? await missingFolders(storage.place) : [];
  const key = `${await probeFolder(storage, database, signal)}handled-probe-${randomUUID()}`;
  const cleanUp = async (): Promise<void> => {
    // Not the caller's signal: that may be aborted, and the probe has to go all the same.
    await storage.delete(key, new AbortController().signal);
    await removeIfEmpty(created);
  };
  try {
    await writeTwice(storage, key, signal);
  } catch (error) {
    // Where writing fails deleting fails too, and the first error says why.
    await cleanUp().catch(() => undefined);
    throw error;
  }
  await cleanUp();
}

/** Whether the storage is a folder of this machine, with `place` as its path. */
export function isFolder(storage: Storage): boolean {
  return isAbsolute(storage.place);
}

/** The database's folder may lie on a disk of its own. One that is empty stays untouched: deleting would take it away. */
async function probeFolder(storage: Storage, database: string, signal: AbortSignal): Promise<string> {
  const folder = databaseFolder(database);
  if ((await storage.folders(folder, signal)).length > 0) return folder;
  for await (const _ of storage.list(folder, "here", signal)) return folder;
  return "";
}

async function writeTwice(storage: Storage, key: string, signal: AbortSignal): Promise<void> {
  const [first, second] = [Buffer.from("first"), Buffer.from("second")];
  const made = await storage.putIfAbsent(key, first, signal);
  const madeAgain = await storage.putIfAbsent(key, second, signal);
  const read = await storage.get(key, signal);
  if (made && !madeAgain && read.equals(first)) return;
  throw new AppError(
    "repository_unusable",
    `write to ${storage.place}: an object was overwritten that was there already, so two writers could not be kept apart`,
    {
      hint: "put the repository on ext4, xfs, btrfs, zfs, APFS or NFS, or an object store with conditional writes",
    },
  );
}

/** The folder and its parents as far as they are not there, deepest first. */
async function missingFolders(folder: string): Promise<string[]> {
  try {
    await stat(folder);
    return [];
  } catch (error) {
    // Whatever else is wrong, the write itself says better.
    if (errorCode(error) !== "ENOENT" || dirname(folder) === folder) return [];
    return [folder, ...(await missingFolders(dirname(folder)))];
  }
}

async function removeIfEmpty(folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    try {
      await rmdir(folder);
    } catch (error) {
      // Never made, or in use by a backup that began meanwhile.
      if (!["ENOENT", "ENOTDIR", "ENOTEMPTY", "EEXIST"].includes(errorCode(error) ?? "")) throw error;
    }
  }
}
