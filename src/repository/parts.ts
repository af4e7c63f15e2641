import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import type { Storage } from "../storage/storage.ts";
import { partKey } from "./layout.ts";
import { newPartName } from "./part-names.ts";
import type { AppError } from "../errors.ts";
import { getChecked, openChecked, type PartRef } from "./stored-parts.ts";

/** Where parts lie; a `Repository` is one. Threads that only copy rows need no more of it. */
interface Place {
  readonly storage: Storage;
}

/**
 * Stores a part, durably, and returns what a part list has to say of it. Always under a new key: an object of the same
 * text that is there already may be an orphan about to be deleted, or belong to a backup that was not looked at.
 * Whoever wants to store a text once asks `knownParts` first.
 * @param nameHash `nameHashOf` the part's text
 * @param data the part as it is to be stored: zstd frames
 */
export async function writePart(
  { storage }: Place,
  database: string,
  nameHash: string,
  data: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<PartRef> {
  const name = newPartName(nameHash);
  const key = partKey(database, name);
  const hash = createHash("sha256");
  const whole = inMemory(data);
  if (whole !== undefined) {
    const sha256 = hash.update(whole).digest("hex");
    await storage.put(key, whole, signal);
    return { name, size: whole.length, sha256 };
  }
  await using staged = await storage.stage(key, signal);
  for await (const chunk of data) {
    hash.update(chunk);
    await staged.write(chunk);
  }
  const size = await staged.finish();
  await staged.publish();
  return { name, size, sha256: hash.digest("hex") };
}

// Written in one step; more is not gathered in memory once more.
const LARGEST_PUT = 8 * 1024 * 1024;

/** The bytes in one piece, where they are there already and not too many. */
function inMemory(data: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Uint8Array | undefined {
  if (!Array.isArray(data)) return undefined;
  const frames: readonly Uint8Array[] = data;
  const size = frames.reduce((sum, { length }) => sum + length, 0);
  const [only] = frames;
  if (frames.length === 1 && only !== undefined) return only;
  return size <= LARGEST_PUT ? Buffer.concat(frames, size) : undefined;
}

/**
 * Opens a part as it is stored: zstd frames. The stream fails at its end unless every byte was right; what was read
 * until then must not be relied on. Throws `backup_damaged`, naming the part, also when it is not there.
 */
export async function readPart(
  { storage }: Place,
  database: string,
  part: PartRef,
  signal: AbortSignal,
): Promise<Readable> {
  return await openChecked(storage, partKey(database, part.name), `part ${part.name}`, part, signal);
}

/**
 * Reads parts as they are stored, each whole; they must be small enough to be held together. In the place of one that is
 * missing or not what its list says stands `backup_damaged`, naming it; of one that cannot be read, why not.
 */
export async function readParts(
  { storage }: Place,
  database: string,
  parts: readonly PartRef[],
  signal: AbortSignal,
): Promise<(Buffer | AppError)[]> {
  const wanted = parts.map((ref) => ({ key: partKey(database, ref.name), what: `part ${ref.name}`, ref }));
  return await getChecked(storage, wanted, signal);
}
