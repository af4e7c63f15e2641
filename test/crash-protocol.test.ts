import { createHash } from "node:crypto";
import { join } from "node:path";
import { readdir } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { deleteBackup, listBackups, listForeign, recoverUnfinished } from "../src/repository/backups.ts";
import { acquireLease } from "../src/repository/lease.ts";
import { readContent, readTables } from "../src/repository/manifests.ts";
import { openOrCreateRepository, openRepository } from "../src/repository/repository.ts";
import { mapBounded } from "../src/lib/concurrency.ts";
import { isTemporaryName } from "../src/lib/durable.ts";
import { openFilesystem } from "../src/storage/filesystem.ts";
import { openStorage } from "../src/storage/open.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import type { Storage } from "../src/storage/storage.ts";
import { buryHolders } from "./support/bury-holders.ts";
import { dyingAt, faulty } from "./support/faulty-storage.ts";
import { freshBucket, objectsIn } from "./support/object-store.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { takeSample } from "./support/sample-backup.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const signal = noAbort();
const KEPT = "20241209T020000Z-00aa";
const OLD = "20241210T020000Z-00bb";
const NEW = "20241211T020000Z-00cc";
const FOREIGN = "shop/dump_of_2019.sql.gz";

/** A run of one protocol over a storage that may die under it. */
type Protocol = (storage: Storage) => Promise<void>;

const takeBackup: Protocol = async (storage) => {
  const runtime = testRuntime();
  const repository = await openOrCreateRepository(runtime, storage, signal);
  await using lease = await acquireLease(runtime, repository, "shop", "backup", signal);
  await recoverUnfinished(runtime, repository, "shop", lease, signal);
  await takeSample(repository, lease, { id: NEW }, signal);
};

const deleteOld: Protocol = async (storage) => {
  const runtime = testRuntime();
  const repository = await openRepository(runtime, storage, signal);
  await using lease = await acquireLease(runtime, repository, "shop", "prune", signal);
  await recoverUnfinished(runtime, repository, "shop", lease, signal);
  const { backups } = await listBackups(repository, "shop", signal);
  const old = backups.find(({ id }) => id === OLD);
  if (old !== undefined) await deleteBackup(repository, old, lease, signal);
};

const recoverOnly: Protocol = async (storage) => {
  const runtime = testRuntime();
  const repository = await openRepository(runtime, storage, signal);
  await using lease = await acquireLease(runtime, repository, "shop", "prune", signal);
  await recoverUnfinished(runtime, repository, "shop", lease, signal);
};

/** Two complete backups and a file of somebody else. */
async function fill(storage: Storage): Promise<void> {
  const runtime = testRuntime();
  const repository = await openOrCreateRepository(runtime, storage, signal);
  await using lease = await acquireLease(runtime, repository, "shop", "backup", signal);
  for (const id of [KEPT, OLD]) await takeSample(repository, lease, { id }, signal);
  await storage.put(FOREIGN, Buffer.from("precious"), signal);
}

/** Runs the protocol until its storage dies at this moment. False when it ended before. */
async function runUntil(moment: number, protocol: Protocol, storage: Storage): Promise<boolean> {
  const death = dyingAt(moment);
  try {
    await protocol(faulty(storage, death));
  } catch (error) {
    if (!death.died()) throw error;
  }
  await buryHolders(storage, signal);
  return death.died();
}

/** Every state a crash can leave, once. */
async function crashedStates(protocol: Protocol): Promise<Storage[]> {
  const states = new Map<string, Storage>();
  for (let moment = 1, died = true; died; moment++) {
    const storage = memoryStorage();
    await fill(storage);
    died = await runUntil(moment, protocol, storage);
    const keys = (await Array.fromAsync(storage.list("", "all", signal))).map(({ key }) => key);
    states.set(keys.toSorted().join(), storage);
  }
  return [...states.values()];
}

async function copyOf(storage: Storage): Promise<Storage> {
  const copy = memoryStorage();
  await copyInto(copy, storage);
  return copy;
}

