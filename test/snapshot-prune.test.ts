import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pruneUnderLease } from "../src/operations/prune.ts";
import { acquireLease } from "../src/repository/lease.ts";
import { markReading } from "../src/repository/readers.ts";
import { BackupId } from "../src/repository/manifest.ts";
import { buryHolders } from "./support/bury-holders.ts";
import { dyingAt, faulty } from "./support/faulty-storage.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { takeSample } from "./support/sample-backup.ts";
import { DAY_MS, type SnapshotShelf, snapshotShelf } from "./support/snapshot-shelf.ts";

const signal = noAbort();
const HOUR = DAY_MS / 24;

/** A snapshot an hour: most of a table stays, its end changes, and now and then something changes in the middle. */
async function takeHourly(shelf: SnapshotShelf, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) {
    shelf.pass(HOUR);
    const orders = ["1\n", `middle ${Math.floor(n / 10)}\n`, "3\n", `end ${n}\n`];
    ids.push(await shelf.take({ orders, items: ["i\n", "j\n"], log: [`day ${Math.floor(n / 24)}\n`] }));
  }
  return ids;
}

async function keysOf({ storage }: SnapshotShelf): Promise<string[]> {
  return (await storage.keys("", "all", signal)).toSorted();
}

test("of many snapshots that share parts exactly the kept ones stay, whole; the rest is freed by two runs a day apart", async () => {
  const shelf = await snapshotShelf();
  const ids = await takeHourly(shelf, 72);
  const rule = { hourly: 12, daily: 4 };
  const foretold = await shelf.prune(rule, { dryRun: true });
  const before = await keysOf(shelf);
  const first = await shelf.prune(rule);
  expect({ ...first, decisions: [] }).toEqual({ ...foretold, decisions: [] });
  expect(first.decisions.map(({ keep }) => keep)).toEqual(foretold.decisions.map(({ keep }) => keep));
  const kept = await shelf.expectWhole();
  expect(kept).toEqual(first.decisions.filter(({ keep }) => keep).map(({ backup }) => backup.id));
  // The newest of the present day and of the one before are among the twelve.
  expect(kept).toHaveLength(12 + 2);
  expect(kept.slice(0, 12)).toEqual(ids.slice(-12).toReversed());
  // Nothing is freed yet.
  const parts = (keys: string[]): string[] => keys.filter((key) => key.startsWith("shop/parts/"));
  expect(parts(await keysOf(shelf))).toEqual(parts(before));
  expect(first.garbage).toMatchObject({ deleted: { objects: 0 }, waiting: { objects: 0 }, refused: [] });
  shelf.pass(DAY_MS - 1000);
  expect((await shelf.prune(rule)).garbage).toMatchObject({
    noted: { objects: 0 },
    waiting: first.garbage.noted,
    deleted: { objects: 0 },
  });
  shelf.pass(1000);
  const second = await shelf.prune(rule);
  expect(second.garbage).toMatchObject({ waiting: { objects: 0 }, deleted: first.garbage.noted });
  expect(await shelf.expectWhole()).toEqual(kept);
  await shelf.expectTidy();
});

test("a dry run changes nothing, and tells the bytes that the runs then free", async () => {
  const shelf = await snapshotShelf();
  await takeHourly(shelf, 12);
  const bytes = async (): Promise<number> => {
    const found = [
      ...(await Array.fromAsync(shelf.storage.list("shop/parts/", "all", signal))),
      ...(await Array.fromAsync(shelf.storage.list("shop/tables/", "all", signal))),
    ];
    return found.reduce((sum, { size }) => sum + size, 0);
  };
  const before = [await keysOf(shelf), await bytes()] as const;
  const { garbage } = await shelf.prune({ last: 2 }, { dryRun: true });
  expect([await keysOf(shelf), await bytes()]).toEqual(before);
  expect(garbage.noted.objects).toBeGreaterThan(10);
  await shelf.prune({ last: 2 });
  // What is due is told too.
  shelf.pass(DAY_MS);
  expect((await shelf.prune({ last: 2 }, { dryRun: true })).garbage.deleted).toEqual(garbage.noted);
  await shelf.prune({ last: 2 });
  expect(before[1] - (await bytes())).toBe(garbage.noted.bytes);
});

