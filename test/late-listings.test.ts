import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { deleteBackup, listBackups, recoverUnfinished } from "../src/repository/backups.ts";
import { collectGarbage } from "../src/repository/collect.ts";
import { acquireLease, type Lease } from "../src/repository/lease.ts";
import { leaseNumber } from "../src/repository/layout.ts";
import { openOrCreateRepository, type Repository } from "../src/repository/repository.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import type { Storage } from "../src/storage/storage.ts";
import { faulty } from "./support/faulty-storage.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { takeSample } from "./support/sample-backup.ts";
import { readSnapshot, takeSampleSnapshot } from "./support/sample-snapshot.ts";

const signal = noAbort();
const DAY_MS = 86_400_000;
const TABLES = { orders: ["1\n", "2\n"], items: ["i\n"] };
const ARCHIVES = ["20241201T020000Z-00aa", "20241202T020000Z-00bb", "20241203T020000Z-00cc"];
const SNAPSHOTS = ["20241204T020000Z-00dd", "20241205T020000Z-00ee", "20241206T020000Z-00ff"];

async function asWriter(
  storage: Storage,
  work: (repository: Repository, lease: Lease) => Promise<void>,
): Promise<void> {
  const runtime = testRuntime();
  const repository = await openOrCreateRepository(runtime, storage, signal);
  await using lease = await acquireLease(runtime, repository, "shop", "test", signal);
  await recoverUnfinished(runtime, repository, "shop", lease, signal);
  await work(repository, lease);
}

// Today's object stores list what was just written; a gateway or cache in between may not.
test.each([3, 10, 40])("where listings are %i operations late nobody writes at all", async (operations) => {
  const real = memoryStorage();
  const ids = [...ARCHIVES];
  for (const id of ids) {
    const storage = id === ids[0] ? real : faulty(real, { late: { operations } });
    const writing = asWriter(
      storage,
      async (repository, lease) => void (await takeSample(repository, lease, { id }, signal)),
    );
    if (id === ids[0]) await writing;
    else {
      await expect(writing).rejects.toMatchObject({
        code: "repository_unusable",
        message: expect.stringContaining("which was just written"),
      });
    }
  }
  const repository = await openOrCreateRepository(testRuntime(), real, signal);
  const { backups, damaged } = await listBackups(repository, "shop", signal);
  expect({ backups: backups.map(({ id }) => id), damaged }).toEqual({ backups: [ids[0]], damaged: [] });
});

test.each([1, 3, 10, 40])(
  "listings that are %i operations late, but not of leases, cost no backup",
  async (operations) => {
    let now = Date.parse("2024-12-10T00:00:00Z");
    const real = memoryStorage(() => new Date(now));
    const late = faulty(real, { late: { operations, keys: (key) => leaseNumber(key) === undefined } });
    for (const id of ARCHIVES) {
      await asWriter(
        late,
        async (repository, lease) => void (await takeSample(repository, lease, { id }, signal)),
      );
    }
    for (const id of SNAPSHOTS) {
      await asWriter(late, async (repository, lease) => {
        await takeSampleSnapshot(repository, lease, { id, tables: TABLES }, signal);
      });
    }
    const [oldArchive = "", ...archives] = ARCHIVES;
    const [oldSnapshot = "", ...snapshots] = SNAPSHOTS;
    await asWriter(late, async (repository, lease) => {
      const { backups } = await listBackups(
        await openOrCreateRepository(testRuntime(), real, signal),
        "shop",
        signal,
      );
      for (const index of backups) {
        if (index.id === oldArchive || index.id === oldSnapshot)
          await deleteBackup(repository, index, lease, signal);
      }
    });
    for (let run = 0; run < 3; run++) {
      await asWriter(late, async (repository, lease) => {
        await collectGarbage(testRuntime(), repository, "shop", lease, {}, signal);
      });
      now += 2 * DAY_MS;
    }
    const repository = await openOrCreateRepository(testRuntime(), real, signal);
    const { backups, damaged } = await listBackups(repository, "shop", signal);
    expect(damaged).toEqual([]);
    expect(backups.map(({ id }) => id)).toEqual([...archives, ...snapshots].toReversed());
    for (const index of backups) {
      if (index.kind === "snapshot") {
        expect(await readSnapshot(repository, index, signal)).toEqual(Object.values(TABLES).flat());
      } else {
        const archive = await real.get(index.archive.key, signal);
        expect(createHash("sha256").update(archive).digest("hex")).toBe(index.archive.sha256);
      }
    }
  },
);
