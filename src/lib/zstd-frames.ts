import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { AppError, errorCode } from "../errors.ts";

/** Text in one frame at most: what a reader holds at once, and what one damaged byte costs. */
export const FRAME_TEXT = 2 * 1024 * 1024;

// Frames that say they hold more are refused: a flipped bit in a size must not take all memory.
const LARGEST_TEXT = 64 * 1024 * 1024;
// Text that cannot be compressed grows by 3 bytes per block of 128 KiB, and by the header and the checksum.
const LARGEST_FRAME = LARGEST_TEXT + 64 * 1024;

// Output is collected in pieces of this size. Larger ones are no faster, and a small result would keep a large piece alive.
const OUTPUT_PIECE = 64 * 1024;

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_HEADER = 3;
const CHECKSUM = 4;

/**
 * Compresses text into independent zstd frames of at most `FRAME_TEXT` bytes of text each, with content size and checksum.
 * Their concatenation is what is stored; `zstd -dc` turns it back. Empty text becomes one empty frame.
 *
 * @param text the text, or pieces of it in order, cut anywhere
 * @param level of zstd, 1 to 22
 */
export function compressFrames(text: Uint8Array | readonly Uint8Array[], level: number): Buffer[] {
  return Array.from(blocksOf(text instanceof Uint8Array ? [text] : text), (block) =>
    compressFrame(block, level),
  );
}

/** Compresses text, at most `FRAME_TEXT` bytes, into one such frame. */
export function compressFrame(text: Uint8Array, level: number): Buffer {
  // Never ZSTD_c_nbWorkers: the caller has its own threads, and with workers the bytes would depend on their timing.
  const params = {
    [constants.ZSTD_c_compressionLevel]: level,
    [constants.ZSTD_c_contentSizeFlag]: 1,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  // Of a small text most of a piece would be left over.
  const chunkSize = Math.min(OUTPUT_PIECE, Math.ceil(text.length / 2) + 128);
  return zstdCompressSync(text, { params, pledgedSrcSize: text.length, chunkSize });
}

/** The pieces joined and cut anew, `FRAME_TEXT` bytes each and the rest last; copied only where pieces have to be joined. */
function* blocksOf(pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let size = 0;
  let blocks = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const part = piece.subarray(at, at + FRAME_TEXT - size);
      parts.push(part);
      size += part.length;
      at += part.length;
      if (size < FRAME_TEXT) continue;
      yield joined(parts);
      blocks += 1;
      parts = [];
      size = 0;
    }
  }
  if (size > 0 || blocks === 0) yield joined(parts);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  return only !== undefined && parts.length === 1 ? only : Buffer.concat(parts);
}

/**
 * Yields the text of each frame of a concatenation of zstd frames that arrives in pieces cut anywhere.
 * The pieces must not change while the generator runs.
 *
 * @throws AppError `backup_damaged`, see `FrameReader`
 */
export async function* readFrames(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): AsyncGenerator<Buffer> {
  const reader = new FrameReader();
  for await (const chunk of source) yield* reader.read(chunk);
  reader.end();
}

/** The same for stored bytes that are all there. */
export function* decompressFrames(stored: Uint8Array): Generator<Buffer> {
  const reader = new FrameReader();
  yield* reader.read(stored);
  reader.end();
}

interface OpenFrame {
  readonly textSize: number;
  /** Bytes from the frame's start to the end of the blocks seen so far, then to the end of the frame. */
  length: number;
  complete: boolean;
}

/**
 * Decompresses a concatenation of zstd frames (RFC 8878) frame by frame. Node's own decoder stops silently after the first frame,
 * so each frame's length is found from its header and block headers and each is decoded by itself.
 *
 * Frames must say their content size and carry a checksum, as those of `compressFrames` do. Skippable frames are passed over.
 * Everything else, bytes that end within a frame or no frame at all throws AppError `backup_damaged`. That whole frames are
 * missing or swapped cannot be seen here: the caller compares sizes and hashes.
 */
class FrameReader {
  #bytes: Buffer = Buffer.alloc(0);
  /** The bytes from `#from` to `#to` are not consumed yet. */
  #from = 0;
  #to = 0;
  /** Whether `#bytes` was allocated here and may be written to; otherwise it is the caller's chunk. */
  #own = false;
  #open: OpenFrame | undefined;
  /** Bytes of a skippable frame still to come. */
  #skip = 0;
  #frames = 0;
  /** Where the bytes at `#from` lie in the concatenation. */
  #offset = 0;

