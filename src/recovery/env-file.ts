import { link, open, readdir, readFile, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { parseEnv } from "node:util";
import { AppError, errorCode } from "../errors.ts";
import { syncFolder, temporaryName } from "../lib/durable.ts";
import { envValue, envWithValue } from "../lib/env-text.ts";

/** What was done to the application's file of variables. */
export interface Switched {
  /** The file itself, where the path given was a link to it. */
  readonly path: string;
  /** Copy of the file as it was; undefined when it had this value already, and nothing was written. */
  readonly kept: string | undefined;
}

/**
 * Gives one variable of an application's `.env` another value. Every other byte stays, and so do mode and owner; the old
 * file is kept beside it as `<file>.before_<time>`. The new one is there whole and durably, or the old one is. Fails with
 * `usage` where the file cannot be read, has no such line or several, or was changed by somebody else meanwhile.
 * @param time goes into the name of the kept file, as `20241211_143022`
 */
export async function switchVariable(
  file: string,
  variable: string,
  value: string,
  time: string,
): Promise<Switched> {
  const path = await resolveFile(file);
  const old = await readFile(path);
  const text = envWithValue(old.toString("latin1"), variable, value, path);
  const changed = Buffer.from(text, "latin1");
  if (changed.equals(old)) return { path, kept: undefined };
  const kept = await keepBeside(path, old, time);
  await replace(path, changed, old);
  return { path, kept };
}

/** The variable's value; fails as `switchVariable` would: better known before anything is made for it. */
export async function readVariable(file: string, variable: string): Promise<string> {
  const path = await resolveFile(file);
  return envValue(await readFile(path, "latin1"), variable, path);
}

async function resolveFile(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (cause) {
    throw new AppError("usage", `change ${file}: ${errorCode(cause) ?? "it cannot be read"}`, {
      cause,
      hint: "the path of the application's `.env` must lead to a file that is there",
    });
  }
}

/** The file that was kept when the variable got another value. */
interface Kept {
  readonly path: string;
  /** The variable has the value in it: it never got the other one, or has its own again. */
  readonly isBack: boolean;
}

/** The first file that was kept at this time; undefined where nothing was changed then. */
export async function findKept(file: string, variable: string, time: string): Promise<Kept | undefined> {
  const path = await resolveFile(file);
  const valueIn = async (one: string): Promise<string | undefined> =>
    parseEnv(await readFile(one, "utf8"))[variable];
  const first = `${basename(path)}.before_${time}`;
  const number = (name: string): number => Number(name.slice(first.length + 1) || "1");
  const kept = (await readdir(dirname(path)))
    .filter(
      (name) => name === first || (name.startsWith(`${first}_`) && /^_\d+$/.test(name.slice(first.length))),
    )
    .toSorted((a, b) => number(a) - number(b))
    .map((name) => join(dirname(path), name));
  const now = await valueIn(path);
  // The oldest has what was there before the recovery changed anything.
  const [oldest] = kept;
  return oldest === undefined ? undefined : { path: oldest, isBack: (await valueIn(oldest)) === now };
}

async function keepBeside(path: string, bytes: Buffer, time: string): Promise<string> {
  await using temporary = await likeFile(path, bytes);
  for (let count = 1; ; count++) {
    const kept = `${path}.before_${time}${count === 1 ? "" : `_${count}`}`;
    try {
      await link(temporary.path, kept);
      await syncFolder(dirname(path));
      return kept;
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
  }
}

async function replace(path: string, bytes: Buffer, expected: Buffer): Promise<void> {
  await using temporary = await likeFile(path, bytes);
  if (!(await readFile(path)).equals(expected))
    throw new AppError("usage", `change ${path}: somebody else changed it at the same moment`, {
      hint: "look at it, and try again",
    });
  await rename(temporary.path, path);
  await syncFolder(dirname(path));
}

/** A durable file under a temporary name, with mode and owner of another one. Disposing removes it unless it was renamed. */
async function likeFile(path: string, bytes: Buffer): Promise<{ readonly path: string } & AsyncDisposable> {
  const { mode, uid, gid } = await stat(path);
  const temporary = temporaryName(path);
  const remove = async (): Promise<void> => await rm(temporary, { force: true });
  try {
    await using file = await open(temporary, "wx", 0o600);
    await file.writeFile(bytes);
    // Before the mode: a change of owner takes some bits of it away.
    const made = await file.stat();
    if (made.uid !== uid || made.gid !== gid) await file.chown(uid, gid);
    await file.chmod(mode & 0o7777);
    await file.sync();
  } catch (error) {
    await remove();
    if (!["ENOSPC", "EDQUOT"].includes(errorCode(error) ?? "")) throw error;
    throw new AppError("space_missing", `change ${path}: no space left; it is as it was`, {
      cause: error,
      hint: "free some space on that disk, and try again",
    });
  }
  return { path: temporary, [Symbol.asyncDispose]: remove };
}

/**
 * The way back: gives the variable the value again that it has in a kept file. What else was changed in the file since
 * stays, and the file as it is now is kept too, under a name that no recovery goes back to. Fails as `switchVariable` does, and with `usage` where the kept file has no value.
 */
export async function switchBack(
  file: string,
  variable: string,
  kept: string,
  time: string,
): Promise<Switched> {
  const value = parseEnv(await readFile(await resolveFile(kept), "utf8"))[variable];
  if (value === undefined)
    throw new AppError("usage", `change ${file} back: ${kept} has no value for ${variable}`, {
      hint: "choose a file that was kept when the variable was changed",
    });
  return await switchVariable(file, variable, value, `${time}_back`);
}
