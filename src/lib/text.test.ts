import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { counted, formatBytes, formatCount, formatDuration, nearest } from "./text.ts";

describe("formatBytes", () => {
  test.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [102_348, "99.9 KiB"],
    [102_396, "100 KiB"],
    [1_047_551, "1023 KiB"],
    [1_048_575, "1.0 MiB"],
    [1_048_576, "1.0 MiB"],
    [5 * 1024 ** 4, "5.0 TiB"],
    [2048 * 1024 ** 5, "2048 PiB"],
  ])("%d", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });

  test("never needs more than four digits and is never far off", () => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (bytes) => {
        const [number = "", unit = ""] = formatBytes(bytes).split(" ");
        expect(Number(number)).toBeLessThan(1024);
        const back = Number(number) * 1024 ** units.indexOf(unit);
        expect(Math.abs(back - bytes)).toBeLessThanOrEqual(bytes * 0.05);
      }),
    );
  });
});

test.each([
  [0, "0 ms"],
  [999.4, "999 ms"],
  [999.6, "1.0 s"],
  [12_340, "12.3 s"],
  [59_949, "59.9 s"],
  [59_999, "1 min"],
  [250_000, "4 min 10 s"],
  [3_599_600, "1 h"],
  [12_000_000, "3 h 20 min"],
  [86_399_000, "23 h 59 min"],
  [86_400_000, "1 d"],
  [439_200_000, "5 d 2 h"],
])("formatDuration %d", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("counts have separators, and one has a singular", () => {
  expect(formatCount(1_234_567)).toBe("1,234,567");
  expect(counted(0, "index", "indexes")).toBe("0 indexes");
  expect(counted(1, "table")).toBe("1 table");
  expect(counted(1000, "table")).toBe("1,000 tables");
});

describe("nearest", () => {
  const commands = ["backup", "list", "restore", "schedule", "show", "status", "prune"];
  test.each([
    ["bakcup", "backup"],
    ["RESTORE", "restore"],
    ["sched", "schedule"],
    ["stats", "status"],
    ["prnue", "prune"],
    ["encyclopedia", undefined],
  ])("%s", (word, meant) => {
    expect(nearest(word, commands)).toBe(meant);
  });

  test("is among the candidates, and the word itself when it is one of them", () => {
    expect(nearest("x", [])).toBeUndefined();
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { minLength: 1 }), fc.nat(), (words, n) => {
        const word = words[n % words.length] ?? "";
        const found = nearest(word, words) ?? "";
        expect(words).toContain(found);
        expect(found.toLowerCase().startsWith(word.toLowerCase())).toBe(true);
      }),
    );
  });
});
