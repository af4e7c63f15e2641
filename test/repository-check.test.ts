import { describe, expect, test } from "vitest";
import { CheckJson } from "../src/json/repository.ts";
import { acquireLease } from "../src/repository/lease.ts";
import { indexKey } from "../src/repository/layout.ts";
import { BackupId } from "../src/repository/manifest.ts";
import { readIndex } from "../src/repository/manifests.ts";
import { writeMark } from "../src/repository/marks.ts";
import { backedUp } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { type Damage, damageStored, DAMAGES } from "./support/damage-stored.ts";
import { freshPlace } from "./support/fresh-place.ts";
import { inBucket } from "./support/in-bucket.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { ARCHIVE, FIRST, keysOf, SECOND, shopRepository, THIRD } from "./support/shop-repository.ts";

type Place = CheckJson["places"][number];

async function check(place: string, ...args: string[]): Promise<Place & { readonly code: number | null }> {
  const result = await runCli(["repository", "check", ...args, "--repository", place, "--json"]);
  const [one] = CheckJson.parse(jsonOf(result)).places;
  if (one === undefined) throw new Error(`nothing was shown: ${result.stderr}`);
  return { ...one, code: result.code };
}

const damaged = ({ findings }: Place): string[] =>
  findings.filter(({ level }) => level === "damage").map(({ backup }) => backup ?? "");
const others = ({ findings }: Place): string[] =>
  findings.filter(({ level }) => level !== "damage").map(({ id, level }) => `${level} ${id}`);

test("a sound repository: nothing to say, but that only a verification proves rows", async () => {
  await using there = await shopRepository();
  expect(await check(there.place)).toMatchObject({
    code: 0,
    databases: ["shop"],
    backups: 4,
    findings: [],
  });
  const { stdout } = await runCli(["repository", "check", "--repository", there.place]);
  expect(stdout).toContain("everything that the backups name is there");
  expect(stdout).toContain("`handled verify` is what proves them");
});

describe("damage of each kind of object is told of every backup that needs it, and of no other", () => {
  const folder = (id: string, name: string): string => `shop/backups/${id}/${name}`;
  type There = Awaited<ReturnType<typeof shopRepository>>;
  const cases: readonly [string, (there: There) => Promise<string>, string[], Damage[]][] = [
    ["the index of an archive", async () => folder(ARCHIVE, "index"), [ARCHIVE], ["removed", "cut"]],
    ["the index of a snapshot", async () => folder(SECOND, "index"), [SECOND], [...DAMAGES]],
    ["the tables of an archive", async () => folder(ARCHIVE, "tables"), [ARCHIVE], ["removed", "cut"]],
    ["the tables of a snapshot", async () => folder(SECOND, "tables"), [SECOND], [...DAMAGES]],
    ["the content of an archive", async () => folder(ARCHIVE, "content"), [ARCHIVE], ["removed", "cut"]],
    ["the content of a snapshot", async () => folder(THIRD, "content"), [THIRD], ["removed", "cut"]],
    ["an archive", async () => `shop/handled_${ARCHIVE}.sql.gz`, [ARCHIVE], ["removed", "cut"]],
    ["a part list", async (there) => (await keysOf(there, THIRD, "orders")).list, [THIRD], [...DAMAGES]],
    [
      "a part of two snapshots",
      async (there) => (await keysOf(there, FIRST, "orders")).parts[0] ?? "",
      [FIRST, SECOND],
      ["removed", "cut"],
    ],
    [
      "a part of one",
      async (there) => (await keysOf(there, THIRD, "orders")).parts[1] ?? "",
      [THIRD],
      ["removed", "cut"],
    ],
  ];
  for (const [what, keyOf, backups, damages] of cases) {
    // What a place answers of an object that is damaged is the storage's own matter: in buckets one way is enough.
    for (const damage of inBucket() ? damages.slice(-1) : damages) {
      test(`${what}, ${damage}`, async () => {
        await using there = await shopRepository();
        await damageStored(there.repository.storage, await keyOf(there), damage);
        const found = await check(there.place);
        expect(damaged(found).toSorted()).toEqual(backups.toSorted());
        expect(found).toMatchObject({ code: 13, damaged: backups.length });
        for (const { level, hint } of found.findings) if (level === "damage") expect(hint).not.toBeNull();
      });
    }
  }
});

