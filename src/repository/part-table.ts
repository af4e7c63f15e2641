import { ByteTable } from "./byte-table.ts";
import { HASH_BYTES, NAME_BYTES, packName, unpackName } from "./part-names.ts";
import type { PartRef } from "./stored-parts.ts";

// The random half of the name, the stored size, the hash of the stored bytes.
const SIZE_BYTES = 6;
const TAG_BYTES = NAME_BYTES - HASH_BYTES;
const VALUE_BYTES = TAG_BYTES + SIZE_BYTES + HASH_BYTES;

/** Parts by the hash of their text, in little memory; the first one of a text stays. */
export class PartTable {
  readonly #table = new ByteTable(HASH_BYTES, VALUE_BYTES);
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

  add({ name, size, sha256 }: PartRef): void {
    if (this.isFull) return;
    const packed = packName(name);
    const { added, value } = this.#table.add(packed.subarray(0, HASH_BYTES));
    // The newest backup's own stays: the others may go first.
    if (!added) return;
    packed.copy(value, 0, HASH_BYTES);
    value.writeUIntLE(size, TAG_BYTES, SIZE_BYTES);
    value.write(sha256, TAG_BYTES + SIZE_BYTES, "hex");
  }

  /** Whether it is the part of this packed name, and no other of the same text. */
  has(packed: Buffer): boolean {
    const value = this.#table.find(packed.subarray(0, HASH_BYTES));
    return value?.subarray(0, TAG_BYTES).equals(packed.subarray(HASH_BYTES)) === true;
  }

  find(textHash: string): PartRef | undefined {
    const key = Buffer.from(textHash, "hex");
    const value = this.#table.find(key);
    if (value === undefined) return undefined;
    return {
      name: unpackName(Buffer.concat([key, value.subarray(0, TAG_BYTES)])),
      size: value.readUIntLE(TAG_BYTES, SIZE_BYTES),
      sha256: value.toString("hex", TAG_BYTES + SIZE_BYTES),
    };
  }
}