  /** Takes the next piece, and yields the text of the frames that it completes. Consume it fully before the next piece. */
  *read(chunk: Uint8Array): Generator<Buffer> {
    this.#append(chunk);
    for (;;) {
      if (!this.#skipped()) return;
      this.#open ??= this.#parseHeader();
      if (this.#skip > 0) continue;
      if (this.#open === undefined || !this.#findEnd(this.#open)) return;
      const { length, textSize } = this.#open;
      if (this.#available < length) return;
      const text = this.#decompress(this.#bytes.subarray(this.#from, this.#from + length), textSize);
      this.#consume(length);
      this.#open = undefined;
      this.#frames += 1;
      yield text;
    }
  }

  /** Says that nothing follows. */
  end(): void {
    if (this.#available > 0 || this.#skip > 0) throw this.#damaged("the bytes end within it");
    if (this.#frames === 0) throw this.#damaged("there is none");
  }

  get #available(): number {
    return this.#to - this.#from;
  }

  #append(chunk: Uint8Array): void {
    const kept = this.#available;
    // Memory that is used again is no garbage, and the chunk is soon.
    const fits = this.#own && 2 * kept + chunk.length <= this.#bytes.length;
    if (kept === 0 && !fits) {
      this.#bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      this.#from = 0;
      this.#to = chunk.length;
      this.#own = false;
      return;
    }
    if (!this.#own || this.#to + chunk.length > this.#bytes.length) {
      // Twice what is needed, so that a frame arriving in many small chunks is copied a few times only.
      const roomy = fits ? this.#bytes : Buffer.allocUnsafe(2 * (kept + chunk.length));
      this.#bytes.copy(roomy, 0, this.#from, this.#to);
      this.#bytes = roomy;
      this.#from = 0;
      this.#to = kept;
      this.#own = true;
    }
    this.#bytes.set(chunk, this.#to);
    this.#to += chunk.length;
  }

  #consume(count: number): void {
    this.#from += count;
    this.#offset += count;
  }

  /**
   * Passes over what has come of a skippable frame; false while more of it is to come. Nothing in the format guards its length, so one
   * that is damaged could hide whole frames: we write none, and the hash of an object and the end of a dump are asked for besides.
   */
  #skipped(): boolean {
    const count = Math.min(this.#skip, this.#available);
    this.#skip -= count;
    this.#consume(count);
    return this.#skip === 0;
  }

  /** The frame that begins here; undefined while its header has not come, and for a skippable one, which sets `#skip`. */
  #parseHeader(): OpenFrame | undefined {
    if (this.#available < 5) return undefined;
    const magic = this.#bytes.readUInt32LE(this.#from);
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
      if (this.#available >= 8) this.#skip = 8 + this.#bytes.readUInt32LE(this.#from + 4);
      return undefined;
    }
    if (magic !== MAGIC) throw this.#damaged("it does not begin like one");

    const descriptor = this.#bytes.readUInt8(this.#from + 4);
    const singleSegment = (descriptor & 0x20) !== 0;
    const sizeFlag = descriptor >> 6;
    if ((descriptor & 0x08) !== 0) throw this.#damaged("its header has a reserved bit set");
    if ((descriptor & 0x04) === 0) throw this.#damaged("it has no checksum");
    if ((descriptor & 0x03) !== 0) throw this.#damaged("it asks for a dictionary");
    if (sizeFlag === 0 && !singleSegment) throw this.#damaged("it does not say its content size");

    // Without the single-segment flag, one byte in between gives the window size.
    const sizeAt = singleSegment ? 5 : 6;
    const sizeBytes = 1 << sizeFlag;
    if (this.#available < sizeAt + sizeBytes) return undefined;
    const textSize = this.#readSize(this.#from + sizeAt, sizeBytes);
    if (textSize > LARGEST_TEXT) throw this.#damaged(`it says it holds ${textSize} bytes, more than any may`);
    return { textSize, length: sizeAt + sizeBytes, complete: false };
  }

  #readSize(at: number, bytes: number): number {
    if (bytes === 8) return Number(this.#bytes.readBigUInt64LE(at));
    // RFC 8878, section 3.1.1.1.4: sizes of two bytes start at 256, because smaller ones fit one byte.
    return this.#bytes.readUIntLE(at, bytes) + (bytes === 2 ? 256 : 0);
  }

  /** Follows the blocks as far as they have come; true when the frame's whole length is known. */
  #findEnd(frame: OpenFrame): boolean {
    while (!frame.complete) {
      if (this.#available < frame.length + BLOCK_HEADER) return false;
      const header = this.#bytes.readUIntLE(this.#from + frame.length, BLOCK_HEADER);
      const type = (header >> 1) & 0x03;
      if (type === 3) throw this.#damaged("it has a block of a reserved type");
      // Type 1 repeats a single byte; its size is that of the text.
      frame.length += BLOCK_HEADER + (type === 1 ? 1 : header >> 3);
      frame.complete = (header & 0x01) !== 0;
      if (frame.complete) frame.length += CHECKSUM;
      if (frame.length > LARGEST_FRAME) throw this.#damaged("it is longer than any may be");
    }
    return true;
  }

  #decompress(frame: Buffer, textSize: number): Buffer {
    let text: Buffer;
    try {
      // One byte more than needed: when the output is full to the last byte, Node allocates another piece to see if more comes.
      const chunkSize = Math.max(textSize + 1, constants.Z_MIN_CHUNK);
      text = zstdDecompressSync(frame, { maxOutputLength: Math.max(textSize, 1), chunkSize });
    } catch (cause) {
      if (!isDamage(cause)) throw cause;
      throw this.#damaged("it cannot be decompressed", cause);
    }
    if (text.length !== textSize) throw this.#damaged(`it holds ${text.length} bytes instead of ${textSize}`);
    return text;
  }

  #damaged(reason: string, cause?: unknown): AppError {
    return new AppError("backup_damaged", `decompress frame ${this.#frames + 1}: ${reason}`, {
      cause,
      details: { offset: this.#offset },
    });
  }
}

/** Whether the decoder failed because of what it was given, and not for want of memory or by a defect. */
function isDamage(error: unknown): boolean {
  const code = errorCode(error);
  if (code === "ZSTD_error_memory_allocation") return false;
  return (
    code === "Z_BUF_ERROR" || code === "ERR_BUFFER_TOO_LARGE" || code?.startsWith("ZSTD_error_") === true
  );
}
