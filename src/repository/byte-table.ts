import { AppError } from "../errors.ts";

const PAGE_ROWS = 4096;
// Open addressing stays fast while a third of the slots is free.
const FULLEST = 2 / 3;

/**
 * A map from keys of one length to values of one length, both bytes, in as little memory as that takes: a million parts
 * must fit beside everything else, and as strings in a `Map` they would take several times as much. Keys are spread by
 * their first four bytes, which must be as good as random; a hit is always confirmed by all bytes of the key.
 */
export class ByteTable {
  readonly #keyBytes: number;
  readonly #rowBytes: number;
  /** Rows in the order they were added, in pages so that growing copies nothing. */
  readonly #pages: Buffer[] = [];
  /** Row number plus one in each slot; 0 is free. */
  #slots = new Uint32Array(1024);
  #size = 0;

  constructor(keyBytes: number, valueBytes: number) {
    this.#keyBytes = keyBytes;
    this.#rowBytes = keyBytes + valueBytes;
  }

  get size(): number {
    return this.#size;
  }

  /** The value, a view that later changes show through; undefined when the key is not there. */
  find(key: Buffer): Buffer | undefined {
    const row = this.#slots[this.#slotOf(key)] ?? 0;
    return row === 0 ? undefined : this.#row(row - 1).subarray(this.#keyBytes);
  }

  /** Adds the key unless it is there. Returns its value to be filled or changed. */
  add(key: Buffer): { readonly added: boolean; readonly value: Buffer } {
    const slot = this.#slotOf(key);
    const found = this.#slots[slot] ?? 0;
    if (found !== 0) return { added: false, value: this.#row(found - 1).subarray(this.#keyBytes) };
    if (this.#size % PAGE_ROWS === 0) this.#pages.push(Buffer.alloc(PAGE_ROWS * this.#rowBytes));
    const row = this.#row(this.#size);
    key.copy(row);
    this.#size += 1;
    this.#slots[slot] = this.#size;
    if (this.#size > this.#slots.length * FULLEST) this.#grow();
    return { added: true, value: row.subarray(this.#keyBytes) };
  }

  /** In the order they were added. The buffers are views. */
  *entries(): Generator<{ readonly key: Buffer; readonly value: Buffer }> {
    for (let number = 0; number < this.#size; number++) {
      const row = this.#row(number);
      yield { key: row.subarray(0, this.#keyBytes), value: row.subarray(this.#keyBytes) };
    }
  }

  #row(number: number): Buffer {
    const page = this.#pages[Math.floor(number / PAGE_ROWS)];
    if (page === undefined)
      throw new AppError("unexpected", `read row ${number} of a table of ${this.#size}`);
    const start = (number % PAGE_ROWS) * this.#rowBytes;
    return page.subarray(start, start + this.#rowBytes);
  }

  /** The slot that holds the key, or the free one where it belongs. */
  #slotOf(key: Buffer): number {
    if (key.length !== this.#keyBytes) {
      throw new AppError(
        "unexpected",
        `look up a key of ${key.length} bytes among keys of ${this.#keyBytes}`,
      );
    }
    for (let slot = key.readUInt32LE(0) % this.#slots.length; ; slot = (slot + 1) % this.#slots.length) {
      const row = this.#slots[slot] ?? 0;
      if (row === 0 || this.#row(row - 1).compare(key, 0, this.#keyBytes, 0, this.#keyBytes) === 0)
        return slot;
    }
  }

  #grow(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    let row = 0;
    for (const { key } of this.entries()) {
      row += 1;
      this.#slots[this.#slotOf(key)] = row;
    }
  }
}
