import { randomUUID } from "node:crypto";
import type { Readable } from "node:stream";
import { AppError, isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { garbageFolder } from "./layout.ts";
import { FORMAT_VERSION, GarbageNoteHeader } from "./manifest.ts";
import { encodeJson, parseVersioned } from "./parse.ts";

/** A list of keys that one run found unnamed. Its age is what the storage's own clock says. */
export interface GarbageNote {
  readonly key: string;
  readonly noted: Date;
}

// Lines are written in pieces of about this size, so that a note of any length takes little memory.
const PIECE = 256 * 1024;

export async function listNotes(
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<GarbageNote[]> {
  const notes: GarbageNote[] = [];
  for await (const { key, modified } of storage.list(garbageFolder(database), "here", signal)) {
    if (key.endsWith(".note")) notes.push({ key, noted: modified });
  }
  return notes;
}

const lookedKey = (database: string): string => `${garbageFolder(database)}looked.json`;

/** When garbage was last looked for, by the storage's clock; undefined: never. */
export async function lookedAt(
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<Date | undefined> {
  return (await storage.stat(lookedKey(database), signal))?.modified;
}

/**
 * The present moment by the clock that stamps what is stored. Two machines' clocks are never compared: what is written now
 * tells how late it is where the notes were written.
 */
export async function storageTime(
  runtime: Runtime,
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<Date> {
  const key = lookedKey(database);
  await storage.put(
    key,
    encodeJson({ format: FORMAT_VERSION, at: runtime.clock.now().toISOString() }),
    signal,
  );
  const found = await storage.stat(key, signal);
  if (found === undefined)
    throw new AppError("repository_unusable", `write ${key}: it is not there afterwards`);
  return found.modified;
}

/** Writes down, durably, that these keys were found unnamed. */
export async function writeNote(
  runtime: Runtime,
  storage: Storage,
  database: string,
  keys: Iterable<string>,
  signal: AbortSignal,
): Promise<void> {
  const key = `${garbageFolder(database)}${randomUUID()}.note`;
  await using staged = await storage.stage(key, signal);
  await staged.write(encodeJson({ format: FORMAT_VERSION, at: runtime.clock.now().toISOString() }));
  let piece = "";
  for (const each of keys) {
    piece += `${each}\n`;
    if (piece.length < PIECE) continue;
    await staged.write(Buffer.from(piece));
    piece = "";
  }
  await staged.write(Buffer.from(piece));
  await staged.finish();
  await staged.publish();
}

/**
 * The keys in a note. One that cannot be read ends early with a warning: what it noted is noted again, and lives longer.
 */
export async function* readNote(
  runtime: Runtime,
  storage: Storage,
  note: GarbageNote,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const stream = await openNote(storage, note, signal);
  if (stream === undefined) return;
  let rest = "";
  let header: GarbageNoteHeader | undefined;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    // Keys are ASCII: a chunk may end anywhere.
    const lines = (rest + chunk.toString("latin1")).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (header !== undefined) {
        yield line;
        continue;
      }
      header = parseHeader(runtime, line, note.key);
      if (header === undefined) return;
    }
  }
}

/** Undefined when it is gone: another run took over the lease and did what it asked for. */
async function openNote(
  storage: Storage,
  { key }: GarbageNote,
  signal: AbortSignal,
): Promise<Readable | undefined> {
  try {
    return await storage.open(key, signal);
  } catch (error) {
    if (isAppError(error, "object_missing")) return undefined;
    throw error;
  }
}

function parseHeader(runtime: Runtime, line: string, key: string): GarbageNoteHeader | undefined {
  try {
    return parseVersioned(GarbageNoteHeader, Buffer.from(line), key);
  } catch (error) {
    if (!isAppError(error, "backup_damaged")) throw error;
    runtime.reporter.warn(`${messageOf(error)}; what it noted is kept longer`);
    return undefined;
  }
}
