import fc from "fast-check";
import { expect, test } from "vitest";
import { lineDiff } from "./line-diff.ts";

test("what changed stands between the lines around it", () => {
  const before = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].join("\n");
  const after = ["a", "b", "C", "d", "e", "f", "g", "h", "i", "j"].join("\n");
  expect(lineDiff(before, after)).toEqual([" a", " b", "-c", "+C", " d", " e", "@@", " h", " i", "+j"]);
  expect(lineDiff(before, before)).toEqual([]);
  expect(lineDiff("", "a\n")).toEqual(["+a"]);
});

test("what is taken away and what is put in make one text of the other", () => {
  const text = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 12 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const diff = lineDiff(before.join("\n"), after.join("\n"));
      const lines = (sign: string): string[] => diff.filter((line) => line.startsWith(sign));
      const count = (all: readonly string[], one: string): number =>
        all.filter((line) => line === one).length;
      for (const one of ["a", "b", "c", "d"]) {
        const grown = count(lines("+"), `+${one}`) - count(lines("-"), `-${one}`);
        expect(grown).toBe(count(after, one) - count(before, one));
      }
      expect(diff.length === 0).toBe(before.join("\n") === after.join("\n"));
    }),
  );
});
