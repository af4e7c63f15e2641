import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, open, readFile, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { AppError, errorCode } from "../errors.ts";
import { requireWritable, syncFolder, writeDurable } from "./durable.ts";

/** A text file that a program keeps written, and that says so in its first line, an HTML comment. */
interface Kept {
  readonly path: string;
  /** What the first line calls it: `handled runbook`. */
  readonly name: string;
  /** Written anew when this differs: what the text says, without what passes by itself. */
  readonly says: string;
  /** The text, without a first line of ours. */
  readonly text: () => string;
  /** Which time a copy is named after. */
  readonly stamp: string;
}

/**
 * Brings the file into line. One that somebody has changed by hand is kept beside it first. Fails with `usage` where it cannot be
 * written, and with `target_exists` where a file of somebody else has that name, which stays as it is.
 * @returns whether it was written, and where the changed one is now
 */
export async function keepFile(kept: Kept): Promise<{ readonly written: boolean; readonly copy?: string }> {
  const { path, name, says, text, stamp } = kept;
  const { found, marks } = await readOurs(path, name);
  const isEdited = marks !== undefined && marks.body !== hashOf(marks.rest);
  if (marks?.says === hashOf(says) && !isEdited) return { written: false };
  // Whoever was allowed to read it is to go on doing so.
  const mode = found === undefined ? undefined : (await stat(path)).mode & 0o777;
  const copy = isEdited ? await copyAside(path, stamp) : undefined;
  const body = text();
  await writeDurable(path, `<!-- ${name} ${hashOf(says)} ${hashOf(body)} -->\n${body}`, mode);
  return copy === undefined ? { written: true } : { written: true, copy };
}

/** Fails as `keepFile` does where it could not write there, and changes nothing. */
export async function requireKeepable(path: string, name: string): Promise<void> {
  await readOurs(path, name);
}

async function readOurs(
  path: string,
  name: string,
): Promise<{ readonly found: string | undefined; readonly marks: Marks | undefined }> {
  // Before it is read: what is no ordinary file may never end.
  await requireWritable(path, true);
  const found = await readIfThere(path);
  const marks = found === undefined ? undefined : marksOf(found, name);
  if (found !== undefined && marks === undefined)
    throw new AppError("target_exists", `write ${path}: the file there is not one of ours`, {
      hint: `move it away, or name another path; ours begin with \`<!-- ${name}\``,
    });
  return { found, marks };
}

/** What copies of a file changed by hand are called: the path, and what follows. */
export const EDITED = ".edited-";

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

interface Marks {
  readonly says: string;
  readonly body: string;
  readonly rest: string;
}

function marksOf(text: string, name: string): Marks | undefined {
  const end = text.indexOf("\n");
  const [first, rest] = end === -1 ? [text, ""] : [text.slice(0, end), text.slice(end + 1)];
  const words = first.split(" ");
  if (!first.startsWith(`<!-- ${name} `)) return undefined;
  const [says = "", body = ""] = words.slice(1 + name.split(" ").length);
  return { says, body, rest };
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 32);
}

/** A second name for what is there, so that at no moment there is none. */
async function copyAside(path: string, stamp: string): Promise<string> {
  for (let again = 0; ; again += 1) {
    const copy = `${path}${EDITED}${stamp}${again === 0 ? "" : `-${again}`}`;
    try {
      await copyFile(path, copy, constants.COPYFILE_EXCL);
    } catch (error) {
      if (errorCode(error) === "EEXIST") continue;
      await rm(copy, { force: true });
      throw error;
    }
    await syncFile(copy);
    await syncFolder(dirname(copy));
    return copy;
  }
}

async function syncFile(path: string): Promise<void> {
  await using file = await open(path, "r");
  await file.sync();
}
