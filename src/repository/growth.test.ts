import fc from "fast-check";
import { expect, test } from "vitest";
import { type Addition, daysUntilFull, growthOf, sumGrowth } from "./growth.ts";

const DAY = 86_400_000;
const daily = (bytes: readonly number[]): Addition[] =>
  bytes.map((each, at) => ({ at: at * DAY, bytes: each }));

test("the first backup stores everything, and says nothing about the growth", () => {
  expect(growthOf(daily([10_000, 100, 100, 100, 100]))).toEqual({ bytesPerDay: 100, days: 4 });
});

test("one backup that stores everything anew counts for little", () => {
  const growth = growthOf(daily([...Array<number>(20).fill(100), 9_000_000, ...Array<number>(20).fill(100)]));
  expect(growth?.bytesPerDay).toBeLessThan(500_000);
  expect(growthOf(daily([...Array<number>(20).fill(100), 9_000_000]))?.bytesPerDay).toBe(100);
});

test("too little history is no growth, not a growth of nothing", () => {
  expect(growthOf([])).toBeNull();
  expect(growthOf(daily([10, 10]))).toBeNull();
  expect(growthOf([0, 1, 2, 3].map((hour) => ({ at: hour * 3_600_000, bytes: 5 })))).toBeNull();
  expect(sumGrowth([null, null])).toBeNull();
});

test("of any steady row, in any order and however long, it is the rate", () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 3000 }), fc.integer({ min: 0, max: 1e9 }), (count, bytes) => {
      const row = daily(Array<number>(count).fill(bytes)).toReversed();
      expect(growthOf(row)).toEqual({ bytesPerDay: bytes, days: count - 1 });
    }),
    { numRuns: 20 },
  );
});

test("a disk that is full is so now, also where nobody knows how fast it grew", () => {
  const growth = { bytesPerDay: 10_000_000, days: 3 };
  expect(daysUntilFull(0, null)).toBe(0);
  expect(daysUntilFull(1000, { ...growth, bytesPerDay: 0 })).toBe(0);
  expect(daysUntilFull(25_000_000, growth)).toBe(2);
  expect(daysUntilFull(25_000_000, null)).toBeNull();
  expect(daysUntilFull(null, growth)).toBeNull();
});
