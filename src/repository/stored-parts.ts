import { createHash, hash } from "node:crypto";
import { Readable } from "node:stream";
import { AppError, isAppError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import { firstSound } from "./first-sound.ts";
import type { PartName } from "./manifest.ts";

/** What names an object says of its bytes as stored. */
interface StoredBytes {
  readonly size: number;
  readonly sha256: string;
  /** Of an archive that lies sealed: size and SHA-256 of what follows its header. */
  readonly sealed?: { readonly size: number; readonly sha256: string } | undefined;
}

/** A stored part or part list, as what names it describes it: bytes and SHA-256 as stored. */
export interface PartRef extends StoredBytes {
  readonly name: PartName;
}

/**
 * Opens an object; the stream fails with `backup_damaged` at its end unless size and hash were right. Throws
 * `backup_damaged` when there is no such object: something names it, so it should be there.
 * @param what the object as a message names it: `part 3a…`
 */
export async function openChecked(
  storage: Storage,
  key: string,
  what: string,
  ref: StoredBytes,
  signal: AbortSignal,
): Promise<Readable> {
  if (storage.others === undefined) return await openOne(storage, key, what, ref, signal);
  // What was given out cannot be taken back: before anything is, all of it must be found right somewhere.
  const read = async (from: Storage): Promise<Readable> => {
    const whole = await openOne(from, key, what, ref, signal);
    for await (const _ of whole) signal.throwIfAborted();
    return await openOne(from, key, what, ref, signal);
  };
  return await firstSound(storage, read, signal);
}

async function openOne(
  storage: Storage,
  key: string,
  what: string,
  { size, sha256 }: StoredBytes,
  signal: AbortSignal,
): Promise<Readable> {
  const stored = await openNamed(storage, key, what, signal);
  async function* checked(): AsyncGenerator<Buffer> {
    const found = createHash("sha256");
    let length = 0;
    for await (const chunk of named(stored, key, what)) {
      length += chunk.length;
      if (length > size) throw damaged(key, what, `more than the ${size} bytes it should have`);
      found.update(chunk);
      yield chunk;
    }
    if (length !== size) throw damaged(key, what, ofLength(length, size));
    if (found.digest("hex") !== sha256) throw damaged(key, what, OTHER_HASH);
  }
  const stream = Readable.from(checked(), { objectMode: false });
  // A consumer that stops half-way destroys this stream; the one below has to go with it.
  stream.once("close", () => stored.destroy());
  return stream;
}

async function openNamed(
  storage: Storage,
  key: string,
  what: string,
  signal: AbortSignal,
): Promise<Readable> {
  try {
    return await storage.open(key, signal);
  } catch (error) {
    throw ofNamed(error, key, what);
  }
}

/** One of the objects that are read together. */
export interface Wanted {
  readonly key: string;
  /** As a message names it. */
  readonly what: string;
  readonly ref: StoredBytes;
}

/**
 * Reads objects that are small enough to be held together. In the place of one that is not there, or whose size or hash is
 * not right, stands `backup_damaged`; of one that cannot be read, why not.
 */
export async function getChecked(
  storage: Storage,
  wanted: readonly Wanted[],
  signal: AbortSignal,
): Promise<(Buffer | AppError)[]> {
  const found = await getFrom(storage, wanted, signal);
  const { others } = storage;
  if (others === undefined) return found;
  for (const other of others.storages) {
    const failed = wanted.flatMap((one, at) => (found[at] instanceof AppError ? [{ one, at }] : []));
    if (failed.length === 0) break;
    const again = await getFrom(
      other,
      failed.map(({ one }) => one),
      signal,
    );
    for (const [n, { at }] of failed.entries()) {
      const data = again[n];
      const error = found[at];
      if (!(error instanceof AppError) || data === undefined || data instanceof AppError) continue;
      others.fellBack({ place: storage.place, to: other.place, error });
      found[at] = data;
    }
  }
  return found;
}

async function getFrom(
  storage: Storage,
  wanted: readonly Wanted[],
  signal: AbortSignal,
): Promise<(Buffer | AppError)[]> {
  const found = await storage.getMany(
    wanted.map(({ key }) => key),
    signal,
  );
  return wanted.map(({ key, what, ref }, at) => {
    const stored = found[at];
    if (stored === undefined) throw new AppError("unexpected", `read ${what}: the storage gave no answer`);
    if (stored instanceof AppError) return ofNamed(stored, key, what);
    if (stored.length !== ref.size) return damaged(key, what, ofLength(stored.length, ref.size));
    return hash("sha256", stored) === ref.sha256 ? stored : damaged(key, what, OTHER_HASH);
  });
}

/** The bytes of an object; where it lies sealed, opening it may fail at any of them. */
async function* named(stored: AsyncIterable<Buffer>, key: string, what: string): AsyncGenerator<Buffer> {
  try {
    yield* stored;
  } catch (error) {
    throw ofNamed(error, key, what);
  }
}

/** Something names it, so it should be there. */
export function ofNamed<T>(error: T, key: string, what: string): T | AppError {
  if (isAppError(error, "backup_damaged")) return damaged(key, what, String(error.details["reason"]));
  if (!isAppError(error, "object_missing")) return error;
  return new AppError("backup_damaged", `read ${what}: it is not there`, { cause: error, details: { key } });
}

const OTHER_HASH = "its SHA-256 is not the one recorded";
const ofLength = (length: number, size: number): string => `${length} bytes, it should have ${size}`;

/** An object that is missing or not what names it says. */
export function damaged(key: string, what: string, reason: string): AppError {
  return new AppError("backup_damaged", `read ${what}: ${reason}`, { details: { key } });
}
