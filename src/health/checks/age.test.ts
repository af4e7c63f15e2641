import { expect, test } from "vitest";
import { factsOf, indexOf } from "../../../test/support/health-facts.ts";
import type { ProviderRestoreFile } from "../../repository/provider-restore-file.ts";
import type { Facts } from "../facts.ts";
import { liveFigures } from "../live-figures.ts";
import { checkAge } from "./age.ts";

const HOUR = 3_600_000;
const { now } = factsOf();
const ago = (hours: number): Date => new Date(now.getTime() - hours * HOUR);

/** One backup of our own of two days ago, or none, and the service's of so many hours ago. */
function facts(providerHours: readonly number[], more: Partial<Facts> = {}): Facts {
  const own = indexOf({ id: "20241209T143000Z-0001", database: "data", snapshotAt: ago(48).toISOString() });
  const provider = providerHours.map((hours) => ({ createdAt: ago(hours), bytes: 1e9 }));
  return factsOf({ backups: [own], complete: [own], provider, ...more });
}

const ids = (some: Facts): string[] => checkAge(some).map(({ id }) => id);

test("the service's newest backup counts for the RPO, and that only it does is told", () => {
  expect(ids(facts([]))).toEqual(["backup-overdue"]);
  expect(ids(facts([30]))).toEqual(["backup-overdue"]);
  expect(ids(facts([5]))).toEqual(["own-backup-overdue"]);
  expect(ids(facts([5], { backups: [], complete: [] }))).toEqual(["own-backup-overdue"]);
  expect(ids(facts([5], { rpoMs: 72 * HOUR }))).toEqual([]);
  expect(ids(facts([60]))).toEqual(["backup-overdue"]);
  expect(liveFigures(facts([5, 29]))).toMatchObject({
    newestPoint: { kind: "provider", id: "provider:2024-12-11T09:30:00Z" },
    dataAtRiskMs: 5 * HOUR,
    provenPoint: null,
  });
  expect(liveFigures(facts([60])).newestPoint?.kind).toBe("backup");
});

test("one of the service's is proven only if that very one was restored and looked at", () => {
  const restored = (hours: number, more: Partial<ProviderRestoreFile> = {}): ProviderRestoreFile => ({
    format: 1,
    database: "data",
    startedAt: ago(1).toISOString(),
    finishedAt: ago(1).toISOString(),
    by: { host: "db1", user: "ada", program: "handled" },
    source: { id: "a", name: "shop" },
    cluster: { id: "b", name: "shop-again" },
    at: ago(hours).toISOString(),
    exact: true,
    backup: ago(hours).toISOString(),
    tables: 1,
    filled: 1,
    unread: 0,
    bytes: 1,
    ...more,
  });
  const provenAt = (...providerRestores: ProviderRestoreFile[]): number | null =>
    liveFigures(facts([5, 29], { providerRestores })).provenAtRiskMs;
  expect(provenAt(restored(29))).toBe(29 * HOUR);
  expect(provenAt(restored(29), restored(5))).toBe(5 * HOUR);
  expect(provenAt(restored(6), restored(5, { exact: false }), restored(5, { unread: 1 }))).toBeNull();
});
