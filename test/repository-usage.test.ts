import { expect, test } from "vitest";
import { UsageJson } from "../src/json/repository.ts";
import { deleteBackup } from "../src/repository/backups.ts";
import { collectGarbage } from "../src/repository/collect.ts";
import { acquireLease } from "../src/repository/lease.ts";
import { BackupId } from "../src/repository/manifest.ts";
import { readIndex } from "../src/repository/manifests.ts";
import { backedUp } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { inBucket } from "./support/in-bucket.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { ARCHIVE, FIRST, SECOND, shopRepository, THIRD } from "./support/shop-repository.ts";

async function usage(place: string, ...args: string[]) {
  const result = await runCli(["repository", "usage", ...args, "--repository", place, "--json"]);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  const [one] = UsageJson.parse(jsonOf(result)).places;
  const [database] = one?.databases ?? [];
  if (one === undefined || database === undefined) throw new Error("nothing was shown");
  return { place: one, database };
}

test("what deleting a backup is said to free is what deleting it frees", async () => {
  await using there = await shopRepository();
  const { repository } = there;
  const signal = noAbort();
  const ids = [SECOND, ARCHIVE, FIRST, THIRD];
  for (const id of ids) {
    const before = (await usage(there.place, "shop")).database;
    const own = before.backups.find((backup) => backup.id === id)?.ownBytes ?? 0;
    expect(own).toBeGreaterThan(0);
    await using lease = await acquireLease(testRuntime(), repository, "shop", "prune", signal);
    const index = await readIndex(repository, "shop", BackupId.parse(id), signal);
    await deleteBackup(repository, index, lease, signal);
    const { orphans } = (await usage(there.place, "shop")).database.stored;
    // The second run deletes; in a bucket, whose times are whole seconds in some answers, maybe a later one.
    for (let run = 0, left = 0; run < 2 || (left > 0 && run < 20); run++) {
      const report = await collectGarbage(testRuntime(), repository, "shop", lease, { minAgeMs: 0 }, signal);
      left = report.noted.objects + report.waiting.objects;
    }
    const after = (await usage(there.place, "shop")).database;
    expect(after.stored.orphans.objects).toBe(0);
    // What no index names any more was shown as orphans in between.
    expect(orphans.bytes).toBe(id === ARCHIVE ? 0 : own - manifestBytes(before, after));
    const kept = (of: typeof before): number =>
      of.storedBytes - of.stored.records.bytes - of.stored.control.bytes;
    expect(kept(before) - kept(after)).toBe(own);
  }
});

function manifestBytes(before: Stored, after: Stored): number {
  return before.stored.manifests.bytes - after.stored.manifests.bytes;
}
type Stored = Awaited<ReturnType<typeof usage>>["database"];

test("everything that lies there is counted once, by what it is", async () => {
  await using there = await shopRepository();
  const { storage } = there.repository;
  await storage.put("shop/nightly.sql.gz", Buffer.from("somebody's own"), noAbort());
  await storage.put("shop/notes.txt", Buffer.from("??"), noAbort());
  const { database, place } = await usage(there.place, "shop");
  expect(database.counts).toEqual({ archives: 1, snapshots: 3, damaged: 0, foreign: 1 });
  expect(database.stored).toMatchObject({
    archives: { objects: 1 },
    // 1 2 3 4 a b
    parts: { objects: 6 },
    // orders three times; items twice, for its list of the second snapshot is written anew
    manifests: { objects: 12 },
    foreign: { objects: 1, bytes: 14 },
    unknown: { objects: 1, bytes: 2 },
    control: { objects: 1 },
    orphans: { objects: 0 },
  });
  let all = 0;
  for await (const { size } of storage.list("shop/", "all", noAbort())) all += size;
  expect(database.storedBytes).toBe(all);
  if (inBucket()) {
    expect(place).toMatchObject({ freeBytes: null, daysUntilFull: null });
    return;
  }
  expect(place.freeBytes).toBeGreaterThan(0);
  expect(place.daysUntilFull).toBe(Math.floor((place.freeBytes ?? 0) / (place.growth?.bytesPerDay ?? 1)));
});

test("a damaged index hides nothing else, and is told", async () => {
  await using there = await shopRepository();
  const { storage } = there.repository;
  await storage.put(`shop/backups/${SECOND}/index`, Buffer.from("{"), noAbort());
  await storage.delete(`shop/backups/${THIRD}/tables`, noAbort());
  const { database } = await usage(there.place, "shop");
  expect(database.counts).toMatchObject({ snapshots: 1, damaged: 2 });
  expect(database.backups.map(({ id }) => id)).toEqual([THIRD, FIRST, ARCHIVE]);
  expect(database.doubts).toHaveLength(2);
  expect(database.stored.orphans.objects).toBeGreaterThan(0);
  const { stdout } = await runCli(["repository", "usage", "--repository", there.place]);
  expect(stdout).toContain(`not counted backup ${SECOND}`);
});

test("a real database: what did not change is stored once", async () => {
  await using there = await backedUp({
    sql: "create table t as select i, md5(i::text) as text from generate_series(1, 2000) i",
    backup: ["--kind", "snapshot"],
  });
  await there.backup("--kind", "snapshot");
  const { database } = await usage(there.repository, there.name);
  expect(database.counts).toMatchObject({ snapshots: 2, damaged: 0 });
  expect(database.deduplication).toBeGreaterThan(1.9);
  expect(database.growth).toBeNull();
  const { stdout } = await runCli(["repository", "usage", there.name, "--repository", there.repository]);
  expect(stdout).toContain("too little history");
  expect(stdout).toContain(there.id);
});
