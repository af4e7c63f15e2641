import fc from "fast-check";
import { expect, test } from "vitest";
import { suffixedName } from "./names.ts";

const SUFFIX = "_before_20241211_143022";

test.each([
  ["data", `data${SUFFIX}`],
  ["x".repeat(40), `${"x".repeat(40)}${SUFFIX}`],
  ["x".repeat(41), `${"x".repeat(40)}${SUFFIX}`],
  ["é".repeat(31), `${"é".repeat(20)}${SUFFIX}`],
  [`${"x".repeat(39)}é`, `${"x".repeat(39)}${SUFFIX}`],
  ["😀".repeat(15), `${"😀".repeat(10)}${SUFFIX}`],
])("%s", (base, name) => {
  expect(suffixedName(base, SUFFIX)).toBe(name);
});

test("any name fits into 63 bytes, is well-formed, keeps its suffix and as much of its beginning as fits", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 80 }), (base) => {
      const name = suffixedName(base, SUFFIX);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
      expect(name.isWellFormed()).toBe(true);
      expect(name.endsWith(SUFFIX)).toBe(true);
      const kept = name.slice(0, -SUFFIX.length);
      expect(base.startsWith(kept)).toBe(true);
      const [next = ""] = base.slice(kept.length);
      if (kept !== base) expect(Buffer.byteLength(kept + next + SUFFIX)).toBeGreaterThan(63 - 4);
    }),
    { numRuns: 500 },
  );
});
