import { AppError } from "../../errors.ts";
import { createScanner, SCAN_CAPACITY, type Scanner, SEED } from "./row-digest-wasm.ts";

/** The digest of no rows. */
export const ZERO_DIGEST = "0".repeat(32);

export interface RowsDigested {
  readonly rows: number;
  /** 32 lower-case hex digits, the most significant first. */
  readonly digest: string;
}

/**
 * Counts the rows of COPY text and adds up their hashes, so that two sets of rows can be compared whatever their order.
 * Part of the repository format: what is computed here must never change within a format version.
 *
 * - A row is the bytes before each line end (0x0a), which is not among them. COPY escapes line ends within values.
 * - Its hash is MurmurHash3_x64_128 (Austin Appleby, public domain, `MurmurHash3.cpp` of SMHasher) with the seed 0x48616e64
 *   ("Hand"). All arithmetic is modulo 2^64 and unsigned; `rotl` rotates left; C1 = 0x87c37b91114253d5, C2 = 0x4cf5ad432745937f:
 *   1. h1 = h2 = seed.
 *   2. For each whole block of 16 bytes, read as two little-endian 64-bit numbers k1 and k2:
 *      h1 ^= rotl(k1 * C1, 31) * C2;  h1 = (rotl(h1, 27) + h2) * 5 + 0x52dce729;
 *      h2 ^= rotl(k2 * C2, 33) * C1;  h2 = (rotl(h2, 31) + h1) * 5 + 0x38495ab5.
 *   3. The remaining 0 to 15 bytes, filled up to 16 with zeros, give k1 and k2 of a last step:
 *      h1 ^= rotl(k1 * C1, 31) * C2;  h2 ^= rotl(k2 * C2, 33) * C1.
 *   4. h1 ^= length of the row in bytes;  h2 ^= the same;  h1 += h2;  h2 += h1.
 *   5. Each of h1 and h2: x ^= x >> 33;  x *= 0xff51afd7ed558ccd;  x ^= x >> 33;  x *= 0xc4ceb9fe1a85ec53;  x ^= x >> 33.
 *   6. h1 += h2;  h2 += h1. The hash is the 128-bit number h2 * 2^64 + h1.
 * - The digest is the sum of the hashes of all rows modulo 2^128. A sum, because with XOR a row that is there twice would vanish.
 *
 * Any library's MurmurHash3 does: in Python, `sum(mmh3.hash128(row, 0x48616e64) for row in rows) % 2**128`.
 *
 * Every step from a row of at most 16 bytes to its hash can be undone, so equally long short rows never collide. The hash
 * has no key: it finds damage and mistakes, not somebody who wants two sets to look equal. SHA-256 part names do that.
 *
 * Creating one takes about 0.1 ms and reserves address space: a worker should make one and use it for part after part.
 */
export class RowDigest {
  readonly #scanner: Scanner = createScanner();
  /** Bytes in the scanner's memory not scanned yet. */
  #filled = 0;

  constructor() {
    this.#begin();
  }

  /** Takes the next piece of the text; it may begin and end anywhere in a row. */
  update(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const size = Math.min(chunk.length - at, SCAN_CAPACITY - this.#filled);
      this.#scanner.memory.set(size === chunk.length ? chunk : chunk.subarray(at, at + size), this.#filled);
      this.#filled += size;
      at += size;
      if (this.#filled === SCAN_CAPACITY) this.#scanFilled();
    }
  }

  /**
   * Rows and digest of the text since the last `finish` (or since the beginning); the next `update` begins a new text.
   * @throws AppError `backup_damaged` when the text ends within a row.
   */
  finish(): RowsDigested {
    this.#scanFilled();
    const { state } = this.#scanner;
    const unfinished = this.#filled > 0 || state.length.value > 0n;
    const rows = Number(state.rows.value);
    const digest = toHex(
      (BigInt.asUintN(64, state.sumHigh.value) << 64n) | BigInt.asUintN(64, state.sumLow.value),
    );
    this.#begin();
    if (unfinished) {
      throw new AppError("backup_damaged", "digest rows: the text ends within a row", { details: { rows } });
    }
    return { rows, digest };
  }

  #begin(): void {
    const { state } = this.#scanner;
    this.#filled = 0;
    for (const name of ["length", "rows", "sumLow", "sumHigh"] as const) state[name].value = 0n;
    state.h1.value = SEED;
    state.h2.value = SEED;
  }

  #scanFilled(): void {
    const { memory, scan } = this.#scanner;
    memory.fill(0, this.#filled, this.#filled + 16);
    const rest = scan(this.#filled);
    memory.copyWithin(0, rest, this.#filled);
    this.#filled -= rest;
  }
}

/** The digest of two sets of rows together: the sum of their digests modulo 2^128. */
export function addDigests(a: string, b: string): string {
  return toHex(BigInt.asUintN(128, BigInt(`0x${a}`) + BigInt(`0x${b}`)));
}

function toHex(sum: bigint): string {
  return sum.toString(16).padStart(32, "0");
}
