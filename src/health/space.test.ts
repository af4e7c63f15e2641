import { expect, test } from "vitest";
import { factsOf, indexOf } from "../../test/support/health-facts.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { testRuntime } from "../../test/support/runtime.ts";
import type { Keep } from "../config/keep.ts";
import { checkLocks } from "./checks/locks.ts";
import { checkSpace } from "./checks/space.ts";
import { bytesToCome } from "./space.ts";

const MB = 1_000_000;
const runtime = testRuntime({ clock: manualClock(new Date("2024-12-11T14:30:00Z")) });

/** Nightly archives, the newest of today, newest first. */
const nightly = (count: number, size = 100 * MB) =>
  Array.from({ length: count }, (_, n) => {
    const at = new Date(Date.parse("2024-12-11T02:00:00Z") - n * 86_400_000);
    const index = indexOf({
      id: `${at.toISOString().replaceAll(/[-:]|\.\d+/g, "")}-0001`,
      schedule: "nightly",
    });
    if (index.kind !== "archive") throw new Error("no archive");
    return { ...index, archive: { ...index.archive, size } };
  });

const comingWith = (keep: Keep | undefined, count: number): number[] =>
  bytesToCome(
    runtime,
    { rules: { entries: { nightly: keep }, otherwise: undefined, garbageAgeMs: 0 } },
    "UTC",
    nightly(count),
  );

test("without retention each day brings what a day brought; with it only until it deletes as much", () => {
  const for14 = comingWith(undefined, 20);
  expect(for14).toHaveLength(14);
  expect(for14[0]).toBe(100 * MB);
  expect(for14[13]).toBe(1400 * MB);
  const week = { last: 7 } as Keep;
  expect(comingWith(week, 4).map((bytes) => bytes / MB)).toEqual(
    Array.from({ length: 14 }, (_, n) => Math.min(3, n + 1) * 100),
  );
  expect(new Set(comingWith(week, 7))).toEqual(new Set([0]));
});

test("two backups have no rhythm", () => {
  expect(new Set(comingWith(undefined, 2))).toEqual(new Set([0]));
});

const place = (freeBytes: number | null, toCome: readonly number[]) => ({
  name: "local",
  place: "/backups",
  freeBytes,
  toCome,
  lock: null,
});

test("a place is full when all its databases together have filled it", () => {
  const slow = Array.from({ length: 14 }, (_, n) => (n + 1) * 10 * MB);
  expect(checkSpace([place(150 * MB, slow)])).toEqual([]);
  expect(checkSpace([place(150 * MB, slow), place(149 * MB, slow)])).toMatchObject([
    {
      id: "repository-full",
      database: null,
      subject: "local",
      severity: "warning",
      message: "/backups will be full in 7 days: 143 MiB are free",
      evidence: { days: 7, freeBytes: 150 * MB, neededBytes: 160 * MB },
    },
  ]);
  expect(checkSpace([place(null, [])])).toEqual([]);
  expect(checkSpace([place(5 * MB, slow)])[0]?.message).toContain("less than a day");
});

test("a place where nothing fits any more is critical, whatever is to come", () => {
  const full = { id: "repository-full", subject: "local", severity: "critical" };
  expect(checkSpace([place(0, [])])).toMatchObject([
    { ...full, message: expect.stringContaining("/backups is full: 0 B are free") },
  ]);
  expect(checkSpace([place(4096, [1])])).toMatchObject([full]);
  expect(checkSpace([place(2 * MB, [0])])).toEqual([]);
});

test("a lock of which less than half a window is left is told, and one that has gone", () => {
  const day = 86_400_000;
  const left = (leftMs: number | null) =>
    checkLocks(
      factsOf({ places: [{ ...place(null, []), lock: { backup: "b", windowMs: 14 * day, leftMs } }] }),
    );
  expect(left(20 * day)).toEqual([]);
  expect(left(3 * day)[0]?.message).toBe(
    "the newest backup in local is locked for another 3 d only, and should be for 14 d at least",
  );
  expect(left(null)).toMatchObject([
    { id: "lock-ending", message: expect.stringContaining("is not locked") },
  ]);
});