async function copyInto(copy: Storage, storage: Storage): Promise<void> {
  await mapBounded(await storage.keys("", "all", signal), 16, async (key) => {
    await copy.put(key, await storage.get(key, signal), signal);
  });
}

// Each moment takes a bucket a hundred requests.
const BUCKET_MS = 240_000;

/** An empty place, and what lies in it under temporary names. */
interface Place extends AsyncDisposable {
  readonly storage: Storage;
  readonly temporary: () => Promise<string[]>;
}

interface PlaceKind {
  readonly place: string;
  readonly open: () => Promise<Place>;
}

const PLACES: readonly PlaceKind[] = [
  {
    place: "a folder",
    open: async () => {
      const folder = await temporaryFolder();
      return {
        storage: openFilesystem(testRuntime(), folder.path),
        temporary: async () => {
          const names = await readdir(join(folder.path, "shop"), { recursive: true });
          return names.filter((name) => isTemporaryName(name.split("/").at(-1) ?? ""));
        },
        [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
      };
    },
  },
  {
    place: "a bucket",
    open: async () => {
      const location = await freshBucket();
      return {
        storage: openStorage(testRuntime(), location),
        temporary: async () => (await objectsIn(location)).filter((key) => key.includes(".handled-")),
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
  },
];

/** What every reader must see at any time: whole backups, and no file of our own that looks like somebody else's. */
async function expectSoundListing(storage: Storage): Promise<string[]> {
  const repository = await openRepository(testRuntime(), storage, signal);
  const { backups, damaged } = await listBackups(repository, "shop", signal);
  expect(damaged).toEqual([]);
  for (const index of backups) {
    if (index.kind !== "archive") throw new Error(`${index.id} is no archive`);
    const archive = await storage.get(index.archive.key, signal);
    expect(createHash("sha256").update(archive).digest("hex")).toBe(index.archive.sha256);
    await readTables(repository, index, signal);
    await readContent(repository, index, signal);
  }
  const foreign = await listForeign(repository, "shop", backups, signal);
  expect(foreign.map(({ key }) => key)).toEqual([FOREIGN]);
  return backups.map(({ id }) => id);
}

/** After recovery there is nothing but what complete backups consist of. */
async function expectTidy(storage: Storage, ids: readonly string[]): Promise<void> {
  const found = await Array.fromAsync(storage.list("shop/", "all", signal));
  const expected = ids.flatMap((id) => [
    `shop/handled_${id}.sql.gz`,
    ...["content", "index", "tables"].map((name) => `shop/backups/${id}/${name}`),
  ]);
  const keys = found.map(({ key }) => key).filter((key) => !key.startsWith("shop/lease."));
  expect(keys.toSorted()).toEqual([...expected, FOREIGN].toSorted());
}

interface Case {
  readonly name: string;
  readonly protocol: Protocol;
  /** The listings that may be seen at any moment of a crash. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

const CASES: readonly Case[] = [
  { name: "a backup", protocol: takeBackup, before: [OLD, KEPT], after: [NEW, OLD, KEPT] },
  { name: "a deletion", protocol: deleteOld, before: [OLD, KEPT], after: [KEPT] },
];

describe.each(CASES)("$name that dies at any moment", ({ protocol, before, after }) => {
  test.each(PLACES)(
    "leaves, in $place, only whole backups, and the next writer tidies up",
    async ({ open }) => {
      const filled = memoryStorage();
      await fill(filled);
      const seen = new Set<string>();
      for (let moment = 1; ; moment++) {
        await using made = await open();
        const { storage } = made;
        await copyInto(storage, filled);
        const died = await runUntil(moment, protocol, storage);
        const listed = await expectSoundListing(storage);
        expect([before, after]).toContainEqual(listed);
        await recoverOnly(storage);
        expect(await expectSoundListing(storage)).toEqual(listed);
        await expectTidy(storage, listed);
        expect(await made.temporary()).toEqual([]);
        seen.add(listed.join());
        if (!died) break;
      }
      // Both outcomes were met, or the moments were not those of the protocol.
      expect(seen.size).toBe(2);
    },
    BUCKET_MS,
  );

  test("is mended even when the mending dies at any moment too", async () => {
    const crashed = await crashedStates(protocol);
    // Each object comes or goes at a moment of its own.
    expect(crashed.length).toBeGreaterThan(5);
    for (const state of crashed) {
      const listed = await expectSoundListing(await copyOf(state));
      for (let moment = 1, died = true; died; moment++) {
        const storage = await copyOf(state);
        died = await runUntil(moment, recoverOnly, storage);
        expect(await expectSoundListing(storage)).toEqual(listed);
        await recoverOnly(storage);
        expect(await expectSoundListing(storage)).toEqual(listed);
        await expectTidy(storage, listed);
      }
    }
  });

  test("does not keep the same run from succeeding afterwards", async () => {
    for (let moment = 1, died = true; died; moment++) {
      const storage = memoryStorage();
      await fill(storage);
      died = await runUntil(moment, protocol, storage);
      const done = (await expectSoundListing(storage)).join() === after.join();
      await (done ? recoverOnly : protocol)(storage);
      expect(await expectSoundListing(storage)).toEqual(after);
      await expectTidy(storage, after);
    }
  });
});

test("a crash between mark and publication does not cost a file that took the name since", async () => {
  const storage = memoryStorage();
  await fill(storage);
  const key = `shop/handled_${NEW}.sql.gz`;
  let published = false;
  const dying = faulty(storage, {
    at: ({ operation }) => {
      published ||= operation === "publish";
      return published ? new Error("killed") : undefined;
    },
  });
  await expect(takeBackup(dying)).rejects.toThrow();
  await storage.put(key, Buffer.from("another tool's"), signal);
  await buryHolders(storage, signal);
  const runtime = testRuntime();
  const repository = await openRepository(runtime, storage, signal);
  await using lease = await acquireLease(runtime, repository, "shop", "backup", signal);
  const recovery = await recoverUnfinished(runtime, repository, "shop", lease, signal);
  expect(recovery.left).toEqual([NEW]);
  expect(runtime.warnings).toEqual([
    expect.stringContaining(`${key} is not the file that was being written`),
  ]);
  expect(published).toBe(true);
  expect((await storage.get(key, signal)).toString()).toBe("another tool's");
  expect(await storage.stat(`shop/backups/${NEW}/unfinished`, signal)).toBeUndefined();
});

test("a mark that cannot be read is reported, and what it may name is left alone", async () => {
  const storage = memoryStorage();
  await fill(storage);
  await storage.put(`shop/backups/${NEW}/unfinished`, Buffer.from("{"), signal);
  await storage.put(`shop/backups/${NEW}/tables`, Buffer.from("x"), signal);
  const runtime = testRuntime();
  const repository = await openRepository(runtime, storage, signal);
  await using lease = await acquireLease(runtime, repository, "shop", "backup", signal);
  const recovery = await recoverUnfinished(runtime, repository, "shop", lease, signal);
  expect(recovery).toMatchObject({ removed: [], left: [NEW] });
  expect(runtime.warnings).toEqual([expect.stringContaining("it is not JSON")]);
  expect(await storage.stat(`shop/backups/${NEW}/tables`, signal)).toBeDefined();
});

test("a mark that points at another backup's archive deletes nothing of it", async () => {
  const storage = memoryStorage();
  await fill(storage);
  const index = await storage.get(`shop/backups/${OLD}/index`, signal);
  const { key, size, sha256 } = (JSON.parse(index.toString()) as { archive: Record<string, unknown> })
    .archive;
  for (const doing of ["write", "delete"]) {
    const mark = { format: 1, doing, archive: { key, size, sha256 } };
    await storage.put(`shop/backups/${NEW}/unfinished`, Buffer.from(JSON.stringify(mark)), signal);
    await recoverOnly(storage);
    expect(await expectSoundListing(storage)).toEqual([OLD, KEPT]);
  }
});
