import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { CHECKS, severityOf } from "../src/health/finding.ts";

const PAGE = await readFile(new URL("../docs/health.md", import.meta.url), "utf8");

/** The cells of every line of a table that begins with this column. */
function table(first: string): string[][] {
  const lines = PAGE.split("\n");
  const start = lines.findIndex((line) => line.startsWith(`| ${first} |`)) + 2;
  const end = lines.findIndex((line, at) => at >= start && !line.startsWith("|"));
  return lines.slice(start, end < 0 ? undefined : end).map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

test("the page describes every check, with its weight, and no other", () => {
  const described = table("id").map(([id = "", weight = ""]) => [id.replaceAll("`", ""), weight]);
  expect(Object.fromEntries(described)).toEqual(CHECKS);
  expect(described).toHaveLength(Object.keys(CHECKS).length);
  expect(table("id").filter((cells) => cells.length !== 5 || cells[3] === "" || cells[4] === "")).toEqual([]);
});

test("the page tells what each weight means", () => {
  const rows = table("weight").map(([weight = "", ...severities]) => [
    weight.split(":")[0] ?? "",
    severities,
  ]);
  expect(Object.fromEntries(rows)).toEqual(
    Object.fromEntries(
      (["promise", "risk", "defect", "remark"] as const).map((weight) => [
        weight,
        (["critical", "medium", "low"] as const).map((criticality) => severityOf(weight, criticality)),
      ]),
    ),
  );
});
