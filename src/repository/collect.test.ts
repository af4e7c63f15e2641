import { join } from "node:path";
import { expect, test } from "vitest";
import { buryHolders } from "../../test/support/bury-holders.ts";
import { identityIn } from "../../test/support/keys.ts";
import { temporaryFolder } from "../../test/support/temporary-folder.ts";
import { noAbort, type TestRuntime, testRuntime } from "../../test/support/runtime.ts";
import { takeSample } from "../../test/support/sample-backup.ts";
import { readSnapshot, takeSampleSnapshot } from "../../test/support/sample-snapshot.ts";
import { KeyRing } from "../lib/key-ring.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { deleteBackup } from "./backups.ts";
import { collectGarbage, type GarbageReport } from "./collect.ts";
import { acquireLease, type Lease } from "./lease.ts";
import { BackupId, type BackupIndex, type SnapshotIndex } from "./manifest.ts";
import { readTables } from "./manifests.ts";
import { markReading } from "./readers.ts";
import { openOrCreateRepository, type Repository } from "./repository.ts";
import { recoverUnfinished } from "./unfinished.ts";

const signal = noAbort();
const HOUR = 60 * 60 * 1000;
const OLD = "20241210T020000Z-00aa";
const NEW = "20241211T020000Z-00bb";

interface World extends AsyncDisposable {
  readonly runtime: TestRuntime;
  readonly storage: Storage;
  readonly repository: Repository;
  readonly lease: Lease;
  /** Lets the storage's clock go on. */
  pass(ms: number): void;
  collect(minAgeMs?: number): Promise<GarbageReport>;
  remove(index: BackupIndex): Promise<void>;
  keys(folder: string): Promise<string[]>;
}

