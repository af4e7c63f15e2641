import { expect, test } from "vitest";
import { pageOfBackups } from "./page-of-backups.ts";

const IDS = ["20261105T000000Z-0001", "20261104T000000Z-0002", "20261103T000000Z-0003"];
const data = { database: "data", backups: IDS.map((id) => ({ id })) };

function pageOf(last?: number, before?: string): [string[], string | null] {
  const { listed, next } = pageOfBackups(data, { last, before });
  return [listed.backups.map(({ id }) => id), next];
}

test("pages follow each other, and the last says that nothing comes", () => {
  expect(pageOf()).toEqual([IDS, null]);
  expect(pageOf(3)).toEqual([IDS, null]);
  expect(pageOf(2)).toEqual([IDS.slice(0, 2), IDS[1]]);
  expect(pageOf(2, IDS[1])).toEqual([IDS.slice(2), null]);
  expect(pageOf(2, IDS[2])).toEqual([[], null]);
});

test("a page goes on where it was, though the backup that it ended with was deleted", () => {
  expect(pageOf(1, "20261104T120000Z-ffff")).toEqual([[IDS[1]], IDS[1]]);
});
