import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { diskFull, faulty, type Faults } from "../../test/support/faulty-storage.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { takeSample } from "../../test/support/sample-backup.ts";
import { readSnapshot, snapshotOf, takeSampleSnapshot } from "../../test/support/sample-snapshot.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { deleteBackup, listBackups, listForeign, publishSnapshot } from "./backups.ts";
import { knownParts } from "./known-parts.ts";
import { acquireLease, type Lease } from "./lease.ts";
import { BackupId, type PartName, type SnapshotIndex } from "./manifest.ts";
import { readContent, readIndex, readTables } from "./manifests.ts";
import { textHashOf } from "./part-names.ts";
import { openOrCreateRepository, type Repository } from "./repository.ts";

const signal = noAbort();
const ARCHIVE = "20241209T020000Z-00aa";
const OLD = "20241210T020000Z-00bb";
const NEW = "20241211T020000Z-00cc";
const FOLDER = `shop/backups/${NEW}`;

interface Place extends AsyncDisposable {
  readonly storage: Storage;
  readonly repository: Repository;
  readonly lease: Lease;
  take(id: string, ...texts: string[]): Promise<SnapshotIndex>;
}

async function place(faults: Faults = {}): Promise<Place> {
  const runtime = testRuntime();
  const storage = memoryStorage();
  const sound = await openOrCreateRepository(runtime, storage, signal);
  const lease = await acquireLease(runtime, sound, "shop", "backup", signal);
  const repository = { ...sound, storage: faulty(storage, faults) };
  return {
    storage,
    repository,
    lease,
    take: (id, ...texts) => takeSampleSnapshot(repository, lease, { id, tables: { orders: texts } }, signal),
    [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
  };
}

async function keysOf(storage: Storage, folder: string): Promise<string[]> {
  const found = await Array.fromAsync(storage.list(folder, "all", signal));
  return found.map(({ key }) => key).toSorted();
}

test("a snapshot is read back as it was published, beside archives", async () => {
  await using made = await place();
  const archive = await takeSample(made.repository, made.lease, { id: ARCHIVE }, signal);
  const index = await made.take(NEW, "1\n", "2\n");
  const listing = await listBackups(made.repository, "shop", signal);
  expect(listing).toEqual({ backups: [index, archive], damaged: [] });
  expect(await keysOf(made.storage, "shop/backups/")).toHaveLength(6);
  const tables = await readTables(made.repository, index, signal);
  const { content } = snapshotOf(NEW, tables);
  expect(tables).toMatchObject([{ schema: "public", name: "orders", rows: 2 }]);
  expect(await readContent(made.repository, index, signal)).toEqual(content);
  expect(await readSnapshot(made.repository, index, signal)).toEqual(["1\n", "2\n"]);
  expect(await listForeign(made.repository, "shop", listing.backups, signal)).toEqual([]);
});

test("a change of any byte of the index is found", async () => {
  await using made = await place();
  await made.take(NEW, "1\n");
  const data = await made.storage.get(`${FOLDER}/index`, signal);
  for (let at = 0; at < data.length; at++) {
    const flipped = Buffer.from(data);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    await made.storage.put(`${FOLDER}/index`, flipped, signal);
    const reading = readIndex(made.repository, "shop", BackupId.parse(NEW), signal);
    await expect(reading, `byte ${at}`).rejects.toMatchObject({
      code: expect.stringMatching(/^(backup_damaged|repository_version)$/),
    });
  }
  await made.storage.put(`${FOLDER}/index`, data.subarray(0, -1), signal);
  await expect(readIndex(made.repository, "shop", BackupId.parse(NEW), signal)).rejects.toMatchObject({
    code: "backup_damaged",
  });
});

test.each(["tables", "content"])("a snapshot without its object %s is damaged", async (name) => {
  await using made = await place();
  await made.take(OLD, "1\n");
  await made.take(NEW, "1\n");
  await made.storage.delete(`${FOLDER}/${name}`, signal);
  const { backups, damaged } = await listBackups(made.repository, "shop", signal);
  expect(backups.map(({ id }) => id)).toEqual([OLD]);
  expect(damaged).toMatchObject([{ id: NEW, reason: expect.stringContaining(name), index: { id: NEW } }]);
});

test.each(["put", "putIfAbsent"])("when %s fails nothing of the manifest stays", async (operation) => {
  await using made = await place({
    at: (point) =>
      point.operation === operation && point.key.startsWith(FOLDER) && !point.key.endsWith("unfinished")
        ? diskFull()
        : undefined,
  });
  await expect(made.take(NEW, "1\n")).rejects.toMatchObject({
    code: "space_missing",
    message: diskFull().message,
  });
  expect(await keysOf(made.storage, "shop/backups/")).toEqual([]);
  // Orphans: collected some day.
  expect(await keysOf(made.storage, "shop/parts/")).toHaveLength(1);
});

test("an id that is taken is refused before anything of the other backup is touched", async () => {
  await using made = await place();
  const index = await made.take(NEW, "1\n");
  const before = await keysOf(made.storage, "shop/backups/");
  const again = publishSnapshot(made.repository, snapshotOf(NEW, []), made.lease, signal);
  await expect(again).rejects.toMatchObject({ code: "object_exists" });
  expect(await keysOf(made.storage, "shop/backups/")).toEqual(before);
  expect(await readSnapshot(made.repository, index, signal)).toEqual(["1\n"]);
});

test("a deleted snapshot leaves its parts and lists, and nothing else", async () => {
  await using made = await place();
  const index = await made.take(NEW, "1\n");
  expect(await deleteBackup(made.repository, index, made.lease, signal)).toBe(true);
  expect(await keysOf(made.storage, "shop/backups/")).toEqual([]);
  expect(await keysOf(made.storage, "shop/parts/")).toHaveLength(1);
  expect(await keysOf(made.storage, "shop/tables/")).toHaveLength(1);
});

test("equal text is stored once, in one snapshot and over several", async () => {
  await using made = await place();
  await made.take(OLD, "1\n", "2\n", "1\n");
  expect(await keysOf(made.storage, "shop/parts/")).toHaveLength(2);
  await made.take(NEW, "2\n", "3\n");
  expect(await keysOf(made.storage, "shop/parts/")).toHaveLength(3);
});

test("a part is known only through a readable index", async () => {
  await using made = await place();
  const old = await made.take(OLD, "1\n");
  const [orphan] = await keysOf(made.storage, "shop/parts/");
  const known = await knownParts(made.repository, "shop", signal);
  expect(known.count).toBe(1);
  const hash = orphan?.slice("shop/parts/xx/".length).split("-")[0] ?? "";
  const part = known.find(hash);
  expect(orphan).toBe(`shop/parts/${hash.slice(0, 2)}/${part?.name}`);
  expect(part && textHashOf(part.name)).toBe(hash);
  expect(part?.size).toBe((await made.storage.stat(orphan ?? "", signal))?.size);
  await deleteBackup(made.repository, old, made.lease, signal);
  const later = await knownParts(made.repository, "shop", signal);
  expect(later.find(hash)).toBeUndefined();
});

test("a damaged part list is passed over and said, the others count; and the bounds hold", async () => {
  await using made = await place();
  await made.take(OLD, "1\n", "2\n");
  const index = await made.take(NEW, "3\n", "4\n");
  expect((await knownParts(made.repository, "shop", signal)).count).toBe(4);
  expect((await knownParts(made.repository, "shop", signal, { parts: 3 })).count).toBe(3);
  expect((await knownParts(made.repository, "shop", signal, { backups: 1 })).count).toBe(2);
  const [table] = await readTables(made.repository, index, signal);
  const name = table?.partList?.name ?? "";
  await made.storage.put(`shop/tables/${name.slice(0, 2)}/${name}`, Buffer.from("x"), signal);
  const known = await knownParts(made.repository, "shop", signal);
  expect(known.count).toBe(2);
  expect(known.skipped).toEqual([expect.stringContaining(name)]);
});

test("a part that is gone or cut short is not known, and who names it is said; one of the same text may stand for it", async () => {
  await using made = await place();
  await made.take(OLD, "1\n", "2\n", "3\n");
  const [gone = "", short = ""] = await keysOf(made.storage, "shop/parts/");
  await made.storage.delete(gone, signal);
  await made.storage.put(short, Buffer.from("x"), signal);
  const hashOf = (key: string): string => /([0-9a-f]{64})-/.exec(key)?.[1] ?? "";
  const nameOf = (key: string): PartName => key.slice(key.lastIndexOf("/") + 1) as PartName;
  const known = await knownParts(made.repository, "shop", signal);
  expect(known.count).toBe(1);
  expect(known.lostBy).toMatchObject([{ index: { id: OLD }, tables: undefined }]);
  for (const key of [gone, short]) {
    expect(known.find(hashOf(key))).toBeUndefined();
    expect(known.isLost(nameOf(key))).toBe(true);
  }
  await made.take(NEW, "1\n", "2\n", "3\n");
  const later = await knownParts(made.repository, "shop", signal);
  expect(later.count).toBe(3);
  // The newest one has what it needs.
  expect(later.lostBy).toMatchObject([{ index: { id: OLD } }]);
  expect(nameOf(gone)).not.toBe(later.find(hashOf(gone))?.name);
  expect(later.isLost(later.find(hashOf(gone))?.name as PartName)).toBe(false);
});

test("a part that a late listing does not show is there all the same, and known", async () => {
  await using made = await place({ late: { operations: 40, keys: (key) => key.includes("/parts/") } });
  await made.take(OLD, "1\n", "2\n");
  const keys = await keysOf(made.storage, "shop/parts/");
  expect(await made.repository.storage.sizes(keys, signal)).toEqual([undefined, undefined]);
  const known = await knownParts(made.repository, "shop", signal);
  expect(known).toMatchObject({ count: 2, lostBy: [] });
});

test("manifests of archives written by the first version are read as they were meant", async () => {
  const folder = join(import.meta.dirname, "../../test/fixtures/archive-manifest");
  await using made = await place();
  for (const name of ["index", "tables", "content"]) {
    await made.storage.put(`shop/backups/${ARCHIVE}/${name}`, await readFile(join(folder, name)), signal);
  }
  await made.storage.put(
    "shop/handled_shop_20241209_030000.sql.gz",
    await readFile(join(folder, "archive")),
    signal,
  );
  const { backups, damaged } = await listBackups(made.repository, "shop", signal);
  expect(damaged).toEqual([]);
  const [index] = backups;
  if (index?.kind !== "archive") throw new Error("no archive was listed");
  expect(index).toMatchObject({ id: ARCHIVE, format: 1, archive: { format: "plain", compression: "gzip" } });
  expect(await readTables(made.repository, index, signal)).toEqual([
    { schema: "public", name: "a view", rows: null, bytes: 0 },
    { schema: "public", name: "orders", rows: 3, bytes: 50 },
  ]);
  expect(await readContent(made.repository, index, signal)).toMatchObject({
    extensions: [{ name: "pg_trgm", schema: "public", version: "1.6" }],
    roles: ["ada"],
  });
});
