import { readFileSync, type Stats, statSync } from "node:fs";
import {
  link as linkFile,
  open,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  statfs,
  symlink,
  unlink,
} from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { AppError, errorCode } from "../errors.ts";
import {
  type HardLink,
  hasNoHardLinks,
  isTemporaryName,
  syncFolder,
  temporaryName,
  writeDurable,
} from "../lib/durable.ts";
import type { Runtime } from "../lib/runtime.ts";
import { fileError, isAbsent, translated } from "./file-errors.ts";
import { entriesOf, listFiles, listKeys, openFolder } from "./file-listing.ts";
import { openFile } from "./file-stream.ts";
import { inFolderOf, removeEmptyFolders } from "./folders.ts";
import { checkKey, checkPrefix, checkSibling } from "./keys.ts";
import { type FileOperation, manyFiles } from "./many-files.ts";
import { observed } from "./observed.ts";
import { stageFile } from "./staged-file.ts";
import type { StagedObject, Storage } from "./storage.ts";

/**
 * A folder of a local or mounted file system. Nothing is touched until the first call; writing creates the folder.
 * Files are made for their owner alone (0600, folders 0700).
 */
export function openFilesystem(runtime: Runtime, folder: string, hardLink: HardLink = linkFile): Storage {
  return observed(folderStorage(runtime, resolve(folder), hardLink), runtime.observer);
}

function folderStorage(runtime: Runtime, root: string, hardLink: HardLink): Storage {
  const pathOf = (key: string, signal: AbortSignal): string => {
    checkKey(key);
    signal.throwIfAborted();
    return join(root, key);
  };
  const folderOf = (prefix: string, signal: AbortSignal): string => {
    checkPrefix(prefix);
    signal.throwIfAborted();
    return join(root, prefix === "" ? "." : prefix.slice(0, -1));
  };
  return {
    place: root,
    location: { url: root },

    stage: (key, signal): Promise<StagedObject> => stageFile(pathOf(key, signal), hardLink, signal),

    async put(key, data, signal) {
      const path = pathOf(key, signal);
      await translated("write", path, () => inFolderOf(path, () => writeDurable(path, data)));
    },

    async putIfAbsent(key, data, signal) {
      const path = pathOf(key, signal);
      return await translated("write", path, () => inFolderOf(path, () => createFile(path, data, hardLink)));
    },

    async get(key, signal) {
      const path = pathOf(key, signal);
      try {
        return await readFile(path);
      } catch (error) {
        throw readError(path, error);
      }
    },

    async getMany(keys, signal) {
      const paths = keys.map((key) => pathOf(key, signal));
      return await manyFiles(runtime, paths, READ_WHOLE, signal);
    },

    open: async (key, signal) => await openFile(pathOf(key, signal), signal),

    async stat(key, signal) {
      const path = pathOf(key, signal);
      try {
        const found = await stat(path);
        return found.isFile() ? { key, size: found.size, modified: found.mtime } : undefined;
      } catch (error) {
        return notThere(path, error);
      }
    },

    async sizes(keys, signal) {
      const sizes: (number | undefined)[] = [];
      let paths: string[] = [];
      const look = async (): Promise<void> => {
        sizes.push(...(await manyFiles(runtime, paths, MEASURE, signal)));
        paths = [];
      };
      for (const key of keys) {
        paths.push(pathOf(key, signal));
        if (paths.length === MEASURED_TOGETHER) await look();
      }
      await look();
      return sizes;
    },

    async *list(prefix, depth, signal) {
      yield* listFiles(runtime, folderOf(prefix, signal), prefix, depth, signal);
    },

    async keys(prefix, depth, signal) {
      return await listKeys(runtime, folderOf(prefix, signal), prefix, depth, signal);
    },

    async folders(prefix, signal) {
      const parent = folderOf(prefix, signal);
      const names: string[] = [];
      for (const entry of await entriesOf(parent)) {
        // A database's folder may be a link to another disk.
        const isFolder = entry.isSymbolicLink()
          ? await leadsToFolder(join(parent, entry.name))
          : entry.isDirectory();
        if (isFolder) names.push(entry.name);
      }
      return names.toSorted();
    },

    async delete(key, signal) {
      const path = pathOf(key, signal);
      await translated("delete", path, () => deleteFile(path, root));
    },

    async link(key, target, signal) {
      if (target !== undefined) checkSibling(key, target);
      const path = pathOf(key, signal);
      return await translated("link", path, async () => {
        await refuseToReplaceFile(path);
        if (target === undefined) {
          await deleteFile(path, root);
          return true;
        }
        return await inFolderOf(path, () => pointLink(path, basename(target)));
      });
    },

    async sweep(prefix, signal) {
      const start = folderOf(prefix, signal);
      return await translated("sweep", start, () => sweepFolder(start, root, signal));
    },

    async strays(prefix, signal) {
      const start = folderOf(prefix, signal);
      return await translated("look for temporary files in", start, () => countTemporary(start, signal));
    },

    async freeBytes(signal) {
      signal.throwIfAborted();
      return await translated("measure free space of", root, () => freeBytesAt(root));
    },
  };
}

