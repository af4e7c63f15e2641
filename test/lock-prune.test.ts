import fc from "fast-check";
import { expect, test } from "vitest";
import { type LockingStorage, lockingStorage } from "./support/locking-storage.ts";
import { noAbort } from "./support/runtime.ts";
import { DAY_MS, type SnapshotShelf, snapshotShelf } from "./support/snapshot-shelf.ts";

const signal = noAbort();
const WINDOW = 14 * DAY_MS;

async function lockedShelf(): Promise<{ shelf: SnapshotShelf; storage: LockingStorage }> {
  let storage: LockingStorage | undefined;
  const shelf = await snapshotShelf("2024-12-01T00:00:00Z", (memory, now) => {
    storage = lockingStorage(memory, now, WINDOW);
    return storage;
  });
  if (storage === undefined) throw new Error("the shelf made no storage");
  return { shelf, storage };
}

/** Everything that lies there for good, and is needed. */
async function lasting({ storage }: { readonly storage: LockingStorage }): Promise<string[]> {
  const keys = await storage.keys("", "all", signal);
  return keys.filter((key) => key === "repository.json" || /^shop\/(?:backups|parts|tables)\//.test(key));
}

test("a locked backup stays whole, which is told and is no failure; it goes when its lock is over", async () => {
  const { shelf, storage } = await lockedShelf();
  const old = await shelf.take({ orders: ["1\n", "2\n"] });
  shelf.pass(DAY_MS);
  await shelf.take({ orders: ["1\n", "3\n"] });
  const pruned = await shelf.prune({ last: 1 });
  expect(pruned.decisions.find(({ backup }) => backup.id === old)).toMatchObject({
    keep: true,
    locked: new Date("2024-12-29T00:00:00Z"),
    reasons: ["not one of the last 1", "locked until 2024-12-29T00:00:00.000Z"],
  });
  expect(await shelf.expectWhole()).toHaveLength(2);

  shelf.pass(28 * DAY_MS);
  const { decisions, garbage } = await shelf.prune({ last: 1 });
  expect(decisions.filter(({ keep }) => !keep)).toHaveLength(1);
  expect(garbage.noted.objects).toBe(2);
  expect(await shelf.expectWhole()).toHaveLength(1);
  shelf.pass(DAY_MS);
  expect((await shelf.prune({ last: 1 })).garbage).toMatchObject({
    deleted: { objects: 2 },
    locked: { objects: 0 },
  });
  await shelf.expectTidy();
  expect(storage.violations).toEqual([]);
});

test("garbage that is still locked is left, told with its end, and goes later without being noted again", async () => {
  const { shelf, storage } = await lockedShelf();
  await shelf.take({ orders: ["1\n", "2\n"] });
  shelf.pass(28 * DAY_MS);
  await shelf.take({ orders: ["1\n", "3\n"] });
  const parts = await storage.keys("shop/parts/", "all", signal);
  // As when one backup that shared them was pruned after they were locked again.
  for (const key of parts) await storage.locks.extend(key, signal);
  await shelf.prune({ last: 1 });
  shelf.pass(DAY_MS);
  const end = new Date("2025-01-26T00:00:00Z");
  const held = await shelf.prune({ last: 1 });
  expect(held.garbage).toMatchObject({ deleted: { objects: 1 }, locked: { objects: 1, until: end } });
  shelf.pass(27 * DAY_MS);
  expect((await shelf.prune({ last: 1 })).garbage).toMatchObject({
    noted: { objects: 0 },
    deleted: { objects: 1 },
    locked: { objects: 0 },
  });
  await shelf.expectTidy();
  expect(storage.violations).toEqual([]);
});

test("each object that is needed is locked anew once in a window, and runs in between ask for next to nothing", async () => {
  const { shelf, storage } = await lockedShelf();
  const tables = { orders: ["1\n", "2\n", "3\n"], customers: ["a\n"] };
  for (let day = 0; day < 60; day++) {
    await shelf.take(tables);
    const [extensions, looks] = [storage.extensions, storage.looks];
    await shelf.prune({ last: 3 });
    // Of three backups: their part lists and manifests; parts are shared.
    if (storage.extensions > extensions)
      expect(storage.extensions - extensions).toBeLessThanOrEqual((await lasting({ storage })).length);
    else expect(storage.looks - looks).toBeLessThanOrEqual(100);
    shelf.pass(DAY_MS);
  }
  const rounds = 1 + Math.floor(59 / 14);
  // Four parts, the manifests of three backups, the part lists of all that are there, and what the repository is.
  const needed = 4 + 3 * 3 + 2 * 32 + 1;
  expect(storage.extensions).toBeLessThanOrEqual(rounds * needed);
  expect(storage.extensions).toBeGreaterThan(rounds * 4);
});

test("whatever is taken, pruned and waited for: what is needed stays locked for a window after every run", async () => {
  const step = fc.record({
    hours: fc.integer({ min: 1, max: 24 * 13 }),
    last: fc.integer({ min: 1, max: 4 }),
    texts: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
      const { shelf, storage } = await lockedShelf();
      let now = Date.parse("2024-12-01T00:00:00Z");
      for (const { hours, last, texts } of steps) {
        shelf.pass(hours * 3_600_000);
        now += hours * 3_600_000;
        await shelf.take({ orders: texts.map((text) => `${text}\n`) });
        const { decisions } = await shelf.prune({ last });
        await shelf.expectWhole();
        const needed = decisions.filter(({ keep, locked }) => keep && locked === undefined);
        const ids = needed.map(({ backup }) => backup.id);
        for (const key of await lasting({ storage })) {
          if (!ids.some((id) => key.startsWith(`shop/backups/${id}/`))) continue;
          expect(storage.until.get(key)).toBeGreaterThanOrEqual(now + WINDOW);
        }
        const wanted = new Set(ids.flatMap((id) => Object.values(shelf.taken.get(id) ?? {}).flat()));
        const parts = await storage.keys("shop/parts/", "all", signal);
        const safe = parts.filter((key) => (storage.until.get(key) ?? 0) >= now + WINDOW);
        expect(safe.length).toBeGreaterThanOrEqual(wanted.size);
      }
      expect(storage.violations).toEqual([]);
    }),
    { numRuns: 12, endOnFailure: true },
  );
});

test("a record that somebody else wrote does not keep locks from being extended", async () => {
  const { shelf, storage } = await lockedShelf();
  await shelf.take({ orders: ["1\n"] });
  await shelf.prune({ last: 1 });
  shelf.pass(20 * DAY_MS);
  const forged = { format: 1, at: new Date("2024-12-21T00:00:00Z").toISOString(), windowMs: WINDOW };
  await storage.put("shop/records/locks/extended.json", Buffer.from(`${JSON.stringify(forged)}\n`), signal);
  const before = storage.extensions;
  await shelf.prune({ last: 1 });
  expect(storage.extensions).toBeGreaterThan(before);
});
