import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isAppError } from "../errors.ts";
import { change, FULL_STRATEGY, parse, problemsOf } from "../../test/support/strategy.ts";

describe("what is no strategy at all", () => {
  test.each([
    ["", 1, /^the file is empty/],
    ["\n# only a comment\n", 1, /^the file is empty/],
    ["- a\n- b\n", 1, /^the file is a list/],
    ["hello\n", 1, /^the file is a single text/],
    ["a: 1\n\tb: 2\n", 2, /^a tab is used as indentation/],
    ["a:\n  b: 1\n c: 2\n", 3, /^the indentation does not fit/],
    ["a: [1, 2\n", 2, /is not closed$/],
    ["a: 'b\n", 2, /is not closed or separated/],
    ["a: b: c\n", 1, /^a key stands where none can be/],
    ["a: @daily\n", 1, /^a text may not begin with this character/],
    ["a: * 3 * * *\n", 1, /^`\*` begins an alias/],
    ["a: !secret x\n", 1, /^`!` begins a tag/],
    ['a: "\\q"\n', 1, /^unknown escape/],
    ["a: 1\n---\na: 2\n", 2, /^a second document begins here/],
    ["a: { b: ${X} }\n", 1, /^text with `\$\{…\}` needs quotes/],
  ])("%j", (text, line, message) => {
    expect(problemsOf(text)[0]).toMatchObject({ line, message: expect.stringMatching(message) });
  });

  test("thousands of brackets are refused, not a crash", () => {
    expect(problemsOf("[".repeat(100_000))).toMatchObject([
      { line: 1, message: "this is nested too deeply" },
    ]);
  });

  test("a key that is there twice is named with both lines", () => {
    expect(change("timezone: Europe/Berlin\n", "version: 1\n")).toEqual([
      "2:1 the key `version` is in the strategy already, in line 1",
    ]);
    expect(change("  primary:\n", "  primary: { url: x }\n  'primary':\n")).toEqual([
      "9:3 the key `primary` is in databases already, in line 8",
    ]);
  });

  test("names that objects treat in their own way are refused, not lost", () => {
    expect(change("  primary:\n", "  __proto__: { url: x }\n  primary:\n")).toEqual([
      "8:3 `__proto__` cannot be used as a name",
    ]);
    const names = parse(FULL_STRATEGY.replace("  primary:", "  constructor:")).databases.map(
      ({ name }) => name,
    );
    expect(names).toEqual(["constructor"]);
  });

  test.each([
    "a: &a [*a]",
    [
      "a: &a [x,x,x,x,x,x,x,x,x,x]",
      ..."bcdefgh".split("").map((key, index) => {
        const before = "abcdefg"[index];
        return `${key}: &${key} [${Array.from({ length: 10 }, () => `*${before}`).join(",")}]`;
      }),
    ].join("\n"),
    "a: *nowhere",
  ])("aliases cannot blow it up (%#)", (text) => {
    expect(problemsOf(text).length).toBeGreaterThan(0);
  });

  test("whatever the text, the answer is a strategy or strategy_invalid", () => {
    const edits = fc.array(
      fc.record({
        at: fc.nat(FULL_STRATEGY.length),
        cut: fc.nat(12),
        put: fc.oneof(
          fc.constantFrom(":", "-", " ", "\n", "\t", "*", "&a", "${", "}", "[", "null", "'", "#"),
          fc.string(),
        ),
      }),
      { minLength: 1, maxLength: 4 },
    );
    fc.assert(
      fc.property(edits, (list) => {
        const text = list.reduce(
          (old, { at, cut, put }) => old.slice(0, at) + put + old.slice(at + cut),
          FULL_STRATEGY,
        );
        try {
          expect(parse(text).databases.length).toBeGreaterThan(0);
        } catch (error) {
          if (!isAppError(error, "strategy_invalid")) throw error;
          expect(error.message).not.toContain("undefined");
        }
      }),
      { numRuns: 300 },
    );
  });
});