test("a changed bit in a part is left to verify, as it says", async () => {
  await using there = await shopRepository();
  const [part = ""] = (await keysOf(there, FIRST, "orders")).parts;
  await damageStored(there.repository.storage, part, "flipped");
  expect(await check(there.place)).toMatchObject({ code: 0 });
});

test("without repository.json, or with a damaged one, the backups are still looked at", async () => {
  await using there = await shopRepository();
  const { storage } = there.repository;
  await storage.put("repository.json", Buffer.from("{"), noAbort());
  const broken = await check(there.place);
  expect(broken).toMatchObject({ code: 4, backups: 4 });
  expect(others(broken)).toEqual(["problem repository-file"]);
  await storage.delete("repository.json", noAbort());
  expect(others(await check(there.place))).toEqual(["problem repository-file"]);
  // Where there is nothing of ours there is no repository.
  await using elsewhere = await freshPlace();
  const none = await runCli(["repository", "check", "--repository", elsewhere.url]);
  expect(none).toMatchObject({ code: 10, stdout: "" });
});

test("what crashed runs and other people leave is told, each with what to do", async () => {
  await using there = await shopRepository();
  const { repository, place } = there;
  const { storage } = repository;
  const signal = noAbort();
  const write = async (key: string, text: string): Promise<void> =>
    await storage.put(key, Buffer.from(text), signal);
  const index = await readIndex(repository, "shop", BackupId.parse(FIRST), signal);
  await writeMark(storage, index, "delete", signal);
  await write("shop/.handled-0b8e3a52-6f7c-4a1e-9d0f-2f1f4a3b5c6d.tmp", "half");
  await write("shop/readers/garbled.json", "{");
  await write("shop/records/garbage/x.note", "garbled\n");
  await write("shop/lease.9.json", "garbled");
  await write("shop/shopping-list.txt", "milk");
  await write("README", "ours");
  const isLink = await storage.link("shop/handled_shop_latest.sql.gz", "shop/nowhere", signal);
  const found = await check(place);
  expect(found.code).toBe(4);
  expect(others(found).toSorted()).toEqual(
    [
      "note unknown-names",
      "note unknown-names",
      "problem garbage-note",
      ...(isLink ? ["problem latest-link"] : []),
      "problem lease",
      "problem read-marker",
      "problem temporary-files",
      "problem unfinished",
    ].toSorted(),
  );
  for (const { level, hint } of found.findings) expect(hint === null).toBe(level === "note");
});

test("while a backup runs, what it has not finished is no problem", async () => {
  await using there = await shopRepository();
  const { repository, place } = there;
  const signal = noAbort();
  await using _lease = await acquireLease(testRuntime(), repository, "shop", "backup", signal);
  await using staged = await repository.storage.stage("shop/parts/ab", signal);
  await staged.write(Buffer.from("x"));
  await staged.finish();
  // What is this small lies in a bucket under its temporary key only when it is read back.
  (await staged.read(signal)).destroy();
  const index = await readIndex(repository, "shop", BackupId.parse(FIRST), signal);
  await writeMark(repository.storage, index, "write", signal);
  await repository.storage.delete(indexKey("shop", index.id), signal);
  const found = await check(place);
  expect(found.code).toBe(0);
  expect(others(found)).toContain("note lease");
  expect(others(found)).toContain("note unfinished");
  expect(others(found)).toContain("note temporary-files");
});

test("real backups: sound at first; a part that is gone is told with its table", async () => {
  await using there = await backedUp({
    sql: "create table t as select i, md5(i::text) as text from generate_series(1, 2000) i",
    backup: ["--kind", "snapshot"],
  });
  expect(await check(there.repository, there.name)).toMatchObject({ code: 0, findings: [], backups: 1 });
  const [part = ""] = await there.storage.keys(`${there.name}/parts/`, "all", noAbort());
  await there.storage.delete(part, noAbort());
  const found = await check(there.repository);
  expect(damaged(found)).toEqual([there.id]);
  expect(found.findings[0]?.message).toMatch(
    /cannot be restored whole: public\.t: part [0-9a-f]{64}-\w+ is not there/,
  );
});

test("a database that is not there is a problem, and the nearest name is told", async () => {
  await using there = await shopRepository();
  const result = await runCli(["repository", "check", "shopp", "--repository", there.place]);
  expect(result.code, result.stderr).toBe(4);
  expect(result.stdout).toContain("has nothing of shopp: it has shop");
  expect(result.stdout).toContain("did you mean shop?");
});
