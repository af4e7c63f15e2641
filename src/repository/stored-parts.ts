import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { AppError, isAppError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { PartName } from "./manifest.ts";

/** A stored part or part list, as what names it describes it: bytes and SHA-256 as stored. */
export interface PartRef {
  readonly name: PartName;
  readonly size: number;
  readonly sha256: string;
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
  { size, sha256 }: PartRef,
  signal: AbortSignal,
): Promise<Readable> {
  const stored = await openNamed(storage, key, what, signal);
  async function* checked(): AsyncGenerator<Buffer> {
    const hash = createHash("sha256");
    let length = 0;
    for await (const chunk of stored as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > size) throw damaged(key, what, `more than the ${size} bytes it should have`);
      hash.update(chunk);
      yield chunk;
    }
    if (length !== size) throw damaged(key, what, `${length} bytes, it should have ${size}`);
    if (hash.digest("hex") !== sha256) throw damaged(key, what, "its SHA-256 is not the one recorded");
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
    if (!isAppError(error, "object_missing")) throw error;
    throw new AppError("backup_damaged", `read ${what}: it is not there`, { cause: error, details: { key } });
  }
}

function damaged(key: string, what: string, reason: string): AppError {
  return new AppError("backup_damaged", `read ${what}: ${reason}`, { details: { key } });
}
