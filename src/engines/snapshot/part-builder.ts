import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { compressFrame } from "../../lib/zstd-frames.ts";
import { cutByContent } from "./cut-by-content.ts";
import { RowDigest } from "./row-digest.ts";

/** A finished part: what its list says of it, and its bytes as they are to be stored. */
export interface BuiltPart {
  /** SHA-256 of the COPY text, in hexadecimal. */
  readonly textHash: string;
  readonly rows: number;
  /** Bytes of the COPY text. */
  readonly bytes: number;
  readonly digest: string;
  /**
   * Makes the frames to be stored: at once, while the part is being handed over; or, where a single row was too long for
   * memory, as a stream that has to be read before the next part comes.
   */
  compress(): readonly Uint8Array[] | AsyncIterable<Uint8Array>;
}

// A changed row costs the part it is in: the smaller parts are, the less is stored again, and the more objects there are.
const LEAST_BYTES = 160 * 1024;
const MOST_BYTES = 896 * 1024;
// Compressed bytes held in memory; only a single row ever goes beyond this.
const HELD_BYTES = 40 * 1024 * 1024;
const LEVEL = 3;
const NEWLINE = 0x0a;

type OnPart = (part: BuiltPart) => Promise<void>;

/** What is known so far of a row that is longer than a part. */
interface LongRow {
  readonly text: Hash;
  bytes: number;
  frames: Uint8Array[];
  size: number;
  spool: { readonly path: string; readonly handle: FileHandle } | undefined;
}

/**
 * Makes parts of COPY text that comes in chunks: at most `MOST_BYTES` of text each, cut between rows where the rows
 * themselves say, a longer row in a part of its own. Serves one text after the other, for its buffers are costly.
 */
export class PartBuilder implements AsyncDisposable {
  readonly #spoolFolder: string;
  #onPart: OnPart = () => Promise.resolve();
  readonly #text = Buffer.allocUnsafeSlow(MOST_BYTES);
  #filled = 0;
  readonly #digest = new RowDigest();
  #long: LongRow | undefined;

  /** @param spoolFolder where the compressed text of rows that are too long for memory waits */
  constructor(spoolFolder: string) {
    this.#spoolFolder = spoolFolder;
  }

  /** Begins a text. `onPart` gets each part of it as soon as it is finished; the text of the next one waits. */
  begin(onPart: OnPart): void {
    this.#onPart = onPart;
  }

  /** Takes the next chunk; it may be reused by the caller as soon as this returns. */
  async add(chunk: Buffer): Promise<void> {
    for (let from = 0; from < chunk.length; ) {
      // A long row ends its part where it ends itself.
      const end = this.#long === undefined ? -1 : chunk.indexOf(NEWLINE, from);
      const upTo = end === -1 ? chunk.length : end + 1;
      const take = Math.min(MOST_BYTES - this.#filled, upTo - from);
      chunk.copy(this.#text, this.#filled, from, from + take);
      this.#filled += take;
      from += take;
      if (end !== -1 && from === end + 1) await this.finish();
      else if (this.#filled === MOST_BYTES) await this.#full();
    }
  }

  async #full(): Promise<void> {
    const cut = this.#long === undefined ? cutByContent(this.#text, LEAST_BYTES) : 0;
    if (cut === 0) return await this.#keep((this.#long ??= newLongRow()));
    await this.#emit(cut);
    this.#text.copyWithin(0, cut, this.#filled);
    this.#filled -= cut;
  }

  /** Hands over the first bytes of the buffer as a part. */
  async #emit(bytes: number): Promise<void> {
    const text = this.#text.subarray(0, bytes);
    this.#digest.update(text);
    await this.#onPart({
      textHash: createHash("sha256").update(text).digest("hex"),
      bytes,
      ...this.#digest.finish(),
      compress: () => [compressFrame(text, LEVEL)],
    });
  }

  /** Puts a full buffer aside: it holds nothing but a piece of one row. */
  async #keep(row: LongRow): Promise<void> {
    const piece = this.#text.subarray(0, this.#filled);
    row.text.update(piece);
    this.#digest.update(piece);
    row.bytes += piece.length;
    const frame = compressFrame(piece, LEVEL);
    this.#filled = 0;
    row.size += frame.length;
    if (row.spool === undefined && row.size > HELD_BYTES) {
      const path = join(this.#spoolFolder, `handled-row-${randomUUID()}`);
      row.spool = { path, handle: await open(path, "wx", 0o600) };
      for (const held of row.frames) await writeAll(row.spool.handle, held);
      row.frames = [];
    }
    if (row.spool === undefined) row.frames.push(frame);
    else await writeAll(row.spool.handle, frame);
  }

  /** Ends the part that is being made, if there is text for one. Call it once more after the last chunk. */
  async finish(): Promise<void> {
    const row = this.#long;
    if (row === undefined) {
      if (this.#filled > 0) await this.#emit(this.#filled);
      this.#filled = 0;
      return;
    }
    if (this.#filled > 0) await this.#keep(row);
    const { spool, frames } = row;
    await spool?.handle.close();
    try {
      await this.#onPart({
        textHash: row.text.digest("hex"),
        bytes: row.bytes,
        ...this.#digest.finish(),
        compress: () => (spool === undefined ? frames : createReadStream(spool.path)),
      });
    } finally {
      this.#long = undefined;
      if (spool !== undefined) await rm(spool.path, { force: true });
    }
  }

  /** Removes what waits in a file. The builder cannot be used any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const spool = this.#long?.spool;
    if (spool === undefined) return;
    await spool.handle.close();
    await rm(spool.path, { force: true });
  }
}

function newLongRow(): LongRow {
  return { text: createHash("sha256"), bytes: 0, frames: [], size: 0, spool: undefined };
}

/** One call may write less than it was given, on a nearly full disk for one. */
async function writeAll(handle: FileHandle, data: Uint8Array): Promise<void> {
  for (let offset = 0; offset < data.length; ) {
    const { bytesWritten } = await handle.write(data, offset, data.length - offset);
    offset += bytesWritten;
  }
}