/** @param keys folder for the keys of a repository that is to be sealed */
async function world(keys?: string): Promise<World> {
  let now = Date.parse("2024-12-12T00:00:00Z");
  const runtime = testRuntime(keys === undefined ? {} : { keys: new KeyRing() });
  const storage = memoryStorage(() => new Date(now));
  if (keys !== undefined) {
    const wanted = { recipients: [identityIn(keys).recipient], hostKeyFile: join(keys, "host.key") };
    runtime.keys.want(storage.place, wanted);
  }
  const repository = await openOrCreateRepository(runtime, storage, signal);
  const lease = await acquireLease(runtime, repository, "shop", "prune", signal);
  return {
    runtime,
    storage,
    repository,
    lease,
    pass: (ms) => {
      now += ms;
    },
    collect: (minAgeMs) =>
      collectGarbage(runtime, repository, "shop", lease, minAgeMs === undefined ? {} : { minAgeMs }, signal),
    remove: async (index) => expect(await deleteBackup(repository, index, lease, signal)).toBe(true),
    keys: async (folder) => {
      const found = await Array.fromAsync(storage.list(`shop/${folder}`, "all", signal));
      return found.map(({ key }) => key).toSorted();
    },
    [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
  };
}

/** Two snapshots that share a part; each has one of its own, and a list. */
async function takeTwo({ repository, lease }: World): Promise<{ old: SnapshotIndex; young: SnapshotIndex }> {
  const old = await takeSampleSnapshot(
    repository,
    lease,
    { id: OLD, tables: { orders: ["1\n", "2\n"] } },
    signal,
  );
  const young = await takeSampleSnapshot(
    repository,
    lease,
    { id: NEW, tables: { orders: ["1\n", "3\n"] } },
    signal,
  );
  return { old, young };
}

test("of a sealed repository, also what is too short to be an object of ours; its bytes are counted as they lie", async () => {
  await using folder = await temporaryFolder();
  await using made = await world(folder.path);
  const { old } = await takeTwo(made);
  await made.remove(old);
  for (const key of await made.keys("parts/")) await made.storage.put(key, Buffer.from("cut"), signal);
  const noted = (await made.collect(0)).noted;
  expect(noted.objects).toBe(2);
  const report = await made.collect(0);
  // A part, and the part list that is whole.
  expect(report).toMatchObject({ deleted: noted, refused: [] });
  expect(noted.bytes).toBeGreaterThan(1024);
});

test("what a deleted backup alone named goes, a day after it was noted", async () => {
  await using made = await world();
  const { old, young } = await takeTwo(made);
  await made.remove(old);
  expect(await made.collect()).toMatchObject({ noted: { objects: 2 }, deleted: { objects: 0 } });
  made.pass(24 * HOUR - 1);
  expect(await made.collect()).toMatchObject({
    noted: { objects: 0 },
    waiting: { objects: 2 },
    deleted: { objects: 0 },
  });
  expect(await made.keys("parts/")).toHaveLength(3);
  made.pass(1);
  const report = await made.collect();
  expect(report).toMatchObject({ waiting: { objects: 0 }, deleted: { objects: 2 }, refused: [] });
  expect(report.deleted.bytes).toBeGreaterThan(0);
  expect(await made.keys("parts/")).toHaveLength(2);
  expect(await made.keys("tables/")).toHaveLength(1);
  expect(await made.keys("records/")).toEqual(["shop/records/garbage/looked.json"]);
  expect(await readSnapshot(made.repository, young, signal)).toEqual(["1\n", "3\n"]);
});

test("one run never does both phases, whatever age is asked for", async () => {
  await using made = await world();
  const { old } = await takeTwo(made);
  await made.remove(old);
  expect(await made.collect(0)).toMatchObject({ noted: { objects: 2 }, deleted: { objects: 0 } });
  expect(await made.collect(0)).toMatchObject({ noted: { objects: 0 }, deleted: { objects: 2 } });
});

test("what was noted and is named again stays, and its note is forgotten", async () => {
  await using made = await world();
  const { old, young } = await takeTwo(made);
  const key = `shop/backups/${OLD}/`;
  const kept = await Promise.all(
    ["index", "tables", "content"].map(
      async (name) => [key + name, await made.storage.get(key + name, signal)] as const,
    ),
  );
  await made.remove(old);
  await made.collect();
  made.pass(25 * HOUR);
  // Somebody brings the backup back from a copy.
  for (const [name, data] of kept) await made.storage.put(name, data, signal);
  expect(await made.collect()).toMatchObject({ deleted: { objects: 0 }, refused: [] });
  await made.remove(old);
  expect(await made.collect()).toMatchObject({ noted: { objects: 2 }, deleted: { objects: 0 } });
  expect(await readSnapshot(made.repository, young, signal)).toHaveLength(2);
});

test("a database of archives alone gets no records, and somebody else's files stay", async () => {
  await using made = await world();
  await takeSample(made.repository, made.lease, { id: OLD }, signal);
  await made.storage.put("shop/parts/aa/notes.txt", Buffer.from("precious"), signal);
  await made.storage.put(
    `shop/parts/bb/${"a".repeat(64)}-${"0".repeat(16)}`,
    Buffer.from("misplaced"),
    signal,
  );
  for (let run = 0; run < 2; run++) {
    expect(await made.collect(0)).toMatchObject({ noted: { objects: 0 }, deleted: { objects: 0 } });
  }
  expect(await made.keys("parts/")).toHaveLength(2);
  expect(await made.keys("records/")).toEqual([]);
});

type Damage = (made: World, index: SnapshotIndex) => Promise<string>;

const flipped =
  (keyOf: (made: World, index: SnapshotIndex) => Promise<string>): Damage =>
  async (made, index) => {
    const key = await keyOf(made, index);
    const data = await made.storage.get(key, signal);
    data[10] = (data[10] ?? 0) ^ 1;
    await made.storage.put(key, data, signal);
    return key;
  };
const listKey = async ({ repository }: World, index: SnapshotIndex): Promise<string> => {
  const [table] = await readTables(repository, index, signal);
  const name = table?.partList?.name ?? "";
  return `shop/tables/${name.slice(0, 2)}/${name}`;
};
const removed =
  (keyOf: (made: World, index: SnapshotIndex) => Promise<string>): Damage =>
  async (made, index) => {
    const key = await keyOf(made, index);
    await made.storage.delete(key, signal);
    return key;
  };
const manifestKey = (name: string) => (_: World, index: SnapshotIndex) =>
  Promise.resolve(`shop/backups/${index.id}/${name}`);

test.each<[string, Damage]>([
  ["a damaged index", flipped(manifestKey("index"))],
  ["a missing index", removed(manifestKey("index"))],
  ["a damaged list of tables", flipped(manifestKey("tables"))],
  ["a missing list of tables", removed(manifestKey("tables"))],
  ["a damaged part list", flipped(listKey)],
  ["a missing part list", removed(listKey)],
  [
    "an index of a newer format",
    async (made, index) => {
      const key = `shop/backups/${index.id}/index`;
      await made.storage.put(key, Buffer.from('{"format":2,"kind":"snapshot"}'), signal);
      return key;
    },
  ],
])("%s stops every deletion, and is named", async (_what, damage) => {
  await using made = await world();
  const { old, young } = await takeTwo(made);
  const other = await takeSampleSnapshot(
    made.repository,
    made.lease,
    { id: "20241209T020000Z-00cc", tables: { items: ["4\n"] } },
    signal,
  );
  await made.remove(old);
  await made.collect();
  made.pass(25 * HOUR);
  await damage(made, young);
  await made.remove(other);
  const before = await made.keys("parts/");
  const report = await made.collect();
  expect(report.refused).toEqual([expect.stringContaining(young.id)]);
  expect(report).toMatchObject({ noted: { objects: 0 }, deleted: { objects: 0 } });
  expect(await made.keys("parts/")).toEqual(before);
});

test("nothing is deleted while somebody reads; a dead reader's marker is removed", async () => {
  await using made = await world();
  const { old } = await takeTwo(made);
  await made.remove(old);
  await made.collect();
  made.pass(25 * HOUR);
  const reading = await markReading(
    made.runtime,
    made.repository,
    "shop",
    { operation: "restore", backups: [BackupId.parse(NEW)] },
    signal,
  );
  const report = await made.collect();
  expect(report.refused).toEqual([expect.stringContaining("restore of")]);
  expect(report).toMatchObject({ waiting: { objects: 2 }, deleted: { objects: 0 } });
  await reading[Symbol.asyncDispose]();
  expect(await made.keys("readers/")).toEqual([]);
  await using _dead = await markReading(
    made.runtime,
    made.repository,
    "shop",
    { operation: "verify", backups: [] },
    signal,
  );
  for (const key of await made.keys("readers/")) {
    const text = (await made.storage.get(key, signal)).toString();
    await made.storage.put(
      key,
      Buffer.from(text.replace(/"processStart":"\d+"/, '"processStart":"1"')),
      signal,
    );
  }
  expect(await made.collect()).toMatchObject({ deleted: { objects: 2 }, refused: [] });
  expect(await made.keys("readers/")).toEqual([]);
});

test("without the lease nothing is noted or deleted", async () => {
  await using made = await world();
  const { old } = await takeTwo(made);
  await made.remove(old);
  await made.storage.put("shop/lease.99.json", Buffer.from("taken over"), signal);
  await expect(made.collect(0)).rejects.toMatchObject({ code: "lease_lost" });
  expect(await made.keys("records/")).toEqual([]);
});

test("a note that cannot be read costs time, not parts", async () => {
  await using made = await world();
  const { old } = await takeTwo(made);
  await made.remove(old);
  await made.collect();
  for (const key of await made.keys("records/")) {
    if (key.endsWith(".note")) await made.storage.put(key, Buffer.from("{\nshop/parts/x\n"), signal);
  }
  made.pass(25 * HOUR);
  expect(await made.collect()).toMatchObject({ noted: { objects: 2 }, deleted: { objects: 0 } });
  expect(made.runtime.warnings).toEqual([expect.stringContaining("not JSON")]);
  made.pass(25 * HOUR);
  expect(await made.collect()).toMatchObject({ deleted: { objects: 2 } });
});

test("a clock that jumps back only delays", async () => {
  await using made = await world();
  const { old } = await takeTwo(made);
  await made.remove(old);
  await made.collect();
  made.pass(-100 * HOUR);
  expect(await made.collect()).toMatchObject({ waiting: { objects: 2 }, deleted: { objects: 0 } });
});

test("the void index of a crashed run goes after a month", async () => {
  await using made = await world();
  const mark = { format: 1, doing: "write", archive: null };
  await made.storage.put(`shop/backups/${NEW}/unfinished`, Buffer.from(JSON.stringify(mark)), signal);
  await made.storage.put(`shop/backups/${NEW}/tables`, Buffer.from("x"), signal);
  const refused = await made.collect();
  expect(refused.refused).toEqual([expect.stringContaining("not cleaned up")]);
  await recoverUnfinished(made.runtime, made.repository, "shop", made.lease, signal);
  expect(await made.keys("backups/")).toEqual([`shop/backups/${NEW}/index`]);
  made.pass(29 * 24 * HOUR);
  expect(await made.collect()).toMatchObject({ refused: [] });
  expect(await made.keys("backups/")).toHaveLength(1);
  // Left by the crashed run's own late awakening.
  await made.storage.put(`shop/backups/${NEW}/tables`, Buffer.from("x"), signal);
  made.pass(25 * HOUR);
  await made.collect();
  expect(await made.keys("backups/")).toEqual([]);
  await buryHolders(made.storage, signal);
});
