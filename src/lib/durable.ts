import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { access, link, lstat, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AppError, errorCode } from "../errors.ts";

/** Makes what was created, renamed or removed in a folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync();
}

/** A name in the same folder that no reader takes for the real file; short, because `path` may have 255 bytes. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.handled-${randomUUID()}.tmp`);
}

export function isTemporaryName(name: string): boolean {
  return /^\.handled-[0-9a-f-]{36}\.tmp$/.test(name);
}

/** Writes a file so that it is there whole and durably, or not at all; an existing one is replaced in one step. */
export async function writeDurable(path: string, data: Uint8Array | string, mode = 0o600): Promise<void> {
  const temporary = temporaryName(path);
  try {
    {
      await using file = await open(temporary, "wx", mode);
      // What others are to read, they can: the umask has no say.
      if ((mode & 0o077) !== 0) await file.chmod(mode);
      await file.writeFile(data);
      await file.sync();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** `link(2)`; replaceable, so that file systems without hard links can be tested on one that has them. */
export type HardLink = (existing: string, path: string) => Promise<void>;

/** True for the errors by which file systems without hard links (FAT, some network mounts) refuse one. */
export function hasNoHardLinks(error: unknown): boolean {
  return ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(errorCode(error) ?? "");
}

/**
 * Writes a stream to a file so that it is there whole and durably, or not at all. Without `overwrite` a file of that
 * name is left alone and the call fails with `target_exists`; also fails with `space_missing`, the source's error, or
 * the signal's reason.
 */
export async function copyDurable(
  source: Readable,
  path: string,
  overwrite: boolean,
  signal: AbortSignal,
  hardLink: HardLink = link,
): Promise<void> {
  const temporary = temporaryName(path);
  try {
    signal.throwIfAborted();
    // Opened before the stream begins: a stream that fails early would create the file after it was removed.
    const file = await open(temporary, "wx", 0o600);
    await pipeline(source, file.createWriteStream({ flush: true }), { signal });
    await giveName(temporary, path, overwrite, hardLink);
  } catch (error) {
    source.destroy();
    signal.throwIfAborted();
    throw writeError(path, error);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** A full disk is told as `space_missing`; any other error as it is. */
function writeError(path: string, error: unknown): unknown {
  if (!["ENOSPC", "EDQUOT"].includes(errorCode(error) ?? "")) return error;
  return new AppError("space_missing", `write ${path}: no space left`, {
    cause: error,
    hint: "free some space on that disk, or choose another path",
  });
}

/** A file that gets its name once it is whole. */
export interface UnnamedFile extends AsyncDisposable {
  write(data: Uint8Array): Promise<void>;
  /** Makes what was written durable. */
  sync(): Promise<void>;
}

/**
 * Makes a file under a temporary name. Fails with `space_missing` on a full disk.
 * @param path what it will be called, which is what errors name
 */
export async function createUnnamed(temporary: string, path: string): Promise<UnnamedFile> {
  const told = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      throw writeError(path, error);
    }
  };
  const file = await open(temporary, "wx", 0o600);
  return {
    write: (data) => told(() => file.appendFile(data)),
    sync: () => told(() => file.sync()),
    [Symbol.asyncDispose]: () => file.close(),
  };
}

/**
 * Gives a file that is durable under a temporary name in the same folder its real one, durably. Without `overwrite` fails
 * with `target_exists` where there is one of that name.
 */
export async function giveName(
  temporary: string,
  path: string,
  overwrite: boolean,
  hardLink: HardLink = link,
): Promise<void> {
  try {
    if (overwrite) await rename(temporary, path);
    else await takeName(temporary, path, hardLink);
  } catch (error) {
    throw errorCode(error) === "EEXIST" ? fileExists(path, error) : error;
  }
  await syncFolder(dirname(path));
}

/** Gives the file a name that nobody has; fails with EEXIST when somebody does. */
async function takeName(temporary: string, path: string, hardLink: HardLink): Promise<void> {
  try {
    await hardLink(temporary, path);
  } catch (error) {
    if (!hasNoHardLinks(error)) throw error;
    // As on many a USB stick. An empty file takes the name, and only then is it replaced.
    await (await open(path, "wx", 0o600)).close();
    await rename(temporary, path);
  }
}

/** Fails early, before long work, when `copyDurable` to this path could not succeed. */
export async function requireWritable(path: string, overwrite: boolean): Promise<void> {
  const folder = dirname(path);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new AppError("usage", `write ${path}: the folder ${folder} is missing or not writable`, {
      cause: error,
      hint: `\`mkdir -p ${folder}\`, or choose another path`,
    });
  }
  const present = await lstat(path).catch((error: unknown) => {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (present?.isDirectory() === true) throw new AppError("usage", `write ${path}: it is a folder`);
  // Replacing a device, a pipe or a link would destroy what others rely on.
  if (present?.isFile() === false) {
    throw new AppError("usage", `write ${path}: it is there and no ordinary file`, {
      hint: "choose another path",
    });
  }
  if (present !== undefined && !overwrite) throw fileExists(path, undefined);
}

function fileExists(path: string, cause: unknown): AppError {
  return new AppError("target_exists", `write ${path}: the file is there already`, {
    cause,
    hint: "choose another path, or add `--overwrite`",
  });
}
