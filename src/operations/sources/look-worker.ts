import { constants, type Stats } from "node:fs";
import { access, glob, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { errorCode, messageOf } from "../../errors.ts";
import type { SourceLook } from "./look-at-sources.ts";

/**
 * A program of its own: gets paths and patterns as a list in JSON on standard input, and writes what it found of each as a line of
 * JSON, as soon as it knows. What waits for a dead mount cannot be stopped, so it must not be a thread of anybody else's.
 */
const paths = JSON.parse(await text(process.stdin)) as readonly string[];
await Promise.all(
  paths.map(async (path, at) => {
    const look = await lookAt(path);
    process.stdout.write(`${JSON.stringify({ at, ...look })}\n`);
  }),
);

async function lookAt(path: string): Promise<SourceLook> {
  try {
    const files = await filesOf(path);
    if (files === undefined || files.length === 0)
      return problem("missing", files === undefined ? "it is not there" : "no file is there");
    let bytes = 0;
    for (const file of files) {
      await access(file.path, constants.R_OK);
      bytes += file.bytes;
    }
    return { files: files.length, bytes, problem: null };
  } catch (error) {
    return problem("unreadable", messageOf(error));
  }
}

function problem(kind: "missing" | "unreadable", reason: string): SourceLook {
  return { files: 0, bytes: 0, problem: { kind, reason } };
}

interface Sized {
  readonly path: string;
  readonly bytes: number;
}

/** The regular files that a path or pattern means; undefined where nothing has that name. */
async function filesOf(path: string): Promise<Sized[] | undefined> {
  const there = await statOf(path);
  if (there !== undefined) return await below(path, true);
  if (!/[*?[{]/.test(path)) return undefined;
  const files: Sized[] = [];
  for await (const match of glob(path)) files.push(...(await below(match, false)));
  return files;
}

/** The file itself, or all that lie in a folder. `alone`: nothing else was named, so that it must be one of both. */
async function below(path: string, alone: boolean): Promise<Sized[]> {
  const there = await statOf(path);
  // Gone meanwhile, or a link that leads nowhere.
  if (there === undefined) return [];
  if (there.isFile()) return [{ path, bytes: there.size }];
  if (!there.isDirectory()) {
    if (!alone) return [];
    throw new Error("it is neither a file nor a folder");
  }
  const files: Sized[] = [];
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const inner = join(entry.parentPath, entry.name);
    const found = await statOf(inner);
    if (found?.isFile() === true) files.push({ path: inner, bytes: found.size });
  }
  return files;
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}
