import { expect, test } from "vitest";
import { diskFull, faulty, type Faults } from "../../test/support/faulty-storage.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { sampleBackup, takeSample } from "../../test/support/sample-backup.ts";
import type { Storage } from "../storage/storage.ts";
import { memoryStorage } from "../storage/memory.ts";
import { deleteBackup, listBackups, listForeign, publishBackup } from "./backups.ts";
import { acquireLease, type Lease } from "./lease.ts";
import { openOrCreateRepository, type Repository } from "./repository.ts";

const signal = noAbort();
const OLD = "20241210T020000Z-00aa";
const NEW = "20241211T020000Z-00bb";

interface Place extends AsyncDisposable {
  readonly storage: Storage;
  readonly repository: Repository;
  readonly lease: Lease;
}

/** A repository whose storage has the faults, with one complete backup in it, and the lease of it. */
async function place(faults: Faults = {}): Promise<Place> {
  const runtime = testRuntime();
  const storage = memoryStorage();
  const sound = await openOrCreateRepository(runtime, storage, signal);
  const lease = await acquireLease(runtime, sound, "shop", "backup", signal);
  await takeSample(sound, lease, { id: OLD }, signal);
  const repository = { ...sound, storage: faulty(storage, faults) };
  return { storage, repository, lease, [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose]() };
}

async function keysOf(storage: Storage): Promise<string[]> {
  const found = await Array.fromAsync(storage.list("shop/", "all", signal));
  return found
    .map(({ key }) => key)
    .filter((key) => !key.includes("lease"))
    .toSorted();
}

test("a published backup consists of exactly its archive and its manifest", async () => {
  await using made = await place();
  expect(await keysOf(made.storage)).toEqual([
    `shop/backups/${OLD}/content`,
    `shop/backups/${OLD}/index`,
    `shop/backups/${OLD}/tables`,
    `shop/handled_${OLD}.sql.gz`,
  ]);
});

test("a deleted backup leaves nothing", async () => {
  await using made = await place();
  const before = await keysOf(made.storage);
  const index = await takeSample(made.repository, made.lease, { id: NEW }, signal);
  await deleteBackup(made.repository, index, made.lease, signal);
  expect(await keysOf(made.storage)).toEqual(before);
});

test.each(["put", "putIfAbsent", "publish"])(
  "when %s fails nothing of the backup stays",
  async (operation) => {
    await using made = await place({
      at: (point) => (point.operation === operation ? diskFull() : undefined),
    });
    const before = await keysOf(made.storage);
    const taking = takeSample(made.repository, made.lease, { id: NEW }, signal);
    await expect(taking).rejects.toMatchObject({ code: "space_missing", message: diskFull().message });
    expect(await keysOf(made.storage)).toEqual(before);
  },
);

test("an interrupted run tidies up although its signal is aborted", async () => {
  const controller = new AbortController();
  const reason = new Error("interrupted");
  await using made = await place({
    at: ({ phase, operation, key }) => {
      if (phase === "after" && operation === "put" && key.endsWith("/tables")) controller.abort(reason);
      return undefined;
    },
  });
  const before = await keysOf(made.storage);
  await expect(takeSample(made.repository, made.lease, { id: NEW }, controller.signal)).rejects.toBe(reason);
  expect(await keysOf(made.storage)).toEqual(before);
});

test("a clean-up that fails as well is told along with the first error", async () => {
  await using made = await place({
    at: ({ operation, key }) => {
      if (operation === "put" && key.endsWith("/content")) return diskFull();
      return operation === "delete" ? new Error("disk on fire") : undefined;
    },
  });
  await expect(takeSample(made.repository, made.lease, { id: NEW }, signal)).rejects.toMatchObject({
    code: "space_missing",
    message: expect.stringContaining("disk on fire"),
  });
  expect((await listBackups(made.repository, "shop", signal)).backups.map(({ id }) => id)).toEqual([OLD]);
});

test("a file that took the archive's name meanwhile survives the failed backup", async () => {
  await using made = await place();
  const backup = sampleBackup({ id: NEW });
  const { key } = backup.head.archive;
  await using staged = await made.repository.storage.stage(key, signal);
  await staged.write(backup.archive);
  await staged.finish();
  await made.storage.put(key, Buffer.from("another tool's dump"), signal);
  await expect(publishBackup(made.repository, staged, backup, made.lease, signal)).rejects.toMatchObject({
    code: "object_exists",
  });
  expect((await made.storage.get(key, signal)).toString()).toBe("another tool's dump");
  const { backups } = await listBackups(made.repository, "shop", signal);
  const foreign = await listForeign(made.repository, "shop", backups, signal);
  expect(foreign.map((object) => object.key)).toEqual([key]);
});

test("without the lease nothing is published and nothing deleted", async () => {
  await using made = await place();
  const before = await keysOf(made.storage);
  const { backups } = await listBackups(made.repository, "shop", signal);
  await made.storage.put("shop/lease.99.json", Buffer.from("taken over"), signal);
  const lost = { code: "lease_lost" };
  await expect(takeSample(made.repository, made.lease, { id: NEW }, signal)).rejects.toMatchObject(lost);
  for (const index of backups) {
    await expect(deleteBackup(made.repository, index, made.lease, signal)).rejects.toMatchObject(lost);
  }
  expect(await keysOf(made.storage)).toEqual(before);
});

test.each(["tables", "index"])(
  "a lease lost right after %s was written takes the backup back",
  async (name) => {
    const made = await place({
      at: ({ phase, operation, key }) => {
        const written =
          phase === "after" && operation.startsWith("put") && key === `shop/backups/${NEW}/${name}`;
        if (written) takeOver();
        return undefined;
      },
    });
    const takeOver = (): void => {
      void made.storage.put("shop/lease.99.json", Buffer.from("taken over"), signal);
    };
    const before = await keysOf(made.storage);
    await expect(takeSample(made.repository, made.lease, { id: NEW }, signal)).rejects.toMatchObject({
      code: "lease_lost",
    });
    expect(await keysOf(made.storage)).toEqual(before);
    await made[Symbol.asyncDispose]();
  },
);
