import { mkdir, rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError, errorCode } from "../errors.ts";
import { syncFolder } from "../lib/durable.ts";

// How often a writer starts again because its folder or temporary file vanished under it. Each time needs another
// process to empty the folder, or to sweep it, in that very moment: five times in a row is no coincidence.
const ATTEMPTS = 5;

/** Creates a folder and its missing parents, each made durable in its own parent. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    const code = errorCode(error);
    if (code === "EEXIST") return;
    if (code !== "ENOENT" || dirname(folder) === folder) throw error;
    await makeFolder(dirname(folder));
    await makeLastFolder(folder);
  }
  await syncFolder(dirname(folder));
}

/**
 * Creates a folder in one that is there. A file system that still says ENOENT (`/proc`, an automounter) lets nobody
 * create anything in it: asking again would never end.
 */
async function makeLastFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

/**
 * Runs `work`, which writes `path`, and makes the folder first where it is missing. Another process may remove the folder
 * when it becomes empty, or sweep our temporary file, between two of our calls; then the work is done again.
 */
export async function inFolderOf<T>(path: string, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      // It is there nearly always: making it each time would take as long as writing a small file.
      if (attempt > 1) await makeFolder(dirname(path));
      return await work();
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      if (attempt < ATTEMPTS) continue;
      throw new AppError(
        "repository_unusable",
        `write ${path}: its folder vanishes, or is a link that leads nowhere`,
        { cause: error, hint: "check the path, and that its disk is mounted" },
      );
    }
  }
}

/** Removes `folder` and its parents as long as they are empty, never `root` itself; each removal is made durable. */
export async function removeEmptyFolders(folder: string, root: string): Promise<void> {
  for (let current = folder; current !== root && current.startsWith(root); current = dirname(current)) {
    try {
      await rmdir(current);
      await syncFolder(dirname(current));
    } catch (error) {
      // Someone else removed it first: its parent may be empty now.
      if (errorCode(error) === "ENOENT") continue;
      // Not empty, a mount point, or a parent we may not change: an empty folder does no harm.
      if (["ENOTEMPTY", "EEXIST", "EBUSY", "EACCES", "EPERM", "ENOTDIR"].includes(errorCode(error) ?? ""))
        return;
      throw error;
    }
  }
}
