import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from "node:crypto";
import { damaged, derive } from "./header.ts";

// The payload of an age v1 file: a nonce, then STREAM: chunks of 64 KiB under ChaCha20-Poly1305, numbered, the last one
// marked, so that nothing can be cut off, added or moved. On node:crypto, for code in JavaScript is many times slower.

export const CHUNK = 64 * 1024;
const TAG = 16;
const PAYLOAD_NONCE = 16;
const SEALED_CHUNK = CHUNK + TAG;
const ALGORITHM = "chacha20-poly1305";
const OPTIONS = { authTagLength: TAG } as const;

/** Bytes of the payload of so many bytes of text. */
export function payloadSize(text: number): number {
  return PAYLOAD_NONCE + text + TAG * Math.max(1, Math.ceil(text / CHUNK));
}

/** Bytes of text in a payload of this size; negative where no payload has that size. */
export function textSize(payload: number): number {
  const chunks = payload - PAYLOAD_NONCE;
  const text = chunks - TAG * Math.max(1, Math.ceil(chunks / SEALED_CHUNK));
  return text >= 0 && payloadSize(text) === payload ? text : -1;
}

/**
 * Collects bytes into chunks of one size; the last, which may be whole, is given out at the end alone. A chunk is a view of
 * the caller's bytes or of memory that is used again: it is good until the next one.
 */
class Chunks {
  readonly #size: number;
  #held: Buffer | undefined;
  #length = 0;

  constructor(size: number) {
    this.#size = size;
  }

  *add(bytes: Uint8Array): Generator<Uint8Array> {
    let from = 0;
    while (this.#length + (bytes.length - from) > this.#size) {
      const until = from + this.#size - this.#length;
      if (this.#length === 0) yield bytes.subarray(from, until);
      else yield this.#hold(bytes.subarray(from, until));
      this.#length = 0;
      from = until;
    }
    // A copy: the caller may use its memory again.
    if (from < bytes.length) this.#hold(bytes.subarray(from));
  }

  rest(): Buffer {
    return this.#held?.subarray(0, this.#length) ?? Buffer.alloc(0);
  }

  #hold(bytes: Uint8Array): Buffer {
    this.#held ??= Buffer.allocUnsafe(this.#size);
    this.#held.set(bytes, this.#length);
    this.#length += bytes.length;
    return this.#held;
  }
}

/** Counts chunks up: 11 bytes of number, and a byte that marks the last. */
class Counter {
  readonly nonce = Buffer.alloc(12);
  #next = 0;

  for(last: boolean): Buffer {
    // 2^48 chunks are 16 exabytes.
    this.nonce.writeUIntBE(this.#next++, 5, 6);
    this.nonce[11] = last ? 1 : 0;
    return this.nonce;
  }
}

/** Seals a text that comes in pieces cut anywhere. */
export class PayloadSealer {
  readonly #nonce = randomBytes(PAYLOAD_NONCE);
  readonly #key: KeyObject;
  readonly #counter = new Counter();
  readonly #chunks = new Chunks(CHUNK);
  #begun = false;

  constructor(fileKey: Buffer) {
    this.#key = derive(fileKey, this.#nonce, "payload");
  }

  /** What can be written now, in order. */
  update(text: Uint8Array): Buffer[] {
    const sealed = this.#begin();
    for (const chunk of this.#chunks.add(text)) this.#seal(chunk, false, sealed);
    return sealed;
  }

  /** The last of it. */
  end(): Buffer[] {
    const sealed = this.#begin();
    this.#seal(this.#chunks.rest(), true, sealed);
    return sealed;
  }

  #begin(): Buffer[] {
    if (this.#begun) return [];
    this.#begun = true;
    return [this.#nonce];
  }

  #seal(chunk: Uint8Array, last: boolean, into: Buffer[]): void {
    const cipher = createCipheriv(ALGORITHM, this.#key, this.#counter.for(last), OPTIONS);
    into.push(cipher.update(chunk));
    cipher.final();
    into.push(cipher.getAuthTag());
  }
}

/**
 * Opens a payload that comes in pieces cut anywhere. What it gives is genuine so far; that nothing is missing only `end`
 * tells. Throws `backup_damaged`.
 */
export class PayloadOpener {
  readonly #fileKey: Buffer;
  readonly #counter = new Counter();
  readonly #chunks = new Chunks(SEALED_CHUNK);
  #nonce: Buffer = Buffer.alloc(0);
  #key: KeyObject | undefined;
  #opened = 0;

  constructor(fileKey: Buffer) {
    this.#fileKey = fileKey;
  }

  /** The text that is complete with this piece. */
  update(payload: Uint8Array): Buffer[] {
    let rest = payload;
    if (this.#key === undefined) {
      const missing = PAYLOAD_NONCE - this.#nonce.length;
      this.#nonce = Buffer.concat([this.#nonce, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (this.#nonce.length < PAYLOAD_NONCE) return [];
      this.#key = derive(this.#fileKey, this.#nonce, "payload");
    }
    const text: Buffer[] = [];
    for (const chunk of this.#chunks.add(rest)) text.push(this.#open(chunk, false));
    return text;
  }

  /** The last of it. */
  end(): Buffer {
    const last = this.#chunks.rest();
    const text = this.#open(last, true);
    // Only a text without bytes has a chunk without bytes.
    if (text.length === 0 && this.#opened > 1) throw damaged("its last chunk is empty");
    return text;
  }

  #open(chunk: Uint8Array, last: boolean): Buffer {
    this.#opened += 1;
    if (this.#key === undefined || chunk.length < TAG) throw damaged("its end is missing");
    const decipher = createDecipheriv(ALGORITHM, this.#key, this.#counter.for(last), OPTIONS);
    decipher.setAuthTag(chunk.subarray(chunk.length - TAG));
    try {
      const text = decipher.update(chunk.subarray(0, chunk.length - TAG));
      decipher.final();
      return text;
    } catch {
      throw damaged("its bytes were changed, or its end is missing");
    }
  }
}
