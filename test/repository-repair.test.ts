import { cp, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { CheckJson, RepairJson } from "../src/json/repository.ts";
import { checkRepository } from "../src/operations/repository/check.ts";
import { repairRepository } from "../src/operations/repository/repair.ts";
import { acquireLease } from "../src/repository/lease.ts";
import { listBackups } from "../src/repository/backups.ts";
import { indexKey } from "../src/repository/layout.ts";
import { BackupId } from "../src/repository/manifest.ts";
import { readIndex } from "../src/repository/manifests.ts";
import { writeMark } from "../src/repository/marks.ts";
import { openFilesystem } from "../src/storage/filesystem.ts";
import { backedUp } from "./support/backed-up.ts";
import { buryHolders } from "./support/bury-holders.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { damageStored } from "./support/damage-stored.ts";
import { type Faults, faulty } from "./support/faulty-storage.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { ARCHIVE, FIRST, keysOf, SECOND, shopRepository, THIRD } from "./support/shop-repository.ts";
import { manualClock } from "./support/manual-clock.ts";

type There = Awaited<ReturnType<typeof shopRepository>>;
type Step = RepairJson["places"][number]["steps"][number];

async function repair(place: string, ...args: string[]): Promise<{ code: number | null; steps: Step[] }> {
  const result = await runCli(["repository", "repair", "--repository", place, "--json", "--yes", ...args]);
  const [one] = RepairJson.parse(jsonOf(result)).places;
  if (one === undefined) throw new Error(`nothing was shown: ${result.stderr}`);
  return { code: result.code, steps: one.steps };
}

async function check(place: string): Promise<{ code: number | null; ids: string[] }> {
  const result = await runCli(["repository", "check", "--repository", place, "--json"]);
  const [one] = CheckJson.parse(jsonOf(result)).places;
  return { code: result.code, ids: (one?.findings ?? []).map(({ id, level }) => `${level} ${id}`) };
}

const idsOf = ({ steps }: { readonly steps: readonly Step[] }): string[] =>
  steps.map(({ id }) => id).toSorted((a, b) => (a < b ? -1 : 1));

const goodBackups = async ({ repository }: There): Promise<string[]> =>
  (await listBackups(repository, "shop", noAbort())).backups.map(({ id }) => id);

const keysIn = async ({ repository }: There, prefix = ""): Promise<string[]> =>
  (await repository.storage.keys(prefix, "all", noAbort())).toSorted();

const write = async ({ repository }: There, key: string, text: string): Promise<void> =>
  await repository.storage.put(key, Buffer.from(text), noAbort());

const read = async ({ repository }: There, key: string): Promise<string> =>
  (await repository.storage.get(key, noAbort())).toString();

const LINK = "shop/handled_shop_latest.sql.gz";

/** What crashed runs and dead processes leave. Says whether the place has links. */
async function litter(there: There): Promise<boolean> {
  const signal = noAbort();
  const { repository } = there;
  const { storage } = repository;
  const index = await readIndex(repository, "shop", BackupId.parse(SECOND), signal);
  await writeMark(storage, index, "delete", signal);
  await storage.delete(indexKey("shop", index.id), signal);
  await write(there, "shop/.handled-0b8e3a52-6f7c-4a1e-9d0f-2f1f4a3b5c6d.tmp", "half");
  await write(there, "shop/records/garbage/x.note", "garbled\n");
  const isLink = await storage.link(LINK, "shop/nowhere", signal);
  await write(there, "shop/theirs.sql.gz", "somebody's own");
  await acquireLease(testRuntime({ clock: manualClock() }), repository, "shop", "backup", signal);
  await buryHolders(storage, signal);
  await storage.delete("repository.json", signal);
  return isLink;
}

test("a sound repository: nothing to repair is said, and nothing is touched", async () => {
  await using there = await shopRepository();
  const before = await keysIn(there);
  const { stdout, code } = await runCli(["repository", "repair", "--repository", there.place, "--yes"]);
  expect(code).toBe(0);
  expect(stdout).toContain("there is nothing to repair");
  expect(await keysIn(there)).toEqual(before);
});

test("what crashed runs leave is cleaned up, and each step is told; a dry run and a missing yes change nothing", async () => {
  await using there = await shopRepository();
  const isLink = await litter(there);
  const before = await keysIn(there);
  const place = ["repository", "repair", "--repository", there.place];
  const plan = await runCli([...place, "--dry-run"]);
  expect(plan).toMatchObject({ code: 0 });
  expect(plan.stdout).toContain("nothing was changed");
  expect(await runCli(place)).toMatchObject({ code: 2, stdout: "" });
  expect(await keysIn(there)).toEqual(before);

  const done = await repair(there.place);
  expect(done.code).toBe(0);
  expect([...new Set(idsOf(done))]).toEqual([
    "garbage-note",
    ...(isLink ? ["latest-link"] : []),
    "lease",
    "orphans",
    "repository-file",
    "temporary-files",
    "unfinished",
  ]);
  expect(await goodBackups(there)).toEqual([THIRD, FIRST, ARCHIVE]);
  if (isLink) expect(await readlink(join(there.place, LINK))).toBe(`handled_${ARCHIVE}.sql.gz`);
  expect(await read(there, "shop/theirs.sql.gz")).toBe("somebody's own");
  expect((await check(there.place)).code).toBe(0);
});

test("a damaged repository.json is kept beside the new one; where no index can be read, it is left", async () => {
  await using there = await shopRepository();
  await write(there, "repository.json", "{");
  expect(idsOf(await repair(there.place))).toEqual(["repository-file"]);
  expect(await read(there, "repository.damaged.json")).toBe("{");
  expect((await check(there.place)).ids).toEqual(["note unknown-names"]);

  await write(there, "repository.json", "{");
  const indexes = (await keysIn(there, "shop/backups/")).filter((key) => key.endsWith("/index"));
  for (const key of indexes) await write(there, key, "sealed");
  const refused = await runCli(["repository", "repair", "--repository", there.place, "--yes"]);
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toContain("copy repository.json back");
  expect(await read(there, "repository.json")).toBe("{");
});

describe("damage is recorded once, and the backups that have it count for nothing", () => {
  const cases: readonly [string, (there: There) => Promise<string>, string[]][] = [
    ["an archive", async () => `shop/handled_${ARCHIVE}.sql.gz`, [ARCHIVE]],
    ["tables", async () => `shop/backups/${SECOND}/tables`, [SECOND]],
    ["content", async () => `shop/backups/${THIRD}/content`, [THIRD]],
    ["a part list", async (there) => (await keysOf(there, THIRD, "orders")).list, [THIRD]],
    [
      "a part of two",
      async (there) => (await keysOf(there, FIRST, "orders")).parts[0] ?? "",
      [FIRST, SECOND],
    ],
  ];
  for (const [what, keyOf, backups] of cases) {
    test(what, async () => {
      await using there = await shopRepository();
      await damageStored(there.repository.storage, await keyOf(there), "removed");
      const objects = async () => (await keysIn(there)).filter((key) => /backups|parts|tables/.test(key));
      const before = await objects();
      const { code, steps } = await repair(there.place);
      // What cannot be read may name anything: no orphan goes while it is there, and that is told.
      expect(code).toBe(steps.some(({ left }) => left) ? 3 : 0);
      const recorded = steps.filter(({ id }) => id === "damage");
      expect(recorded).toHaveLength(backups.length);
      for (const id of backups) expect(recorded.some(({ message }) => message.includes(id))).toBe(true);
      // Nothing that an index names was deleted.
      expect(await objects()).toEqual(before);
      expect((await repair(there.place)).steps.filter(({ id }) => id === "damage")).toEqual([]);
      expect((await check(there.place)).code).toBe(13);
    });
  }
});

test("the remains of a backup without an index go in two runs, never at once, and its parts after them", async () => {
  await using there = await shopRepository();
  const folder = `shop/backups/${SECOND}/`;
  await there.repository.storage.delete(`${folder}index`, noAbort());
  const age = ["--garbage-age", "1s"];
  expect(idsOf(await repair(there.place))).toContain("index-less");
  expect(await keysIn(there, folder)).toHaveLength(2);
  const waiting = await repair(there.place);
  expect(waiting.code).toBe(3);
  expect(await keysIn(there, folder)).toHaveLength(2);
  await expect
    .poll(
      async () =>
        (await repair(there.place, ...age)).steps.some(({ message }) =>
          message.includes("deleted the remains"),
        ),
      {
        interval: 300,
        timeout: 45_000,
      },
    )
    .toBe(true);
  expect(await keysIn(there, folder)).toEqual([]);
  expect(await goodBackups(there)).toEqual([THIRD, FIRST, ARCHIVE]);
});

const CHANGES = ["put", "putIfAbsent", "publish", "write", "delete", "link", "sweep"];

/** A process that is killed right before it changes something for the n-th time. */
function dyingBefore(n: number): { readonly faults: Faults; readonly died: () => boolean } {
  let changes = 0;
  let dead = false;
  return {
    died: () => dead,
    faults: {
      at: ({ phase, operation }) => {
        if (phase === "before" && CHANGES.includes(operation)) changes += 1;
        dead ||= changes >= n;
        return dead ? new Error("killed") : undefined;
      },
    },
  };
}

test("killed before any change that it makes, a repair can be done again, and loses nothing", async () => {
  // Copied for each kill, links and all: in a folder.
  await using there = await shopRepository(true);
  await litter(there);
  await damageStored(
    there.repository.storage,
    (await keysOf(there, THIRD, "orders")).parts[1] ?? "",
    "removed",
  );
  const runtime = testRuntime();
  const request = { names: null, prefix: "handled", garbageAgeMs: 86_400_000 };
  let died = true;
  let kills = 0;
  for (; died; kills++) {
    const place = join(there.path, `killed-${kills}`);
    await cp(there.place, place, { recursive: true, verbatimSymlinks: true });
    const disk = openFilesystem(runtime, place);
    const death = dyingBefore(kills + 1);
    const storage = faulty(disk, death.faults);
    await repairRepository(runtime, { ...request, storage }, () => undefined, noAbort()).catch(
      () => undefined,
    );
    died = death.died();
    await buryHolders(disk, noAbort());
    const again = await repairRepository(runtime, { ...request, storage: disk }, () => undefined, noAbort());
    expect(again.steps.filter(({ isLeft }) => isLeft)).toEqual([]);
    const after = await checkRepository(runtime, { ...request, storage: disk }, noAbort());
    const bad = after.findings.filter(({ level }) => level !== "note");
    expect(bad.map(({ id, backup }) => [id, backup])).toEqual([["backup-damaged", THIRD]]);
    expect(after.backups).toBe(3);
    expect(await readFile(join(place, "shop/theirs.sql.gz"), "utf8")).toBe("somebody's own");
  }
  expect(kills).toBeGreaterThan(10);
});

test("real snapshots: after a repair the next one reads again what is missing, and can be restored", async () => {
  await using there = await backedUp({
    sql: "create table t as select i, md5(i::text) as text from generate_series(1, 2000) i; create table u as select 1 as one",
    backup: ["--kind", "snapshot"],
  });
  const [part = ""] = await there.storage.keys(`${there.name}/parts/`, "all", noAbort());
  await there.storage.delete(part, noAbort());
  const { code, steps } = await repair(there.repository);
  expect(code).toBe(0);
  expect(idsOf({ steps })).toEqual(["damage"]);
  const listed = await runCli(["list", there.name, "--repository", there.repository]);
  expect(listed.stdout).toContain("FAILED");
  await there.backup("--kind", "snapshot");
  const proven = await runCli(["verify", there.name, "--repository", there.repository]);
  expect(proven).toMatchObject({ code: 0 });
});
