import fc from "fast-check";
import { expect, test } from "vitest";
import { copyRows } from "./copy-text.ts";

// What PostgreSQL writes for a value (`CopyAttributeOutText` in copyto.c).
const ESCAPED: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};
const written = (field: string | null): string =>
  field === null
    ? "\\N"
    : field
        .split("")
        .map((char) => ESCAPED[char] ?? char)
        .join("");

async function read(text: string, cuts: readonly number[]): Promise<(readonly (string | null)[])[]> {
  const bytes = Buffer.from(text, "latin1");
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  async function* pieces(): AsyncGenerator<Buffer> {
    for (const [index, from] of places.slice(0, -1).entries()) {
      yield await Promise.resolve(bytes.subarray(from, places[index + 1]));
    }
  }
  const rows: (readonly (string | null)[])[] = [];
  for await (const row of copyRows(pieces())) rows.push(row);
  return rows;
}

test("every row comes back, wherever the text is cut", async () => {
  const byte = fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code));
  const char = fc.oneof(fc.constantFrom("\\", "\n", "\t", "N", ".", "\r", "a"), byte);
  const field = fc.option(
    fc.array(char, { maxLength: 12 }).map((chars) => chars.join("")),
    { nil: null },
  );
  const row = fc.array(field, { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 6 }),
      async (rows, cuts) => {
        const text = rows.map((one) => `${one.map(written).join("\t")}\n`).join("");
        expect(await read(text, cuts)).toEqual(rows);
      },
    ),
  );
});
