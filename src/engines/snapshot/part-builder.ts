import { createHash, type Hash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { compressFrame, FRAME_TEXT } from "../../lib/zstd-frames.ts";
import { RowDigest } from "./row-digest.ts";

/** A finished part: what its list says of it, and its bytes as they are to be stored. */
export interface BuiltPart extends AsyncDisposable {
  /** SHA-256 of the COPY text, in hexadecimal. */
  readonly textHash: string;
  readonly rows: number;
  /** Bytes of the COPY text. */
  readonly bytes: number;
  readonly digest: string;
  /** The frames to be stored: in memory, or in a file where a single row was too long for that. */
  read(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

const FRAME_BYTES = FRAME_TEXT;
// A part is read and written whole by one worker: this bounds its memory, and what one damaged object loses.
const PART_BYTES = 32 * 1024 * 1024;
// Compressed bytes held in memory; only a row longer than a part ever goes beyond this.
const HELD_BYTES = 40 * 1024 * 1024;
const LEVEL = 3;
const NEWLINE = 0x0a;

type OnPart = (part: BuiltPart) => Promise<void>;

/**
 * Makes parts of COPY text that comes in chunks: at most `PART_BYTES` of text each, cut between rows, a longer row in a
 * part of its own. Serves one text after the other, for its buffers are costly.
 */
export class PartBuilder implements AsyncDisposable {
  readonly #spoolFolder: string;
  #onPart: OnPart = () => Promise.resolve();
  readonly #frame = Buffer.allocUnsafeSlow(FRAME_BYTES);
  #filled = 0;
  #bytes = 0;
  #text: Hash = createHash("sha256");
  readonly #digest = new RowDigest();
  #frames: Uint8Array[] = [];
  #size = 0;
  #spool: { path: string; handle: FileHandle } | undefined;
  #lastByte = NEWLINE;

  /** @param spoolFolder where the compressed text of rows longer than a part waits */
  constructor(spoolFolder: string) {
    this.#spoolFolder = spoolFolder;
  }

  /** Begins a text. `onPart` gets each part of it as soon as it is finished; the text of the next one waits. */
  begin(onPart: OnPart): void {
    this.#onPart = onPart;
  }

  /** Takes the next chunk; it may be reused by the caller as soon as this returns. */
  async add(chunk: Buffer): Promise<void> {
    let rest = chunk;
    while (rest.length > PART_BYTES - this.#bytes) {
      const room = Math.max(0, PART_BYTES - this.#bytes);
      const fitting = rest.subarray(0, room).lastIndexOf(NEWLINE);
      const betweenRows = this.#lastByte === NEWLINE;
      if (fitting === -1 && betweenRows && this.#bytes > 0) {
        await this.finish();
        continue;
      }
      // Where no row fits, we are inside one that is longer than a part: it stays whole.
      const end = fitting === -1 ? rest.indexOf(NEWLINE) : fitting;
      if (end === -1) break;
      await this.#append(rest.subarray(0, end + 1));
      await this.finish();
      rest = rest.subarray(end + 1);
    }
    await this.#append(rest);
  }

  async #append(piece: Buffer): Promise<void> {
    if (piece.length === 0) return;
    this.#text.update(piece);
    this.#digest.update(piece);
    this.#bytes += piece.length;
    this.#lastByte = piece[piece.length - 1] ?? NEWLINE;
    for (let from = 0; from < piece.length; ) {
      const take = Math.min(FRAME_BYTES - this.#filled, piece.length - from);
      piece.copy(this.#frame, this.#filled, from, from + take);
      this.#filled += take;
      from += take;
      if (this.#filled === FRAME_BYTES) await this.#closeFrame();
    }
  }

  async #closeFrame(): Promise<void> {
    const frame = compressFrame(this.#frame.subarray(0, this.#filled), LEVEL);
    this.#filled = 0;
    this.#size += frame.length;
    if (this.#spool === undefined && this.#size > HELD_BYTES) {
      const path = join(this.#spoolFolder, `handled-row-${randomUUID()}`);
      this.#spool = { path, handle: await open(path, "wx", 0o600) };
      for (const held of this.#frames) await this.#spool.handle.write(held);
      this.#frames = [];
    }
    if (this.#spool === undefined) this.#frames.push(frame);
    else await this.#spool.handle.write(frame);
  }

  /** Ends the part that is being made, if there is text for one. Call it once more after the last chunk. */
  async finish(): Promise<void> {
    if (this.#bytes === 0) return;
    if (this.#filled > 0) await this.#closeFrame();
    const spool = this.#spool;
    await spool?.handle.close();
    const { rows, digest } = this.#digest.finish();
    const frames = this.#frames;
    const part: BuiltPart = {
      textHash: this.#text.digest("hex"),
      rows,
      bytes: this.#bytes,
      digest,
      read: () => (spool === undefined ? frames : createReadStream(spool.path)),
      [Symbol.asyncDispose]: async () => {
        if (spool !== undefined) await rm(spool.path, { force: true });
      },
    };
    this.#reset();
    await using done = part;
    await this.#onPart(done);
  }

  /** Removes what waits in a file. The builder cannot be used any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const spool = this.#spool;
    if (spool === undefined) return;
    await spool.handle.close();
    await rm(spool.path, { force: true });
  }

  #reset(): void {
    this.#text = createHash("sha256");
    this.#frames = [];
    this.#filled = 0;
    this.#bytes = 0;
    this.#size = 0;
    this.#spool = undefined;
    this.#lastByte = NEWLINE;
  }
}
