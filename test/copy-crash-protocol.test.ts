import { join } from "node:path";
import { expect, test } from "vitest";
import { copyBetween, type PlaceReport } from "../src/operations/copy.ts";
import { isAppError } from "../src/errors.ts";
import { pruneDatabase } from "../src/operations/prune.ts";
import { listBackups, listForeign } from "../src/repository/backups.ts";
import { acquireLease } from "../src/repository/lease.ts";
import { openOrCreateRepository, openRepository } from "../src/repository/repository.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import type { Storage } from "../src/storage/storage.ts";
import { KeyRing } from "../src/lib/key-ring.ts";
import type { Runtime } from "../src/lib/runtime.ts";
import { buryHolders } from "./support/bury-holders.ts";
import { dyingAt, faulty } from "./support/faulty-storage.ts";
import { identityIn } from "./support/keys.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { takeSample } from "./support/sample-backup.ts";
import { takeSampleSnapshot } from "./support/sample-snapshot.ts";

const signal = noAbort();
const ARCHIVE = "20241209T020000Z-00aa";
const FIRST = "20241210T020000Z-00bb";
const SECOND = "20241211T020000Z-00cc";
const IDS = [ARCHIVE, FIRST, SECOND];
const rules = { entries: {}, otherwise: undefined, garbageAgeMs: 0 };

/** A place with an archive and two snapshots that share a part and a part list. */
async function source(runtime: Runtime = testRuntime()): Promise<Storage> {
  const storage = memoryStorage();
  const repository = await openOrCreateRepository(runtime, storage, signal);
  await using lease = await acquireLease(runtime, repository, "shop", "backup", signal);
  await takeSample(repository, lease, { id: ARCHIVE }, signal);
  const same = ["1\tone\n"];
  await takeSampleSnapshot(repository, lease, { id: FIRST, tables: { same, other: ["2\n", "3\n"] } }, signal);
  await takeSampleSnapshot(
    repository,
    lease,
    { id: SECOND, tables: { same, other: ["2\n", "4\n"] } },
    signal,
  );
  return storage;
}

async function copy(
  from: Storage,
  to: Storage,
  runtime: Runtime = testRuntime(),
): Promise<PlaceReport | undefined> {
  const places = [
    { name: "from", storage: from, rules },
    { name: "to", storage: to, rules },
  ];
  const request = { database: "shop", places, to: ["to"], prefix: "handled", timeZone: "UTC" };
  const [report] = await copyBetween(
    runtime,
    { ...request, jobs: 2, dryRun: false, newPlaces: ["to"], pruned: [] },
    signal,
  );
  return report;
}

/** Everything but what every place has of its own. */
async function objects(storage: Storage): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const { key } of storage.list("", "all", signal)) {
    if (/lease\.|readers\/|repository\.json|^system\//.test(key)) continue;
    found.set(key, (await storage.get(key, signal)).toString("base64"));
  }
  return found;
}

/** Whatever is listed is whole: it can be copied on, and nothing passes for a damaged or a foreign backup. */
async function expectSound(storage: Storage, runtime: Runtime = testRuntime()): Promise<string[]> {
  const keys = await storage.keys("", "all", signal);
  if (!keys.includes("repository.json")) return [];
  const repository = await openRepository(runtime, storage, signal);
  const { backups, damaged } = await listBackups(repository, "shop", signal);
  expect(damaged).toEqual([]);
  expect(await listForeign(repository, "shop", backups, signal)).toEqual([]);
  const report = await copy(storage, memoryStorage(), runtime);
  expect(report).toMatchObject({ lacking: [], failure: undefined });
  expect(report?.copied).toHaveLength(backups.length);
  return backups.map(({ id }) => id);
}

/** Of a host that has the recipient, and a key of its own, and no identity. */
function hostRuntime(folder: string): Runtime {
  const runtime = testRuntime({ keys: new KeyRing(), env: { HANDLED_IDENTITY: "" } });
  const { recipient } = identityIn(folder);
  runtime.keys.want(memoryStorage().place, {
    recipients: [recipient],
    hostKeyFile: join(folder, "host.key"),
  });
  return runtime;
}

