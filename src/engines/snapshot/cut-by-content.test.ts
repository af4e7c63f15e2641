import fc from "fast-check";
import { expect, test } from "vitest";
import { cutByContent } from "./cut-by-content.ts";

const LEAST = 4096;
const MOST = 16_384;

/** Cuts a whole text as the part builder does. */
function cutAll(text: Buffer): string[] {
  const pieces: string[] = [];
  for (let from = 0; from < text.length; ) {
    const window = text.subarray(from, from + MOST);
    const cut = window.length < MOST ? window.length : cutByContent(window, LEAST);
    expect(cut).toBeGreaterThan(0);
    pieces.push(window.toString("latin1", 0, cut));
    from += cut;
  }
  return pieces;
}

const rowsOf = (count: number, width: number): string[] =>
  Array.from({ length: count }, (_, id) => `${id}\t${"x".repeat((id * 7919) % width)}\tsame for all\n`);

const textOf = (rows: readonly string[]): Buffer => Buffer.from(rows.join(""), "latin1");

test("pieces are the text, end between rows, and are as long as they should be", () => {
  const row = fc
    .string({ unit: "grapheme-ascii", maxLength: 300 })
    .map((text) => `${text.replaceAll("\n", " ")}\n`);
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 600 }), (rows) => {
      const text = textOf(rows);
      const pieces = cutAll(text);
      expect(pieces.join("")).toBe(text.toString("latin1"));
      for (const piece of pieces) expect(piece.endsWith("\n")).toBe(true);
      for (const piece of pieces.slice(0, -1)) expect(piece.length).toBeGreaterThanOrEqual(LEAST);
    }),
  );
});

test.each([20, 200, 2000])(
  "rows that go, come or change in one place change few pieces (rows of up to %i bytes)",
  (width) => {
    const rows = rowsOf(400_000 / width, width);
    const before = new Set(cutAll(textOf(rows)));
    const middle = Math.floor(rows.length / 2);
    const changes = {
      gone: rows.toSpliced(middle, 3),
      come: rows.toSpliced(middle, 0, "new\trow\n"),
      changed: rows.with(middle, "another\n"),
      "the first is gone": rows.slice(1),
    };
    for (const [change, after] of Object.entries(changes)) {
      const fresh = cutAll(textOf(after)).filter((piece) => !before.has(piece));
      expect(fresh.length, change).toBeLessThanOrEqual(4);
    }
  },
);

test("rows that are all the same are cut all the same", () => {
  const pieces = cutAll(Buffer.from("0\n".repeat(100_000)));
  expect(pieces.length).toBeGreaterThan(10);
});

test("a text without the end of a row is not cut", () => {
  expect(cutByContent(Buffer.alloc(MOST, "x"), LEAST)).toBe(0);
  const early = Buffer.concat([Buffer.from("short\n"), Buffer.alloc(MOST, "x")]);
  expect(cutByContent(early, LEAST)).toBe(6);
});
