import { expect, test } from "vitest";
import { diskFull, faulty, type Faults } from "../../test/support/faulty-storage.ts";
import { type ManualClock, manualClock } from "../../test/support/manual-clock.ts";
import { noAbort, type TestRuntime, testRuntime } from "../../test/support/runtime.ts";
import { takeSample } from "../../test/support/sample-backup.ts";
import { memoryStorage } from "../storage/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { deleteBackup, listBackups } from "./backups.ts";
import { acquireLease, LEASE_MS, type Lease } from "./lease.ts";
import { BackupId, ReadMarkFile } from "./manifest.ts";
import { livingReaders, markReading } from "./readers.ts";
import { openOrCreateRepository, type Repository } from "./repository.ts";

const signal = noAbort();
const ID = BackupId.parse("20241211T020000Z-00bb");
const OTHER = BackupId.parse("20241210T020000Z-00aa");

interface World extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly runtime: TestRuntime;
  readonly storage: Storage;
  readonly repository: Repository;
  readonly lease: Lease;
  mark(...backups: BackupId[]): Promise<AsyncDisposable>;
  markers(): Promise<ReadMarkFile[]>;
}

async function world(faults: Faults = {}): Promise<World> {
  const clock = manualClock();
  const runtime = testRuntime({ clock });
  const storage = memoryStorage();
  const sound = await openOrCreateRepository(runtime, storage, signal);
  const lease = await acquireLease(runtime, sound, "shop", "prune", signal);
  const repository = { ...sound, storage: faulty(storage, faults) };
  return {
    clock,
    runtime,
    storage,
    repository,
    lease,
    mark: (...backups) => markReading(runtime, repository, "shop", { operation: "restore", backups }, signal),
    markers: async () => {
      const found = await Array.fromAsync(storage.list("shop/readers/", "here", signal));
      return await Promise.all(
        found.map(async ({ key }) =>
          ReadMarkFile.parse(JSON.parse((await storage.get(key, signal)).toString())),
        ),
      );
    },
    [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
  };
}

const elsewhere: ReadMarkFile = {
  format: 1,
  token: "c0a8f7a2-90f5-4a5e-9b1f-5f1e8f0d1c2b",
  holder: {
    host: "other-host",
    user: "ada",
    pid: 4711,
    bootId: "another boot",
    pidNamespace: "pid:[1]",
    processStart: "1",
    operation: "verify",
  },
  backups: [ID],
  since: "2031-01-01T00:00:00Z",
  renewals: 0,
};

const putElsewhere = (storage: Storage, changes: Partial<ReadMarkFile> = {}): Promise<void> =>
  storage.put(
    `shop/readers/${elsewhere.token}.json`,
    Buffer.from(JSON.stringify({ ...elsewhere, ...changes })),
    signal,
  );

test("a marker says who reads what, is renewed, and goes at the end", async () => {
  await using made = await world();
  const reading = await made.mark(ID);
  expect(await made.markers()).toMatchObject([
    { backups: [ID], renewals: 0, holder: { pid: process.pid, operation: "restore" } },
  ]);
  await made.clock.advance(LEASE_MS);
  expect(await made.markers()).toMatchObject([{ renewals: 3 }]);
  const living = await livingReaders(made.runtime, made.repository, "shop", made.lease, signal);
  expect(living).toHaveLength(1);
  await reading[Symbol.asyncDispose]();
  await reading[Symbol.asyncDispose]();
  expect(await made.markers()).toEqual([]);
});

test("a marker that somebody removed comes back with the next renewal", async () => {
  await using made = await world();
  await using _reading = await made.mark(ID);
  for (const { token } of await made.markers()) {
    await made.storage.delete(`shop/readers/${token}.json`, signal);
  }
  await made.clock.advance(LEASE_MS / 2);
  expect(await made.markers()).toHaveLength(1);
});

test("where no marker can be written, reading goes on with a warning", async () => {
  await using made = await world({
    at: ({ operation }) => (operation === "put" || operation === "delete" ? diskFull() : undefined),
  });
  {
    await using _reading = await made.mark(ID);
    await made.clock.advance(LEASE_MS / 2);
  }
  expect(made.runtime.warnings.length).toBeGreaterThan(1);
  expect(made.runtime.warnings[0]).toContain("do not prune");
  // There is none to take back.
  expect(made.runtime.warnings.join("\n")).not.toContain("take back");
});

test("a reader elsewhere is watched: one that shows no life is removed, not earlier", async () => {
  await using made = await world();
  await putElsewhere(made.storage);
  const looking = livingReaders(made.runtime, made.repository, "shop", made.lease, signal);
  // The lease's renewal, its limit, and the watch.
  await made.clock.pending(3);
  await made.clock.advance(LEASE_MS - 1);
  expect(await made.markers()).toHaveLength(1);
  expect(made.runtime.notes.at(-1)).toContain("verify of ada@other-host (process 4711) may be reading");
  await made.clock.advance(1);
  expect(await looking).toEqual([]);
  expect(await made.markers()).toEqual([]);
});

test("a reader elsewhere that renews its marker lives, and one that ends is gone", async () => {
  await using made = await world();
  await putElsewhere(made.storage);
  const looking = livingReaders(made.runtime, made.repository, "shop", made.lease, signal);
  await made.clock.pending(3);
  await putElsewhere(made.storage, { renewals: 1 });
  await made.clock.advance(LEASE_MS / 12);
  expect(await looking).toMatchObject([{ file: { renewals: 1 } }]);
  const again = livingReaders(made.runtime, made.repository, "shop", made.lease, signal);
  await made.clock.pending(3);
  await made.storage.delete(`shop/readers/${elsewhere.token}.json`, signal);
  await made.clock.advance(LEASE_MS / 12);
  expect(await again).toEqual([]);
});

test("an unreadable marker is watched like any other", async () => {
  await using made = await world();
  await made.storage.put("shop/readers/x.json", Buffer.from("{"), signal);
  const looking = livingReaders(made.runtime, made.repository, "shop", made.lease, signal);
  await made.clock.pending(3);
  await made.clock.advance(LEASE_MS);
  expect(await looking).toEqual([]);
  expect(await Array.fromAsync(made.storage.list("shop/readers/", "here", signal))).toEqual([]);
});

test.each([
  ["it", [ID], false],
  ["another", [OTHER], true],
  ["nobody knows which", [], false],
])("a backup is deleted or not while somebody reads %s", async (_what, backups, deleted) => {
  await using made = await world();
  const index = await takeSample(made.repository, made.lease, { id: ID }, signal);
  {
    await using _reading = await made.mark(...backups);
    expect(await deleteBackup(made.repository, index, made.lease, signal)).toBe(deleted);
  }
  const { backups: left } = await listBackups(made.repository, "shop", signal);
  expect(left).toHaveLength(deleted ? 0 : 1);
  const keys = (await Array.fromAsync(made.storage.list("shop/", "all", signal))).map(({ key }) => key);
  expect(keys.filter((key) => key.endsWith("/unfinished"))).toEqual([]);
});
