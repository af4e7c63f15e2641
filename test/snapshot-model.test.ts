import fc from "fast-check";
import { expect, test } from "vitest";
import { isAppError } from "../src/errors.ts";
import { pruneUnderLease } from "../src/operations/prune.ts";
import { deleteBackup, listBackups, recoverUnfinished } from "../src/repository/backups.ts";
import { collectGarbage } from "../src/repository/collect.ts";
import { acquireLease, type Lease } from "../src/repository/lease.ts";
import { isSnapshot } from "../src/repository/listing.ts";
import { openOrCreateRepository, type Repository } from "../src/repository/repository.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import type { Storage } from "../src/storage/storage.ts";
import { buryHolders } from "./support/bury-holders.ts";
import { faulty } from "./support/faulty-storage.ts";
import { sleepy } from "./support/sleepy-storage.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { readSnapshot, takeSampleSnapshot } from "./support/sample-snapshot.ts";

const signal = noAbort();
const HOUR = 60 * 60 * 1000;
// Every moment of a run is reached: the longest has fewer.
const MOMENTS = 200;

type Kind = "backup" | "prune" | "collect" | "retain";

/** One run of a writer, and what happens to it on the way. */
interface Run {
  readonly kind: Kind;
  /** Which texts a backup finds in its table, or which backup a prune deletes. */
  readonly choice: number;
  /** The moment it falls asleep; it wakes `naps` runs later, when others took over. */
  readonly sleepsAt: number | null;
  readonly naps: number;
  /** The moment it dies. */
  readonly diesAt: number | null;
  /** Hours before the next run. */
  readonly hours: number;
}

const runs = fc.array(
  fc.record<Run>({
    kind: fc.constantFrom("backup", "backup", "backup", "prune", "collect", "collect", "retain"),
    choice: fc.nat(63),
    sleepsAt: fc.option(fc.integer({ min: 1, max: MOMENTS }), { freq: 2 }),
    naps: fc.integer({ min: 1, max: 6 }),
    diesAt: fc.option(fc.integer({ min: 1, max: MOMENTS }), { freq: 2 }),
    hours: fc.constantFrom(0, 1, 25, 25, 60),
  }),
  { minLength: 4, maxLength: 14 },
);

/** Few texts, so that each comes, goes, and comes back. */
function tablesOf(choice: number): Record<string, string[]> {
  const texts = ["a\n", "b\n", "c\n", "d\n", "e\n", "f\n"].filter((_, bit) => (choice & (1 << bit)) !== 0);
  return { orders: texts.slice(0, 3), items: texts.slice(3) };
}

async function work(repository: Repository, lease: Lease, run: Run, id: string): Promise<void> {
  switch (run.kind) {
    case "backup":
      await takeSampleSnapshot(repository, lease, { id, tables: tablesOf(run.choice) }, signal);
      return;
    case "prune": {
      const { backups } = await listBackups(repository, "shop", signal);
      const index = backups[run.choice % Math.max(1, backups.length)];
      if (index !== undefined) await deleteBackup(repository, index, lease, signal);
      return;
    }
    case "collect":
      await collectGarbage(testRuntime(), repository, "shop", lease, {}, signal);
      return;
    case "retain": {
      const rules = { entries: {}, otherwise: { last: 1 + (run.choice % 3) }, garbageAgeMs: 24 * HOUR };
      const scope = { repository, database: "shop", rules, timeZone: "UTC", prefix: "handled" };
      await pruneUnderLease(testRuntime(), scope, lease, signal);
    }
  }
}

/** Runs a writer to its end, its death, or the loss of its lease. */
async function runWriter(storage: Storage, run: Run, id: string): Promise<void> {
  let dead = false;
  const mortal = faulty(storage, {
    at: ({ number }) => {
      dead ||= run.diesAt !== null && number >= run.diesAt;
      return dead ? new Error("killed") : undefined;
    },
  });
  try {
    const runtime = testRuntime();
    const repository = await openOrCreateRepository(runtime, mortal, signal);
    await using lease = await acquireLease(runtime, repository, "shop", run.kind, signal);
    await recoverUnfinished(runtime, repository, "shop", lease, signal);
    await work(repository, lease, run, id);
  } catch (error) {
    // Who wakes up after others took over may fail in any way, as long as nothing is lost by it.
    if (dead || (run.sleepsAt !== null && isAppError(error))) return;
    throw error;
  }
}

/** Every backup that is listed must be there to its last byte, with the texts it was taken of. */
async function expectWhole(storage: Storage, taken: ReadonlyMap<string, number>): Promise<number> {
  const repository = await openOrCreateRepository(testRuntime(), storage, signal);
  const { backups, damaged } = await listBackups(repository, "shop", signal);
  expect(damaged).toEqual([]);
  for (const index of backups.filter(isSnapshot)) {
    const { orders = [], items = [] } = tablesOf(taken.get(index.id) ?? 0);
    expect(await readSnapshot(repository, index, signal)).toEqual([...orders, ...items]);
  }
  return backups.length;
}

test("no sequence of backups, prunes and collections, with crashes and late awakenings, loses a part that an index names", async () => {
  const met = { backups: 0, slept: 0, deleted: 0 };
  await fc.assert(
    fc.asyncProperty(runs, async (sequence) => {
      let now = Date.parse("2024-12-12T00:00:00Z");
      const storage = memoryStorage(() => new Date(now));
      const taken = new Map<string, number>();
      const asleep: { wakesAfter: number; wake: () => void; ended: Promise<void> }[] = [];
      const wakeThose = async (number: number): Promise<void> => {
        for (const sleeper of asleep.filter(({ wakesAfter }) => wakesAfter <= number)) {
          asleep.splice(asleep.indexOf(sleeper), 1);
          sleeper.wake();
          await sleeper.ended;
          await buryHolders(storage, signal);
          met.backups += await expectWhole(storage, taken);
        }
      };
      for (const [number, run] of sequence.entries()) {
        const id = `20241212T${String(number).padStart(6, "0")}Z-00aa`;
        taken.set(id, run.choice);
        const before = (await Array.fromAsync(storage.list("shop/parts/", "all", signal))).length;
        const nap = sleepy(storage, run.sleepsAt);
        const ended = runWriter(nap.storage, run, id);
        const outcome = await Promise.race([ended.then(() => "ended"), nap.fellAsleep.then(() => "asleep")]);
        if (outcome === "asleep") {
          met.slept += 1;
          asleep.push({ wakesAfter: number + run.naps, wake: nap.wake, ended });
        }
        await buryHolders(storage, signal);
        met.backups += await expectWhole(storage, taken);
        if ((await Array.fromAsync(storage.list("shop/parts/", "all", signal))).length < before) {
          met.deleted += 1;
        }
        now += run.hours * HOUR;
        await wakeThose(number);
      }
      await wakeThose(Number.POSITIVE_INFINITY);
    }),
    { numRuns: 150 },
  );
  // A run without these would prove nothing.
  expect(met.backups).toBeGreaterThan(1000);
  expect(met.slept).toBeGreaterThan(100);
  expect(met.deleted).toBeGreaterThan(20);
});
