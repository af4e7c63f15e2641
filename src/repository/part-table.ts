import { ByteTable } from "./byte-table.ts";
import type { PartName } from "./ids.ts";
import { HASH_BYTES, NAME_BYTES, packName, unpackName } from "./part-names.ts";
import type { PartRef } from "./stored-parts.ts";

const SIZE_BYTES = 6;
const SHA256_AT = NAME_BYTES + SIZE_BYTES;
const PART_BYTES = SHA256_AT + HASH_BYTES;

/** Parts by the hash of their text, in little memory; the first one of a text stays. */
export class PartTable {
  /** The rest of the name, the stored size, the hash of the stored bytes. */
  readonly #table = new ByteTable(HASH_BYTES, PART_BYTES - HASH_BYTES);
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#table.size;
  }

  get isFull(): boolean {
    return this.size >= this.#limit;
  }

  add(part: PartRef): void {
    const packed = Buffer.alloc(PART_BYTES);
    pack(part, packed);
    this.addPacked(packed);
  }

  /** The same with one of `PackedParts`. */
  addPacked(packed: Buffer): void {
    if (this.isFull) return;
    const { added, value } = this.#table.add(packed.subarray(0, HASH_BYTES));
    // The newest backup's own stays: the others may go first.
    if (added) packed.copy(value, 0, HASH_BYTES);
  }

  /** Whether it is the part of this packed name, and no other of the same text. */
  has(packed: Buffer): boolean {
    const value = this.#table.find(packed.subarray(0, HASH_BYTES));
    return (
      value !== undefined && packed.compare(value, 0, NAME_BYTES - HASH_BYTES, HASH_BYTES, NAME_BYTES) === 0
    );
  }

  find(textHash: string): PartRef | undefined {
    const key = Buffer.from(textHash, "hex");
    const value = this.#table.find(key);
    return value === undefined ? undefined : unpack(Buffer.concat([key, value]));
  }
}

/**
 * A few parts, packed in a place that is used again and again: as objects they would outlive the garbage collector's
 * young generation in their thousands, and what it has moved to the old one it leaves there for long.
 */
export class PackedParts {
  readonly #rows: Buffer;
  readonly #most: number;
  #size = 0;

  constructor(most: number) {
    this.#most = most;
    this.#rows = Buffer.alloc(most * PART_BYTES);
  }

  get isFull(): boolean {
    return this.#size >= this.#most;
  }

  /** Packs one more part. */
  add(part: PartRef): void {
    pack(part, this.#row(this.#size));
    this.#size += 1;
  }

  /** All of them, in their order, as views until `clear`. */
  *rows(): Generator<Buffer> {
    for (let at = 0; at < this.#size; at++) yield this.#row(at);
  }

  clear(): void {
    this.#size = 0;
  }

  #row(at: number): Buffer {
    return this.#rows.subarray(at * PART_BYTES, (at + 1) * PART_BYTES);
  }
}

function pack({ name, size, sha256 }: PartRef, row: Buffer): void {
  packName(name).copy(row);
  row.writeUIntLE(size, NAME_BYTES, SIZE_BYTES);
  row.write(sha256, SHA256_AT, "hex");
}

function unpack(row: Buffer): PartRef {
  return { name: packedName(row), size: packedSize(row), sha256: row.toString("hex", SHA256_AT, PART_BYTES) };
}

/** Of a packed part. */
export const packedName = (row: Buffer): PartName => unpackName(row.subarray(0, NAME_BYTES));
/** Of a packed part, as stored. */
export const packedSize = (row: Buffer): number => row.readUIntLE(NAME_BYTES, SIZE_BYTES);
