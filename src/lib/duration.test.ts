import fc from "fast-check";
import { expect, test } from "vitest";
import { parseDuration } from "./duration.ts";

test.each([
  ["90s", 90_000],
  ["30m", 1_800_000],
  ["30min", 1_800_000],
  ["24h", 86_400_000],
  ["7d", 604_800_000],
  ["2w", 1_209_600_000],
  ["1h 30m", 5_400_000],
  [" 1h30m15s ", 5_415_000],
  ["1.5 h", 5_400_000],
  ["1.1h", 3_960_000],
  ["0s", 0],
])("%j", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  "",
  " ",
  "5",
  "h",
  "-5m",
  "5 months",
  "10ms",
  "1y",
  "1h,30m",
  "1h and",
  "1.h",
  "1e3s",
  `${"9".repeat(400)}d`,
  "9999999999999999w",
])("%j is no duration", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test("a sum of units is the sum of their milliseconds, whole", () => {
  const part = fc.tuple(fc.nat(1000), fc.constantFrom("s", "m", "min", "h", "d", "w"));
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), fc.constantFrom("", " "), (parts, space) => {
      const texts = parts.map(([n, unit]) => `${n}${unit}`);
      const sum = texts.reduce((total, text) => total + (parseDuration(text) ?? Number.NaN), 0);
      expect(parseDuration(texts.join(space))).toBe(sum);
    }),
  );
  fc.assert(
    fc.property(fc.float({ min: 0, max: 1000, noNaN: true }), (n) => {
      expect(Number.isInteger(parseDuration(`${n.toFixed(5)}h`))).toBe(true);
    }),
  );
});
