import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jumpOf, type Limits, usualOf } from "./out-of-history.ts";

const ROWS: Limits = { least: 100, fallen: 0.2, grown: 3 };
const length = fc.integer({ min: 5, max: 14 });
const base = fc.integer({ min: 0, max: 10_000_000 });
/** Somewhere within so many percent of a value. */
const near = (value: number, percent: number) =>
  fc.double({ min: -percent, max: percent, noNaN: true }).map((by) => Math.round(value * (1 + by / 100)));

describe("no alarm", () => {
  test("on what grows or shrinks steadily, however steeply", () => {
    const steady = fc.tuple(base, fc.integer({ min: -1_000_000, max: 1_000_000 }), length);
    fc.assert(
      fc.property(steady, ([first, slope, count]) => {
        // Newest first.
        const values = Array.from({ length: count }, (_, n) => Math.max(0, first - n * slope));
        // A table cannot have shrunk below nothing.
        fc.pre(slope >= 0 ? first >= slope * count : true);
        expect(jumpOf(values, ROWS)).toBeUndefined();
      }),
    );
  });

  test("on growth from nothing", () => {
    fc.assert(
      fc.property(length, fc.integer({ min: 0, max: 1e6 }), (count, slope) => {
        expect(
          jumpOf(
            Array.from({ length: count }, (_, n) => (count - 1 - n) * slope),
            ROWS,
          ),
        ).toBeUndefined();
      }),
    );
  });

  test("on what scatters a little around one size, or around steady growth", () => {
    const scattered = fc
      .tuple(base, length, fc.integer({ min: 0, max: 100_000 }))
      .chain(([first, count, slope]) =>
        fc.tuple(...Array.from({ length: count }, (_, n) => near(first + (count - n) * slope, 9))),
      );
    fc.assert(
      fc.property(scattered, (values) => {
        expect(jumpOf(values, ROWS)).toBeUndefined();
      }),
    );
  });

  test("on the coming and going of small tables", () => {
    const small = fc.array(fc.integer({ min: 0, max: 99 }), { minLength: 1, maxLength: 15 });
    fc.assert(
      fc.property(small, (values) => {
        expect(jumpOf(values, ROWS)).toBeUndefined();
      }),
    );
  });

  test("on quiet Sundays, and tables that are emptied and filled again", () => {
    const week = [10_000, 10_100, 9_900, 10_050, 9_950, 10_020, 500];
    const days = Array.from({ length: 21 }, (_, n) => week[n % 7] ?? 0);
    for (let today = 0; today < 7; today++)
      expect(jumpOf(days.slice(today, today + 15), ROWS)).toBeUndefined();
    const staged = Array.from({ length: 15 }, (_, n) => (n % 3 === 0 ? 0 : 5000));
    for (let today = 0; today < 3; today++) expect(jumpOf(staged.slice(today), ROWS)).toBeUndefined();
  });

  test("where there is too little to compare with", () => {
    expect(jumpOf([], ROWS)).toBeUndefined();
    expect(jumpOf([0, 1000, 1000, 1000, 1000], ROWS)).toBeUndefined();
  });
});

describe("an alarm", () => {
  test("on a table that was emptied, whatever its course before, until half of what is compared is from after it", () => {
    const history = fc
      .tuple(fc.integer({ min: 200, max: 1e7 }), fc.integer({ min: 0, max: 1e5 }))
      .chain(([first, slope]) =>
        fc.tuple(
          fc.integer({ min: 1, max: 7 }),
          fc.tuple(...Array.from({ length: 14 }, (_, n) => near(first + (14 - n) * slope, 3))),
        ),
      );
    fc.assert(
      fc.property(history, ([lasting, before]) => {
        const values = [...Array.from({ length: lasting }, () => 0), ...before].slice(0, 15);
        const jump = jumpOf(values, ROWS);
        expect(jump).toMatchObject({ value: 0, lasting });
        expect(jump?.before).toBe(15 - lasting);
      }),
    );
  });

  test("on a part that is gone, and on rows that came in many times", () => {
    const usual = Array.from({ length: 14 }, () => 10_000);
    expect(jumpOf([3900, ...usual], ROWS)).toEqual({ value: 3900, median: 10_000, before: 14, lasting: 1 });
    expect(jumpOf([3950, 3900, ...usual], ROWS)).toEqual({
      value: 3950,
      median: 10_000,
      before: 14,
      lasting: 2,
    });
    expect(jumpOf([30_000, ...usual], ROWS)).toMatchObject({ value: 30_000, lasting: 1 });
    expect(jumpOf([8100, ...usual], ROWS)).toBeUndefined();
  });
});

test("of what is usual nothing is said, up to its ends", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 1_000_000 }), { minLength: 5, maxLength: 14 }),
      (values) => {
        const usual = usualOf(values, ROWS);
        if (usual === undefined) throw new Error("there are enough");
        const { low, high, median } = usual;
        expect(low).toBeLessThanOrEqual(median);
        expect(high).toBeGreaterThanOrEqual(median);
        for (const inside of [low, median, high]) expect(jumpOf([inside, ...values], ROWS)).toBeUndefined();
      },
    ),
    { numRuns: 50 },
  );
});

test("what lies just beyond has jumped", () => {
  const values = [1000, 1010, 990, 1005, 995];
  const { low = 0, high = 0 } = usualOf(values, ROWS) ?? {};
  expect([low, high].map(Math.round)).toEqual([800, 3030]);
  expect(jumpOf([low - 1, ...values], ROWS)).toBeDefined();
  expect(jumpOf([high + 1, ...values], ROWS)).toBeDefined();
});

test("of too few nobody can tell what is usual", () => {
  expect(usualOf([1, 2, 3, 4], ROWS)).toBeUndefined();
});
