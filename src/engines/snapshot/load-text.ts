import { AppError, inOperation, isAppError } from "../../errors.ts";
import { decompressFrames, readFrames } from "../../lib/zstd-frames.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { readPart, readParts } from "../../repository/parts.ts";
import type { Storage } from "../../storage/storage.ts";
import { isHeld } from "./part-batches.ts";
import { RowDigest } from "./row-digest.ts";

/** Where a database's parts lie. */
export interface PartPlace {
  readonly storage: Storage;
  readonly database: string;
}

/** Gives parts to whoever loads them. */
export interface PartSource {
  /** The next ones, a batch of `batchesOf`; none: there are none left. */
  readonly next: () => Promise<readonly PartLine[]>;
  /** So many bytes of COPY text more are on their way. */
  readonly told: (bytes: number) => void;
}

// The server copies each message whole before it looks at it: beyond what the processor's cache holds that took a tenth
// more of its time for all of a COPY, while smaller ones brought nothing.
const MESSAGE_BYTES = 64 * 1024;

/** The COPY text of the parts that a source gives, in pieces that suit the server. */
export async function* textOf(
  place: PartPlace,
  { next, told }: PartSource,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  // One for all parts: making it takes a moment.
  const digest = new RowDigest();
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let parts = await next(); parts.length > 0; parts = await next())
      yield* readRows(place, parts, digest, signal);
  }
  for await (const message of inMessages(pieces())) {
    told(message.length);
    yield message;
  }
}

/** The same text cut anew: long pieces into messages, short ones and what is left of long ones put together. */
async function* inMessages(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let short: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    if (bytes > 0 && bytes + piece.length > MESSAGE_BYTES) {
      yield Buffer.concat(short);
      short = [];
      bytes = 0;
    }
    let rest = piece;
    for (; rest.length >= MESSAGE_BYTES; rest = rest.subarray(MESSAGE_BYTES))
      yield rest.subarray(0, MESSAGE_BYTES);
    if (rest.length > 0) short.push(rest);
    bytes += rest.length;
  }
  if (bytes > 0) yield Buffer.concat(short);
}

/**
 * The COPY text of a batch of parts. The last piece of each is given only after everything about the part was found right:
 * size and SHA-256 as stored, and rows and digest as its list says. Otherwise fails with `backup_damaged`, naming the part.
 */
export async function* readRows(
  place: PartPlace,
  parts: readonly PartLine[],
  digest: RowDigest,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const held = parts.every(isHeld) ? await readParts(place, place.database, parts, signal) : [];
  for (const [at, part] of parts.entries()) {
    const stored = held[at];
    if (stored instanceof AppError) throw stored;
    const frames =
      stored === undefined
        ? readFrames(await readPart(place, place.database, part, signal))
        : decompressFrames(stored);
    yield* readPartRows(part, frames, digest);
  }
}

async function* readPartRows(
  part: PartLine,
  frames: AsyncIterable<Buffer> | Iterable<Buffer>,
  digest: RowDigest,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  let last: Buffer | undefined;
  try {
    for await (const piece of frames) {
      if (last !== undefined) yield last;
      digest.update(piece);
      bytes += piece.length;
      last = piece;
    }
    const found = digest.finish();
    if (bytes !== part.bytes || found.rows !== part.rows || found.digest !== part.digest) {
      throw new AppError("backup_damaged", "it does not hold the rows it should", {
        details: { rows: found.rows, expected: part.rows },
      });
    }
  } catch (error) {
    throw named(part, error);
  }
  if (last !== undefined) yield last;
}

/** What is wrong with a part's text does not know which part it is of. */
function named({ name }: PartLine, error: unknown): unknown {
  // What was read from the storage is named by its key.
  if (!isAppError(error, "backup_damaged") || "key" in error.details) return error;
  const { message, details } = inOperation(`part ${name}`, error);
  return new AppError("backup_damaged", message, { cause: error, details: { ...details, part: name } });
}
