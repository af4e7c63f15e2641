import { expect, test } from "vitest";
import { columnsOf } from "./columns.ts";

test.each([
  ["", 0],
  ["plain", 5],
  ["Größe → 5 µs ✓", 14],
  ["\u001b[32m✓ healthy\u001b[39m", 9],
  ["注文", 4],
  ["주문", 4],
  ["e\u0301", 1],
  ["🐘 elephant", 11],
  ["zero\u200bwidth", 9],
])("%j takes %i columns", (text, columns) => {
  expect(columnsOf(text)).toBe(columns);
});
