import { type Dirent, lstatSync, readdirSync, type Stats } from "node:fs";
import { lstat, opendir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { errorCode } from "../errors.ts";
import { isTemporaryName } from "../lib/durable.ts";
import type { Runtime } from "../lib/runtime.ts";
import { fileError, isAbsent } from "./file-errors.ts";
import { type FileOperation, manyFiles } from "./many-files.ts";
import type { StoredObject } from "./storage.ts";

/** The entries of a folder; none when it is not there, or no longer. */
export async function entriesOf(folder: string): Promise<Dirent[]> {
  return await READ_FOLDER.later(folder);
}

// Enough that waiting for them costs little; they are garbage before the next ones come.
const ENTRIES_AT_ONCE = 256;

/** The same for a folder of any number of entries, which come by and by. */
export async function openFolder(folder: string): Promise<AsyncIterable<Dirent>> {
  try {
    return await opendir(folder, { bufferSize: ENTRIES_AT_ONCE });
  } catch (error) {
    return Readable.from(noEntries(folder, error));
  }
}

/** The objects under a folder; whatever vanishes meanwhile is left out. */
export async function* listFiles(
  runtime: Pick<Runtime, "clock">,
  folder: string,
  prefix: string,
  depth: "all" | "here",
  signal: AbortSignal,
): AsyncGenerator<StoredObject> {
  signal.throwIfAborted();
  const entries = await entriesOf(folder);
  const names = entries.filter(isObject).map(({ name }) => name);
  const paths = names.map((name) => join(folder, name));
  for (const [at, found] of (await manyFiles(runtime, paths, LOOK_AT, signal)).entries()) {
    if (found !== undefined) yield { key: `${prefix}${names[at]}`, size: found.size, modified: found.mtime };
  }
  if (depth === "here") return;
  for (const entry of entries) {
    if (!entry.isDirectory()) continue;
    yield* listFiles(runtime, join(folder, entry.name), `${prefix}${entry.name}/`, depth, signal);
  }
}

/** The keys of the objects under a folder. */
export async function listKeys(
  runtime: Pick<Runtime, "clock">,
  folder: string,
  prefix: string,
  depth: "all" | "here",
  signal: AbortSignal,
): Promise<string[]> {
  const keys: string[] = [];
  let level = [{ folder, prefix }];
  while (level.length > 0) {
    const folders = level.map((one) => one.folder);
    const found = await manyFiles(runtime, folders, READ_NAMES, signal);
    const below: typeof level = [];
    for (const [at, { folder: parent, prefix: start }] of level.entries()) {
      for (const name of found[at]?.files ?? []) keys.push(start + name);
      for (const name of found[at]?.folders ?? []) {
        below.push({ folder: `${parent}/${name}`, prefix: `${start}${name}/` });
      }
    }
    level = depth === "all" ? below : [];
  }
  return keys;
}

/** Links are not followed: they would list an object twice, or leave the repository. */
function isObject(entry: Dirent): boolean {
  return entry.isFile() && !isTemporaryName(entry.name);
}

const READ_FOLDER: FileOperation<string, Dirent[]> = {
  now: (folder) => {
    try {
      return readdirSync(folder, { withFileTypes: true });
    } catch (error) {
      return noEntries(folder, error);
    }
  },
  later: async (folder) => {
    try {
      return await readdir(folder, { withFileTypes: true });
    } catch (error) {
      return noEntries(folder, error);
    }
  },
};

interface Names {
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

/** Nothing but the names is kept, for there may be thousands of folders. */
const READ_NAMES: FileOperation<string, Names> = {
  now: (folder) => namesOf(READ_FOLDER.now(folder)),
  later: async (folder) => namesOf(await READ_FOLDER.later(folder)),
};

function namesOf(entries: readonly Dirent[]): Names {
  return {
    files: entries.filter(isObject).map(({ name }) => name),
    folders: entries.filter((entry) => entry.isDirectory()).map(({ name }) => name),
  };
}

function noEntries(folder: string, error: unknown): Dirent[] {
  if (errorCode(error) === "ENOENT") return [];
  throw fileError("list", folder, error);
}

const LOOK_AT: FileOperation<string, Stats | undefined> = {
  now: (path) => {
    try {
      return lstatSync(path);
    } catch (error) {
      return notThere(path, error);
    }
  },
  later: async (path) => {
    try {
      return await lstat(path);
    } catch (error) {
      return notThere(path, error);
    }
  },
};

function notThere(path: string, error: unknown): undefined {
  if (isAbsent(error)) return undefined;
  throw fileError("look at", path, error);
}
