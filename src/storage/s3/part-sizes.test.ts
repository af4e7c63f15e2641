import fc from "fast-check";
import { expect, test } from "vitest";
import { evenPartSize, uploadPartSize } from "./part-sizes.ts";

const MIB = 1024 ** 2;
const TIB = 1024 ** 4;

function partsFor(length: number, expected: number | undefined): number[] {
  const sizes: number[] = [];
  for (let left = length; left > 0; left -= sizes.at(-1) ?? left)
    sizes.push(uploadPartSize(sizes.length + 1, expected));
  return sizes;
}

test("what was expected is cut into parts of one size, and never into more than every server takes", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 * TIB }), (length) => {
      const sizes = partsFor(length, length);
      expect(sizes.length).toBeLessThanOrEqual(10_000);
      expect(new Set(sizes).size).toBe(1);
      expect(sizes[0]).toBeGreaterThanOrEqual(5 * MIB);
      expect(sizes[0]).toBeLessThanOrEqual(5 * 1024 * MIB);
    }),
    { numRuns: 30 },
  );
});

test("an estimate that was ten times too small still fits", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: TIB / 4 }), (expected) => {
      expect(partsFor(10 * expected, expected).length).toBeLessThanOrEqual(10_000);
    }),
    { numRuns: 30 },
  );
});

test("without an estimate parts grow: 4 TiB fit, and the first 8 GB are even", () => {
  expect(partsFor(4 * TIB, undefined).length).toBeLessThanOrEqual(10_000);
  expect(new Set(partsFor(8e9, undefined))).toEqual(new Set([8 * MIB]));
});

test("parts of a copy are even and few", () => {
  expect(evenPartSize(1, 128 * MIB)).toBe(128 * MIB);
  expect(Math.ceil((5 * TIB) / evenPartSize(5 * TIB, 128 * MIB))).toBeLessThanOrEqual(10_000);
});