test("whatever is taken and pruned in whatever order, what is kept is whole, and in the end nothing else is there", async () => {
  const texts = fc.subarray(["a\n", "b\n", "c\n", "d\n", "e\n"]);
  const step = fc.record({
    tables: fc.record({ orders: texts, items: texts }),
    hours: fc.constantFrom(1, 5, 24, 60),
    prune: fc.option(fc.constantFrom({ last: 1 }, { last: 3 }, { daily: 2 }, { hourly: 2, days: 1 })),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
      const shelf = await snapshotShelf();
      for (const { tables, hours, prune } of steps) {
        await shelf.take(tables);
        shelf.pass(hours * HOUR);
        if (prune === null) continue;
        const { decisions } = await shelf.prune(prune);
        expect(await shelf.expectWhole()).toEqual(
          decisions.filter(({ keep }) => keep).map(({ backup }) => backup.id),
        );
      }
      for (let run = 0; run < 2; run++) {
        await shelf.prune({ last: 2 });
        shelf.pass(31 * DAY_MS);
      }
      await shelf.prune({ last: 2 });
      await shelf.expectTidy();
    }),
    { numRuns: 60 },
  );
});

test("the age of garbage can be chosen, and even without any two runs are needed", async () => {
  const shelf = await snapshotShelf();
  await takeHourly(shelf, 4);
  const rule = { last: 1 };
  const { garbage } = await shelf.prune(rule, { garbageAgeMs: 0 });
  expect(garbage.deleted.objects).toBe(0);
  expect((await shelf.prune(rule, { garbageAgeMs: 0 })).garbage.deleted).toEqual(garbage.noted);
  await shelf.expectTidy();
});

test("an archive and a snapshot do not take each other's place", async () => {
  const shelf = await snapshotShelf();
  await using lease = await acquireLease(shelf.runtime, shelf.repository, "shop", "backup", signal);
  await takeSample(shelf.repository, lease, { id: "20241130T120000Z-00aa" }, signal);
  await takeSample(shelf.repository, lease, { id: "20241129T120000Z-00bb" }, signal);
  await lease[Symbol.asyncDispose]();
  await takeHourly(shelf, 3);
  const { decisions, archiveBytes } = await shelf.prune({ last: 1 });
  expect(decisions.filter(({ keep }) => keep).map(({ backup }) => backup.kind)).toEqual([
    "snapshot",
    "archive",
  ]);
  expect(archiveBytes).toBe("archive of 20241129T120000Z-00bb".length);
});

describe("while somebody reads", () => {
  test("the backup that is read stays, and so does every part; once the reader is gone both go", async () => {
    const shelf = await snapshotShelf();
    const [oldest = "", other = ""] = await takeHourly(shelf, 4);
    await shelf.prune({ last: 3 });
    shelf.pass(2 * DAY_MS);
    const reading = { operation: "restore", backups: [BackupId.parse(other)] };
    const reader = await markReading(shelf.runtime, shelf.repository, "shop", reading, signal);
    const { decisions, garbage } = await shelf.prune({ last: 1 });
    expect(decisions.find(({ backup }) => backup.id === other)).toMatchObject({
      keep: true,
      reasons: ["being read right now"],
    });
    expect(await shelf.expectWhole()).not.toContain(oldest);
    expect(garbage).toMatchObject({ deleted: { objects: 0 }, refused: [/^restore of .* is reading$/] });
    await reader[Symbol.asyncDispose]();
    expect((await shelf.prune({ last: 1 })).garbage).toMatchObject({ refused: [] });
    expect(await shelf.expectWhole()).toHaveLength(1);
    shelf.pass(DAY_MS);
    await shelf.prune({ last: 1 });
    await shelf.expectTidy();
  });

  test("a reader that died holds nothing back", async () => {
    const shelf = await snapshotShelf();
    await takeHourly(shelf, 4);
    await shelf.prune({ last: 3 });
    shelf.pass(2 * DAY_MS);
    await using _dead = await markReading(
      shelf.runtime,
      shelf.repository,
      "shop",
      { operation: "restore", backups: [] },
      signal,
    );
    await buryHolders(shelf.storage, signal);
    const { decisions, garbage } = await shelf.prune({ last: 1 });
    expect(decisions.filter(({ keep }) => keep)).toHaveLength(1);
    expect(garbage.refused).toEqual([]);
    expect(garbage.deleted.objects).toBeGreaterThan(0);
  });
});

