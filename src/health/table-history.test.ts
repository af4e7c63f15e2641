import { expect, test } from "vitest";
import { indexOf } from "../../test/support/health-facts.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import { chooseCompared } from "./table-history.ts";

const HOUR = 3_600_000;
const at = (ms: number): string => new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, "");

/** Newest first. */
function every(hours: number, count: number, parts: { schedule?: string; schemas?: string[] } = {}) {
  const now = Date.parse("2024-12-11T02:00:00Z");
  return Array.from({ length: count }, (_, n) =>
    indexOf({ id: `${at(now - n * hours * HOUR)}-0001`, ...parts }),
  );
}
const newestFirst = (backups: readonly BackupIndex[]) =>
  backups.toSorted((a, b) => Date.parse(b.snapshotAt) - Date.parse(a.snapshotAt));

test("of nightly ones the last 14, of hourly ones 14 over two weeks, of monthly ones what there is", () => {
  const nightly = every(24, 40);
  expect(chooseCompared(nightly)).toEqual(nightly.slice(0, 15));
  const hourly = every(1, 1000);
  const chosen = chooseCompared(hourly);
  expect(chosen).toHaveLength(15);
  expect(new Set(chosen.map(({ id }) => id)).size).toBe(15);
  expect(chosen[0]).toBe(hourly[0]);
  expect(chosen[1]).toBe(hourly[1]);
  expect(chosen.at(-1)).toBe(hourly[14 * 24]);
  expect(chosen).toEqual(newestFirst(chosen));
  expect(chooseCompared(every(700, 6))).toHaveLength(6);
  expect(chooseCompared([])).toEqual([]);
});

test("only those of the same entry and schemas", () => {
  const weekly = every(24 * 7, 3, { schedule: "weekly" });
  const others = every(25, 9, { schedule: "weekly", schemas: ["reference"] });
  const byHand = every(26, 9);
  const [newest, ...older] = weekly;
  if (newest === undefined) throw new Error("no backup");
  expect(chooseCompared([newest, ...newestFirst([...older, ...others, ...byHand])])).toEqual(weekly);
});
