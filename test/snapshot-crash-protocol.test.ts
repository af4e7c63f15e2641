import { describe, expect, test } from "vitest";
import { deleteBackup, listBackups, recoverUnfinished } from "../src/repository/backups.ts";
import { collectGarbage } from "../src/repository/collect.ts";
import { acquireLease, type Lease } from "../src/repository/lease.ts";
import { isSnapshot } from "../src/repository/listing.ts";
import { openOrCreateRepository, type Repository } from "../src/repository/repository.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import type { Storage } from "../src/storage/storage.ts";
import { buryHolders } from "./support/bury-holders.ts";
import { dyingAt, faulty } from "./support/faulty-storage.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { readSnapshot, takeSampleSnapshot } from "./support/sample-snapshot.ts";

const signal = noAbort();
const DAY = 24 * 60 * 60 * 1000;
const KEPT = "20241209T020000Z-00aa";
const OLD = "20241210T020000Z-00bb";
const NEW = "20241211T020000Z-00cc";
/** The same again by a later run: an id is never used twice. */
const AGAIN = "20241211T020001Z-00dd";
const TABLES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  [KEPT]: { orders: ["1\n", "2\n"], items: ["i\n"] },
  [OLD]: { orders: ["1\n", "3\n"], items: ["i\n"] },
  [NEW]: { orders: ["1\n", "4\n"], items: ["i\n", "j\n"], empty: [] },
  [AGAIN]: { orders: ["1\n", "4\n"], items: ["i\n", "j\n"], empty: [] },
};

/** A storage whose clock a test moves. */
interface Disk {
  readonly storage: Storage;
  readonly pass: (ms: number) => void;
}

function disk(): Disk {
  let now = Date.parse("2024-12-12T00:00:00Z");
  return {
    storage: memoryStorage(() => new Date(now)),
    pass: (ms) => {
      now += ms;
    },
  };
}

type Work = (repository: Repository, lease: Lease) => Promise<void>;

/** What every writer does first, and then the work. */
async function asWriter(storage: Storage, work: Work): Promise<void> {
  const runtime = testRuntime();
  const repository = await openOrCreateRepository(runtime, storage, signal);
  await using lease = await acquireLease(runtime, repository, "shop", "test", signal);
  await recoverUnfinished(runtime, repository, "shop", lease, signal);
  await work(repository, lease);
}

const take =
  (id: string): Work =>
  async (repository, lease) => {
    await takeSampleSnapshot(repository, lease, { id, tables: TABLES[id] ?? {} }, signal);
  };

const deleteOld: Work = async (repository, lease) => {
  const { backups } = await listBackups(repository, "shop", signal);
  for (const index of backups) {
    if (index.id === OLD) await deleteBackup(repository, index, lease, signal);
  }
};

const collect: Work = async (repository, lease) => {
  const report = await collectGarbage(testRuntime(), repository, "shop", lease, {}, signal);
  expect(report.refused).toEqual([]);
};

/** Every backup that is listed must be there to its last byte. Returns the ids, newest first. */
async function expectWhole(storage: Storage): Promise<string[]> {
  const repository = await openOrCreateRepository(testRuntime(), storage, signal);
  const { backups, damaged } = await listBackups(repository, "shop", signal);
  expect(damaged).toEqual([]);
  for (const index of backups.filter(isSnapshot)) {
    expect(await readSnapshot(repository, index, signal)).toEqual(
      Object.values(TABLES[index.id] ?? {}).flat(),
    );
  }
  return backups.map(({ id }) => id);
}

/** When everything is mended and collected, nothing but whole backups and what one void index takes is left. */
async function expectTidy({ storage, pass }: Disk): Promise<void> {
  const repository = await openOrCreateRepository(testRuntime(), storage, signal);
  for (let run = 0; run < 3; run++) {
    pass(31 * DAY);
    await asWriter(storage, collect);
  }
  const { backups } = await listBackups(repository, "shop", signal);
  const parts = new Set(backups.flatMap(({ id }) => Object.values(TABLES[id] ?? {}).flat()));
  const lists = backups.flatMap(({ id }) => Object.keys(TABLES[id] ?? {}));
  const keys = (await Array.fromAsync(storage.list("shop/", "all", signal))).map(({ key }) => key);
  const under = (folder: string): string[] => keys.filter((key) => key.startsWith(`shop/${folder}/`));
  expect(under("parts")).toHaveLength(parts.size);
  expect(under("tables")).toHaveLength(lists.length);
  expect(under("backups")).toHaveLength(backups.length * 3);
  expect(under("records").filter((key) => key.endsWith(".note"))).toEqual([]);
}

interface Case {
  readonly name: string;
  readonly prepare: (disk: Disk) => Promise<void>;
  readonly work: Work;
  /** What the next run does when this one did not get to its end. */
  readonly again: Work;
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly afterAgain?: readonly string[];
}