describe("after a backup", () => {
  const rules = { entries: {}, otherwise: { last: 2 }, garbageAgeMs: DAY_MS };

  /** Takes a snapshot and does what a run does at its end. Returns the folders that were looked through. */
  async function backUp(shelf: SnapshotShelf, text: string): Promise<string[]> {
    await shelf.take({ orders: ["1\n", text] });
    const listed: string[] = [];
    const storage = faulty(shelf.storage, {
      at: ({ phase, operation, key }) => {
        if (phase === "before" && operation === "list") listed.push(key);
        return undefined;
      },
    });
    const repository = { ...shelf.repository, storage };
    await using lease = await acquireLease(shelf.runtime, repository, "shop", "backup", signal);
    const scope = { repository, database: "shop", rules, timeZone: "UTC", prefix: "handled" };
    await pruneUnderLease(shelf.runtime, scope, lease, signal);
    return listed.filter((key) => key === "shop/parts/");
  }

  test("parts are looked through once a day, from the first deletion on, and garbage goes", async () => {
    const shelf = await snapshotShelf();
    const looked: number[] = [];
    for (let hour = 0; hour < 75; hour++) {
      if ((await backUp(shelf, `end ${hour}\n`)).length > 0) looked.push(hour);
      shelf.pass(HOUR);
    }
    // Two are kept, so the third run is the first to delete one.
    expect(looked).toEqual([2, 26, 50, 74]);
    // What was noted two looks ago is gone: at most two days' parts are there, of more than three.
    const parts = await shelf.storage.keys("shop/parts/", "all", signal);
    expect(parts.length).toBeLessThan(2 * 24 + 4);
    expect(await shelf.expectWhole()).toHaveLength(2);
  });

  test("what keeps garbage from being collected is a warning, not a failure", async () => {
    const shelf = await snapshotShelf();
    await takeHourly(shelf, 2);
    const [damaged = ""] = await shelf.expectWhole();
    await shelf.storage.put(`shop/backups/${damaged}/tables`, Buffer.from("x"), signal);
    for (let n = 0; n < 2; n++) {
      await backUp(shelf, `end ${n}\n`);
      shelf.pass(HOUR);
    }
    expect(shelf.runtime.warnings).toEqual([
      expect.stringMatching(
        new RegExp(`^parts of shop that no backup needs stay where they are: backup ${damaged}: `),
      ),
    ]);
  });
});

describe("a prune that dies at any moment", () => {
  const rule = { last: 2 };

  /** Three snapshots, one of which goes; what only a fourth led to is due. */
  async function prepare(): Promise<SnapshotShelf> {
    const shelf = await snapshotShelf();
    await takeHourly(shelf, 4);
    await shelf.prune({ last: 3 });
    shelf.pass(2 * DAY_MS);
    return shelf;
  }

  test("loses nothing that is kept, and the next ones complete it", async () => {
    const ends = new Set<string>();
    let moments = 0;
    for (let died = true; died; ) {
      moments += 1;
      const shelf = await prepare();
      const death = dyingAt(moments);
      try {
        await shelf.prune(rule, { storage: faulty(shelf.storage, death) });
      } catch (error) {
        if (!death.died()) throw error;
      }
      died = death.died();
      await buryHolders(shelf.storage, signal);
      const left = await shelf.expectWhole();
      ends.add(left.join());
      expect(left.slice(0, 2)).toEqual([...shelf.taken.keys()].slice(-2).toReversed());
      for (let run = 0; run < 3; run++) {
        await shelf.prune(rule);
        shelf.pass(31 * DAY_MS);
      }
      expect(await shelf.expectWhole()).toEqual(left.slice(0, 2));
      await shelf.expectTidy();
    }
    expect(ends.size).toBe(2);
    expect(moments).toBeGreaterThan(25);
  });
});

test("a damaged backup keeps every part; the report says which one, and once it is gone the rest goes", async () => {
  const shelf = await snapshotShelf();
  await takeHourly(shelf, 4);
  const [, damaged = ""] = await shelf.expectWhole();
  const key = `shop/backups/${damaged}/content`;
  const index = `shop/backups/${damaged}/index`;
  const text = await shelf.storage.get(index, signal);
  await shelf.storage.put(index, Buffer.from("{"), signal);
  const { garbage } = await shelf.prune({ last: 1 });
  expect(garbage).toEqual({
    noted: { objects: 0, bytes: 0 },
    waiting: { objects: 0, bytes: 0 },
    deleted: { objects: 0, bytes: 0 },
    locked: { objects: 0, bytes: 0, until: undefined },
    refused: [expect.stringContaining(damaged)],
  });
  expect((await shelf.prune({ last: 1 }, { dryRun: true })).garbage.refused).toEqual(garbage.refused);
  await shelf.storage.put(index, text, signal);
  expect(await shelf.storage.stat(key, signal)).toBeDefined();
  await shelf.prune({ last: 1 }, { garbageAgeMs: 0 });
  await shelf.prune({ last: 1 }, { garbageAgeMs: 0 });
  await shelf.expectTidy();
  expect(testRuntime().warnings).toEqual([]);
});