const READ_WHOLE: FileOperation<string, Buffer | AppError> = {
  now: (path) => {
    try {
      return readFileSync(path);
    } catch (error) {
      return readError(path, error);
    }
  },
  later: async (path) => await readFile(path).catch((error: unknown) => readError(path, error)),
};

// Enough to hide the latency of a network mount; few enough for their paths to be garbage before they count as old.
const MEASURED_TOGETHER = 512;

const MEASURE: FileOperation<string, number | undefined> = {
  now: (path) => {
    try {
      return sizeOf(statSync(path, { throwIfNoEntry: false }));
    } catch (error) {
      return notThere(path, error);
    }
  },
  later: async (path) => {
    try {
      return sizeOf(await stat(path));
    } catch (error) {
      return notThere(path, error);
    }
  },
};

function sizeOf(found: Stats | undefined): number | undefined {
  return found?.isFile() === true ? found.size : undefined;
}

function notThere(path: string, error: unknown): undefined {
  if (isAbsent(error)) return undefined;
  throw fileError("look at", path, error);
}

function readError(path: string, error: unknown): AppError {
  if (errorCode(error) !== "EISDIR") return fileError("read", path, error);
  return new AppError("object_missing", `read ${path}: it is not a regular file`, { cause: error });
}

/** Creates a file with its whole content in one step, or says that the name was taken. */
async function createFile(path: string, data: Uint8Array, hardLink: HardLink): Promise<boolean> {
  const temporary = temporaryName(path);
  try {
    {
      await using file = await open(temporary, "wx", 0o600);
      await file.writeFile(data);
      await file.sync();
    }
    await hardLink(temporary, path);
  } catch (error) {
    if (errorCode(error) === "EEXIST") {
      // NFS repeats a request whose answer was lost, and the second try finds the link that the first one made.
      if ((await stat(temporary)).nlink !== 2) return false;
    } else if (hasNoHardLinks(error)) {
      throw new AppError("repository_unusable", `write ${path}: this file system has no hard links`, {
        cause: error,
        hint: "two writers could not be kept apart there: put the repository on ext4, xfs, btrfs, zfs, APFS or NFS",
      });
    } else {
      throw error;
    }
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(dirname(path));
  return true;
}

async function leadsToFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isAbsent(error) || errorCode(error) === "ELOOP") return false;
    throw fileError("look at", path, error);
  }
}

async function deleteFile(path: string, root: string): Promise<void> {
  const folder = dirname(path);
  try {
    await unlink(path);
    await syncFolder(folder);
  } catch (error) {
    if (!isAbsent(error)) throw error;
  }
  await removeEmptyFolders(folder, root);
}

async function refuseToReplaceFile(path: string): Promise<void> {
  try {
    await readlink(path);
  } catch (error) {
    if (isAbsent(error)) return;
    // EINVAL: it is there and no link.
    if (errorCode(error) !== "EINVAL") throw error;
    throw new AppError(
      "object_exists",
      `link ${path}: it is a file of its own and is not replaced by a link`,
      {
        hint: "move it away",
      },
    );
  }
}

/** Makes `path` a relative link in one step: readers see the old target or the new one. */
async function pointLink(path: string, target: string): Promise<boolean> {
  const temporary = temporaryName(path);
  try {
    await symlink(target, temporary);
  } catch (error) {
    if (hasNoHardLinks(error)) return false;
    throw error;
  }
  try {
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return true;
}

async function sweepFolder(folder: string, root: string, signal: AbortSignal): Promise<number> {
  let swept = 0;
  for await (const entry of await openFolder(folder)) {
    signal.throwIfAborted();
    if (entry.isDirectory()) {
      swept += await sweepFolder(join(folder, entry.name), root, signal);
    } else if (isTemporaryName(entry.name)) {
      await rm(join(folder, entry.name), { force: true });
      swept += 1;
    }
  }
  // A crash between making a folder and its first file leaves it empty.
  await removeEmptyFolders(folder, root);
  return swept;
}

async function countTemporary(folder: string, signal: AbortSignal): Promise<number> {
  let found = 0;
  for await (const entry of await openFolder(folder)) {
    signal.throwIfAborted();
    if (entry.isDirectory()) found += await countTemporary(join(folder, entry.name), signal);
    else if (isTemporaryName(entry.name)) found += 1;
  }
  return found;
}

/** Free bytes for this user where `folder` is, or will be: of the nearest parent that exists. */
async function freeBytesAt(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    if (!isAbsent(error) || dirname(folder) === folder) throw error;
    return await freeBytesAt(dirname(folder));
  }
}
