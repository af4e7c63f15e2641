import { expect } from "vitest";
import { pruneDatabase, type PruneResult } from "../../src/operations/prune.ts";
import { recoverUnfinished } from "../../src/repository/backups.ts";
import { acquireLease } from "../../src/repository/lease.ts";
import { isSnapshot } from "../../src/repository/listing.ts";
import { listBackups } from "../../src/repository/backups.ts";
import { openOrCreateRepository, type Repository } from "../../src/repository/repository.ts";
import type { Keep } from "../../src/config/keep.ts";
import { memoryStorage } from "../../src/storage/memory.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { manualClock } from "./manual-clock.ts";
import { noAbort, type TestRuntime, testRuntime } from "./runtime.ts";
import { readSnapshot, takeSampleSnapshot } from "./sample-snapshot.ts";

export const DAY_MS = 24 * 60 * 60 * 1000;
const signal = noAbort();

/** Texts of the parts of each table. */
type Texts = Readonly<Record<string, readonly string[]>>;

/** Snapshots of `shop` in a storage whose clock, and the machine's, a test moves. */
export interface SnapshotShelf {
  readonly storage: Storage;
  readonly runtime: TestRuntime;
  readonly repository: Repository;
  /** What each snapshot was taken of, by its id. */
  readonly taken: ReadonlyMap<string, Texts>;
  /** Lets time go by, everywhere. */
  pass(ms: number): void;
  /** Takes a snapshot now; returns its id. */
  take(tables: Texts): Promise<string>;
  prune(keep: Keep, options?: PruneOptions): Promise<PruneResult>;
  /** Reads every snapshot that is listed to its last byte; returns their ids, newest first. */
  expectWhole(): Promise<string[]>;
  /** Nothing is stored but what the listed snapshots need. */
  expectTidy(): Promise<void>;
}

interface PruneOptions {
  readonly dryRun?: boolean;
  readonly garbageAgeMs?: number;
  /** In the place of the shelf's own. */
  readonly storage?: Storage;
}

/** @param around puts another storage around the one in memory */
export async function snapshotShelf(
  start = "2024-12-01T00:00:00Z",
  around: (storage: Storage, now: () => Date) => Storage = (storage) => storage,
): Promise<SnapshotShelf> {
  let now = Date.parse(start);
  const clock = { ...manualClock(), now: () => new Date(now) };
  const runtime = testRuntime({ clock });
  const storage = around(
    memoryStorage(() => new Date(now)),
    () => new Date(now),
  );
  const repository = await openOrCreateRepository(runtime, storage, signal);
  const taken = new Map<string, Texts>();
  const expectWhole = async (): Promise<string[]> => {
    const { backups, damaged } = await listBackups(repository, "shop", signal);
    expect(damaged).toEqual([]);
    for (const index of backups.filter(isSnapshot)) {
      const texts = Object.values(taken.get(index.id) ?? {}).flat();
      expect(await readSnapshot(repository, index, signal)).toEqual(texts);
    }
    return backups.map(({ id }) => id);
  };
  return {
    storage,
    runtime,
    repository,
    taken,
    pass: (ms) => {
      now += ms;
    },
    take: async (tables) => {
      const second = new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, "");
      const id = `${second}Z-${String(taken.size).padStart(4, "0")}`;
      taken.set(id, tables);
      await using lease = await acquireLease(runtime, repository, "shop", "backup", signal);
      await recoverUnfinished(runtime, repository, "shop", lease, signal);
      await takeSampleSnapshot(repository, lease, { id, tables }, signal);
      return id;
    },
    prune: async (keep, options = {}) =>
      await pruneDatabase(
        runtime,
        {
          storage: options.storage ?? storage,
          database: "shop",
          rules: { entries: {}, otherwise: keep, garbageAgeMs: options.garbageAgeMs ?? DAY_MS },
          timeZone: "UTC",
          prefix: "handled",
          dryRun: options.dryRun === true,
        },
        signal,
      ),
    expectWhole,
    expectTidy: async () => {
      const ids = await expectWhole();
      const tables = ids.map((id) => taken.get(id) ?? {});
      const texts = new Set(tables.flatMap((one) => Object.values(one).flat()));
      // Snapshots share only parts here: each writes its own lists.
      const lists = tables.reduce((sum, one) => sum + Object.keys(one).length, 0);
      const keys = await storage.keys("shop/", "all", signal);
      const under = (folder: string): string[] => keys.filter((key) => key.startsWith(`shop/${folder}/`));
      expect(under("parts")).toHaveLength(texts.size);
      expect(under("tables")).toHaveLength(lists);
      expect(under("backups")).toHaveLength(ids.length * 3);
      expect(under("records").filter((key) => key.endsWith(".note"))).toEqual([]);
    },
  };
}
