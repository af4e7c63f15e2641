import { RowDigest } from "../../src/engines/snapshot/row-digest.ts";

/** Hashes of many rows, cut into 32-bit quarters, the lowest first. */
export interface RowHashes {
  readonly quarters: readonly Uint32Array[];
}

/** Hashes rows one by one: the digest of a single row is its hash. `rowOf` gives the row without its line end. */
export function hashRows(count: number, rowOf: (index: number) => string): RowHashes {
  const digest = new RowDigest();
  const line = Buffer.alloc(1024);
  const quarters = Array.from({ length: 4 }, () => new Uint32Array(count));
  for (let index = 0; index < count; index += 1) {
    const length = line.write(`${rowOf(index)}\n`, "latin1");
    digest.update(line.subarray(0, length));
    const hash = digest.finish().digest;
    quarters.forEach((values, quarter) => {
      values[index] = Number.parseInt(hash.slice(24 - 8 * quarter, 32 - 8 * quarter), 16);
    });
  }
  return { quarters };
}

/** How many values of a 64-bit window of the hashes (the lower half, the middle, the upper half) were there before. */
export function collisionsByHalf({ quarters }: RowHashes): { low: number; middle: number; high: number } {
  const window = (from: number): number => {
    const [low = new Uint32Array(), high = new Uint32Array()] = quarters.slice(from, from + 2);
    const pairs = new Uint32Array(low.length * 2);
    for (let index = 0; index < low.length; index += 1) {
      pairs[2 * index] = low[index] ?? 0;
      pairs[2 * index + 1] = high[index] ?? 0;
    }
    return repeated(new BigUint64Array(pairs.buffer));
  };
  return { low: window(0), middle: window(1), high: window(2) };
}

/** How many elements equal an earlier one. Sorts in place. */
export function repeated(values: BigUint64Array | Uint32Array): number {
  const sorted = values.sort();
  let count = 0;
  for (let index = 1; index < sorted.length; index += 1) {
    if (sorted[index] === sorted[index - 1]) count += 1;
  }
  return count;
}
