import { expect, test } from "vitest";
import { factsOf } from "../../../test/support/health-facts.ts";
import { AppError } from "../../errors.ts";
import { checkProvider } from "./provider.ts";

const HOUR = 3_600_000;
const GIGABYTE = 1e9;

/** Backups of these sizes, one a day, the newest so many hours old. */
function found(sizes: readonly number[], hours = 5): string[] {
  const { now } = factsOf();
  const provider = sizes.map((gigabytes, days) => ({
    createdAt: new Date(now.getTime() - hours * HOUR - days * 24 * HOUR),
    bytes: gigabytes * GIGABYTE,
  }));
  return checkProvider(factsOf({ provider })).map(({ id }) => id);
}

test("backups that are missing, stale or shrunk are found, and others are not", () => {
  expect(checkProvider(factsOf())).toEqual([]);
  expect(found([2.1, 2, 2, 2, 1.9, 1.9, 1.9])).toEqual([]);
  expect(found([2, 2, 2, 2, 2, 2, 2], 30)).toEqual([]);
  expect(found([])).toEqual(["provider-backup-missing"]);
  expect(found([2, 2, 2], 40)).toEqual(["provider-backup-stale"]);
  expect(found([0.5, 2, 2, 2, 2, 2, 2])).toEqual(["provider-backup-shrunk"]);
});

test("a service that does not answer is a finding of its own", () => {
  const provider = new AppError("provider_unreachable", "no answer in 20 s");
  expect(checkProvider(factsOf({ provider }))).toMatchObject([
    { id: "provider-unreachable", evidence: { error: "provider_unreachable" } },
  ]);
});
