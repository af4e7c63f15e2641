import { describe, expect, test } from "vitest";
import type { PartRange } from "../../repository/part-list-lines.ts";
import { isSampled, Pick, shouldAsk } from "./reuse-policy.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const READ_AT = new Date("2024-12-11T14:30:22.000Z");

const PART = {
  name: `${"0".repeat(64)}-${"0".repeat(16)}`,
  size: 1,
  sha256: "0".repeat(64),
  digest: "0".repeat(32),
};

interface Facts {
  readonly generation?: number;
  readonly hash?: string | null;
  readonly rows?: number;
  readonly bytes?: number;
}

/** A range that generation 10 read. */
function rangeOf({ generation = 10, hash = "7", rows = 100, bytes = 100_000 }: Facts = {}): PartRange {
  return {
    from: 0,
    to: null,
    rows,
    parts: [{ ...PART, name: PART.name as PartRange["parts"][number]["name"], rows, bytes }],
    identity: { hash, generation, readAt: READ_AT.toISOString() },
  };
}

const after = (generation: number, days = 1): { generation: number; now: Date } => ({
  generation,
  now: new Date(READ_AT.getTime() + days * DAY_MS),
});

describe("a range is read without asking", () => {
  test("after it was reused thirty times, groups spread over ten runs", () => {
    for (const group of [0, 3, 9, 10, 13]) {
      const most = 30 - (group % 10);
      expect(shouldAsk(rangeOf(), group, after(10 + most))).toBe(true);
      expect(shouldAsk(rangeOf(), group, after(11 + most))).toBe(false);
    }
  });

  test("after thirty days, groups spread over ten", () => {
    for (const group of [0, 4, 9]) {
      const most = 30 - (group % 10);
      expect(shouldAsk(rangeOf(), group, after(12, most - 0.01))).toBe(true);
      expect(shouldAsk(rangeOf(), group, after(12, most))).toBe(false);
    }
  });

  test("when it was read in what is the future by now, but for the difference of two clocks", () => {
    expect(shouldAsk(rangeOf(), 0, after(12, -0.5))).toBe(true);
    expect(shouldAsk(rangeOf(), 0, after(12, -1.01))).toBe(false);
    expect(shouldAsk(rangeOf(), 0, after(12, -3650))).toBe(false);
  });

  test("when nothing is known of its tuples", () => {
    expect(shouldAsk({ ...rangeOf(), identity: null }, 0, after(12))).toBe(false);
  });

  test("when its rows are short and it had changed in the last run, which had asked", () => {
    const hot = rangeOf({ rows: 100, bytes: 11_900 });
    expect(shouldAsk(hot, 0, after(11))).toBe(false);
    expect(shouldAsk(hot, 0, after(12))).toBe(true);
    expect(shouldAsk(rangeOf({ rows: 100, bytes: 12_000 }), 0, after(11))).toBe(true);
    expect(shouldAsk(rangeOf({ rows: 100, bytes: 11_900, hash: null }), 0, after(11))).toBe(true);
    expect(shouldAsk(rangeOf({ rows: 0, bytes: 0 }), 0, after(11))).toBe(true);
  });
});

test("one reused range in a hundred is sampled, those not read for long more often", () => {
  const share = (reuses: number): number => {
    const tries = 40_000;
    let sampled = 0;
    for (let i = 0; i < tries; i++) if (isSampled(rangeOf(), { ...after(10 + reuses) })) sampled += 1;
    return sampled / tries;
  };
  // Five standard deviations to either side.
  expect(share(0)).toBeGreaterThan(0.003);
  expect(share(0)).toBeLessThan(0.007);
  expect(share(30)).toBeGreaterThan(0.021);
  expect(share(30)).toBeLessThan(0.029);
});

test("of all that are offered one is kept, each as likely", () => {
  const kept = [0, 0, 0, 0];
  for (let i = 0; i < 8000; i++) {
    const pick = new Pick<number>();
    for (const item of [0, 1, 2, 3]) pick.add(item);
    kept[pick.kept ?? -1] = (kept[pick.kept ?? -1] ?? 0) + 1;
  }
  for (const count of kept) expect(Math.abs(count - 2000)).toBeLessThan(200);
  expect(new Pick<number>().kept).toBeUndefined();
});
