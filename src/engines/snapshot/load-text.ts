import { AppError, inOperation, isAppError } from "../../errors.ts";
import { readFrames } from "../../lib/zstd-frames.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { readPart } from "../../repository/parts.ts";
import type { Storage } from "../../storage/storage.ts";
import { RowDigest } from "./row-digest.ts";

/** Where a database's parts lie. */
export interface PartPlace {
  readonly storage: Storage;
  readonly database: string;
}

/** Gives one part after the other to whoever loads them. */
export interface PartSource {
  /** The next part; undefined when there is none left. */
  readonly next: () => Promise<PartLine | undefined>;
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
  for (let part = await next(); part !== undefined; part = await next()) {
    for await (const piece of readRows(place, part, digest, signal, told)) {
      for (let at = 0; at < piece.length; at += MESSAGE_BYTES) yield piece.subarray(at, at + MESSAGE_BYTES);
    }
  }
}

/**
 * The COPY text of one part. Its last piece is given only after everything about the part was found right: size and
 * SHA-256 as stored, and rows and digest as its list says. Otherwise fails with `backup_damaged`, naming the part.
 */
export async function* readRows(
  { storage, database }: PartPlace,
  part: PartLine,
  digest: RowDigest,
  signal: AbortSignal,
  told: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  let held: Buffer | undefined;
  const pieces = readFrames(await readPart({ storage }, database, part, signal));
  for await (const piece of naming(part, pieces)) {
    if (held !== undefined) yield held;
    digest.update(piece);
    bytes += piece.length;
    told(piece.length);
    held = piece;
  }
  const found = digest.finish();
  if (bytes !== part.bytes || found.rows !== part.rows || found.digest !== part.digest) {
    throw new AppError("backup_damaged", `part ${part.name} does not hold the rows it should`, {
      details: { part: part.name, rows: found.rows, expected: part.rows },
    });
  }
  if (held !== undefined) yield held;
}

/** What cannot be decompressed does not know which part it is of. */
async function* naming(part: PartLine, pieces: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* pieces;
  } catch (error) {
    // What was read from the storage is named by its key.
    if (!isAppError(error, "backup_damaged") || "key" in error.details) throw error;
    const { message, details } = inOperation(`part ${part.name}`, error);
    throw new AppError("backup_damaged", message, { cause: error, details: { ...details, part: part.name } });
  }
}
