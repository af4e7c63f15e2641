import fc from "fast-check";
import { expect, test } from "vitest";
import { columnsOf } from "../../lib/columns.ts";
import { renderTable } from "./table.ts";

const COLUMNS = [{ title: "ID" }, { title: "ROWS", right: true }, { title: "FILE" }];

test("columns that do not fit go on in indented lines, aligned, and an empty one takes none", () => {
  const rows = [
    ["one", "1,000", "a-long-name.sql.gz"],
    ["two", "20", ""],
  ];
  expect(renderTable(COLUMNS, rows)).toBe("ID    ROWS  FILE\none  1,000  a-long-name.sql.gz\ntwo     20");
  expect(renderTable(COLUMNS, rows, 22)).toBe(
    "ID    ROWS\n    FILE\none  1,000\n    a-long-name.sql.gz\ntwo     20",
  );
});

test("no line is wider than the terminal but for a cell that is so itself, and no cell is lost", () => {
  const cell = fc.stringMatching(/^[a-z]{1,12}$/);
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell, cell)), fc.integer({ min: 16, max: 60 }), (rows, width) => {
      const text = renderTable(COLUMNS, rows, width);
      for (const line of text.split("\n")) expect(columnsOf(line)).toBeLessThanOrEqual(width);
      expect(text.split(/\s+/).filter(Boolean)).toEqual([
        ...COLUMNS.map(({ title }) => title),
        ...rows.flat(),
      ]);
    }),
  );
});