const two = async ({ storage }: Disk): Promise<void> => {
  for (const id of [KEPT, OLD]) await asWriter(storage, take(id));
};

const CASES: readonly Case[] = [
  {
    name: "a snapshot",
    prepare: two,
    work: take(NEW),
    again: take(AGAIN),
    before: [OLD, KEPT],
    after: [NEW, OLD, KEPT],
    afterAgain: [AGAIN, OLD, KEPT],
  },
  {
    name: "a deletion",
    prepare: two,
    work: deleteOld,
    again: deleteOld,
    before: [OLD, KEPT],
    after: [KEPT],
  },
  {
    name: "the first phase of a collection",
    prepare: async (made) => {
      await two(made);
      await asWriter(made.storage, deleteOld);
    },
    work: collect,
    again: collect,
    before: [KEPT],
    after: [KEPT],
  },
  {
    name: "the second phase of a collection",
    prepare: async (made) => {
      await two(made);
      await asWriter(made.storage, deleteOld);
      await asWriter(made.storage, collect);
      made.pass(2 * DAY);
    },
    work: collect,
    again: collect,
    before: [KEPT],
    after: [KEPT],
  },
];

describe.each(CASES)(
  "$name that dies at any moment",
  ({ prepare, work, again, before, after, afterAgain = after }) => {
    test("leaves only whole backups; another run completes it, and nothing stays behind", async () => {
      const seen = new Set<string>();
      let moments = 0;
      for (let died = true; died; ) {
        moments += 1;
        const made = disk();
        await prepare(made);
        const death = dyingAt(moments);
        try {
          await asWriter(faulty(made.storage, death), work);
        } catch (error) {
          if (!death.died()) throw error;
        }
        died = death.died();
        await buryHolders(made.storage, signal);
        const listed = await expectWhole(made.storage);
        expect([before, after]).toContainEqual(listed);
        seen.add(listed.join());
        const done = listed.join() === after.join();
        if (!done) await asWriter(made.storage, again);
        expect(await expectWhole(made.storage)).toEqual(done ? after : afterAgain);
        await expectTidy(made);
        expect(await expectWhole(made.storage)).toEqual(done ? after : afterAgain);
      }
      expect(moments).toBeGreaterThan(9);
      expect(seen.size).toBe(before.join() === after.join() ? 1 : 2);
    });
  },
);

test("a writer that sleeps for days one step before its index, and dies one step after it, publishes nothing", async () => {
  const made = disk();
  await two(made);
  const awake = Promise.withResolvers<void>();
  const asleep = Promise.withResolvers<void>();
  const index = `shop/backups/${NEW}/index`;
  let woken = false;
  const dying = faulty(made.storage, { at: () => (woken ? new Error("killed") : undefined) });
  const late = asWriter(
    {
      ...dying,
      putIfAbsent: async (key, data, putSignal) => {
        if (key !== index) return await dying.putIfAbsent(key, data, putSignal);
        asleep.resolve();
        await awake.promise;
        woken = true;
        return await made.storage.putIfAbsent(key, data, putSignal);
      },
    },
    take(NEW),
  );
  await asleep.promise;
  await buryHolders(made.storage, signal);
  // Others find its parts unnamed, and delete them.
  for (let run = 0; run < 3; run++) {
    await asWriter(made.storage, collect);
    made.pass(2 * DAY);
  }
  const parts = (await Array.fromAsync(made.storage.list("shop/parts/", "all", signal))).length;
  expect(parts).toBe(4);
  awake.resolve();
  await expect(late).rejects.toThrow();
  expect(await expectWhole(made.storage)).toEqual([OLD, KEPT]);
});

test("a collector that wakes late does not delete what was written of the same text since", async () => {
  const made = disk();
  await two(made);
  await asWriter(made.storage, deleteOld);
  await asWriter(made.storage, collect);
  made.pass(2 * DAY);
  const awake = Promise.withResolvers<void>();
  const asleep = Promise.withResolvers<void>();
  const late = asWriter(
    {
      ...made.storage,
      delete: async (key, deleteSignal) => {
        if (key.startsWith("shop/parts/")) {
          asleep.resolve();
          await awake.promise;
        }
        await made.storage.delete(key, deleteSignal);
      },
    },
    collect,
  );
  await asleep.promise;
  await buryHolders(made.storage, signal);
  await asWriter(made.storage, collect);
  // The rows of the deleted backup are back, so its texts are.
  await asWriter(made.storage, async (repository, lease) => {
    const tables = TABLES[OLD] ?? {};
    await takeSampleSnapshot(repository, lease, { id: OLD, tables }, signal);
  });
  awake.resolve();
  await expect(late).rejects.toMatchObject({ code: "lease_lost" });
  expect(await expectWhole(made.storage)).toEqual([OLD, KEPT]);
});