test.each([
  ["plain", () => testRuntime(), 1],
  // Sealing takes its time: every second moment.
  ["sealed", hostRuntime, 2],
])(
  "a %s copy that dies between any two operations leaves only whole backups, and the next one completes it",
  async (_what, make, step) => {
    await using folder = await temporaryFolder();
    const runtime = make(folder.path);
    const from = await source(runtime);
    const whole = await objects(from);
    const seen = new Set<string>();
    for (let moment = 1, died = true; died; moment += step) {
      const to = memoryStorage();
      const death = dyingAt(moment);
      // A dead place fails like any other; what it was told to do after its death was not done.
      await copy(from, faulty(to, death), runtime).catch((error: unknown) => {
        if (!death.died()) throw error;
      });
      died = death.died();
      await buryHolders(to, signal);
      await buryHolders(from, signal);
      seen.add((await expectSound(to, runtime)).toSorted().join());
      const report = await copy(from, to, runtime);
      expect(report).toMatchObject({ lacking: [], failure: undefined, damaged: [] });
      expect(await expectSound(to, runtime)).toHaveLength(IDS.length);
      const there = await objects(to);
      // A dead copy of a snapshot may leave parts to be collected, but never other bytes.
      for (const [key, data] of whole) expect(there.get(key), key).toBe(data);
    }
    if (step > 1) return;
    // The newest comes first.
    expect([...seen].toSorted((a, b) => a.length - b.length)).toEqual([
      "",
      SECOND,
      [FIRST, SECOND].join(),
      IDS.join(),
    ]);
  },
);

test("two copies into one place at once: the lease lets one go first, and both end with everything there", async () => {
  const from = await source();
  const to = memoryStorage();
  const both = await Promise.all([copy(from, to), copy(from, to)]);
  await copy(from, to);
  expect(await objects(to)).toEqual(await objects(from));
  // Whoever was kept out says so.
  for (const report of both) if (report?.copied.length === 0) expect(report.failure?.code).toBe("lease_held");
});

test("a copy and a pruning in one place at once: one waits its turn, and nothing that is kept is hurt", async () => {
  const from = await source();
  const to = memoryStorage();
  await copy(from, to);
  const request = { storage: to, database: "shop", timeZone: "UTC", prefix: "handled", dryRun: false };
  const keepOne = { ...rules, otherwise: { last: 1 } };
  const prune = async () =>
    await pruneDatabase(testRuntime(), { ...request, rules: keepOne }, signal).catch((error: unknown) => {
      if (!isAppError(error, "lease_held")) throw error;
    });
  // Where the copy wants everything and the pruning one of each kind, they undo each other's work, and never half of it.
  for (let round = 0; round < 5; round++) {
    await Promise.all([copy(from, to), prune()]);
    expect(await expectSound(to)).toContain(SECOND);
  }
  await copy(from, to);
  expect(await expectSound(to)).toHaveLength(IDS.length);
});

test("a copy that was taken for dead, and made void, is brought over all the same", async () => {
  const from = await source();
  const to = memoryStorage();
  await copy(from, to);
  const key = `shop/backups/${SECOND}/index`;
  await to.put(key, Buffer.from('{"format":1,"void":true}\n'), signal);
  for (const name of ["tables", "content"]) await to.delete(`shop/backups/${SECOND}/${name}`, signal);
  expect((await copy(from, to))?.copied.map(({ index }) => index.id)).toEqual([SECOND]);
  expect(await objects(to)).toEqual(await objects(from));
});

test("another file under the archive's name stays, and the copy says what to do", async () => {
  const from = await source();
  const to = memoryStorage();
  const keys = await from.keys("shop/", "here", signal);
  const archive = keys.find((key) => key.endsWith(".sql.gz")) ?? "";
  await to.put(archive, Buffer.from("precious"), signal);
  const report = await copy(from, to);
  expect(report?.lacking).toMatchObject([{ id: ARCHIVE, reason: { code: "object_exists" } }]);
  expect(report?.copied).toHaveLength(2);
  expect((await to.get(archive, signal)).toString()).toBe("precious");
  // The very same bytes are taken for what they are.
  await to.put(archive, await from.get(archive, signal), signal);
  expect((await copy(from, to))?.copied.map(({ index }) => index.id)).toEqual([ARCHIVE]);
});

test("a part that was removed behind our back is brought again with the next backup that needs it", async () => {
  const from = await source();
  const to = memoryStorage();
  await copy(from, to);
  await to.delete(`shop/backups/${SECOND}/index`, signal);
  for (const name of ["tables", "content"]) await to.delete(`shop/backups/${SECOND}/${name}`, signal);
  for (const key of await to.keys("shop/parts/", "all", signal)) await to.delete(key, signal);
  expect((await copy(from, to))?.copied.map(({ index }) => index.id)).toEqual([SECOND]);
  const onward = await copy(to, memoryStorage());
  expect(onward?.copied.map(({ index }) => index.id)).toContain(SECOND);
  // What only the other one needs is still gone, and is not spread as a backup.
  expect(onward?.lacking).toMatchObject([{ id: FIRST, reason: { code: "backup_damaged" } }]);
});
