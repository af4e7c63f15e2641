import { describe, expect, test } from "vitest";
import { partKey } from "../src/repository/layout.ts";
import { type Laboratory, lineOf, openLaboratory, rangesOf, type Taken } from "./reuse/laboratory.ts";
import { expectedDatabase } from "./support/backed-up.ts";
import { ListJson } from "../src/json/look.ts";
import { StatusJson } from "../src/json/status.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { type Damage, damageStored } from "./support/damage-stored.ts";
import { contentsOf } from "./support/database-contents.ts";
import { inBucket } from "./support/in-bucket.ts";
import { uniqueName } from "./support/postgres.ts";
import { quietCluster } from "./support/quiet-cluster.ts";
import { noAbort } from "./support/runtime.ts";

const { freshDatabase } = quietCluster();

// Three ranges, each of one part; and a table that nobody touches.
const SQL = `create table t (a int, b text) with (fillfactor = 10);
  insert into t select g, md5(g::text) from generate_series(1, 15000) g;
  create table u as select 1 as a`;

/** The keys of a table's parts, in the order of the blocks. */
async function partsOf({ repository }: Laboratory, taken: Taken, table: string): Promise<string[]> {
  const ranges = await rangesOf(repository, lineOf(taken, table));
  return ranges.flatMap(({ parts }) => parts.map((part) => partKey("shop", part.name)));
}

/** What `list` says of each backup, newest first: what it came from and what was found first; null: nothing is known against it. */
async function heldAgainst({ url }: Laboratory): Promise<readonly (readonly [string, string] | null)[]> {
  const { databases } = ListJson.parse(jsonOf(await runCli(["list", "--repository", url, "--json"])));
  return (databases[0]?.backups ?? []).map(({ proof }) =>
    proof?.outcome === "failed" ? [proof.operation, proof.problem ?? ""] : null,
  );
}

/** The backups that `status` finds damaged. */
async function foundDamaged({ url }: Laboratory): Promise<readonly string[]> {
  const { databases } = StatusJson.parse(
    jsonOf(await runCli(["status", "shop", "--repository", url, "--json"])),
  );
  return (databases[0]?.problems ?? []).flatMap(({ id, subject }) =>
    id === "backup-damaged" ? [subject] : [],
  );
}

/** Damages one of the parts of a table. */
async function damagePart(
  lab: Laboratory,
  taken: Taken,
  table: string,
  n: number,
  how: Damage,
): Promise<void> {
  await damageStored(lab.storage, (await partsOf(lab, taken, table))[n] ?? "", how);
}

async function verify({ url }: Laboratory, id: string): Promise<number | null> {
  const args = ["verify", "shop", id, "--level", "integrity", "--repository", url];
  return (await runCli(args)).code;
}

// A bucket tells of both what a folder tells, and takes longer to.
const WAYS: readonly Damage[] = inBucket() ? ["cut"] : ["removed", "cut"];

describe.each(WAYS)("a part that was %s", (how) => {
  test("has its range read again, once; the snapshot is whole and is restored to the row", async () => {
    await using database = await freshDatabase({ sql: SQL });
    await using lab = await openLaboratory();
    const first = await lab.take(database.url);
    const second = await lab.take(database.url);
    expect(second.index.snapshot.parts).toEqual({ read: 0, reused: 4 });
    expect(await partsOf(lab, second, "t")).toHaveLength(3);
    await damagePart(lab, second, "t", 1, how);
    const healed = await lab.take(database.url);
    expect(healed.code).toBe(0);
    expect(healed.index.snapshot).toMatchObject({
      parts: { read: 1, reused: 3 },
      newParts: 1,
      fullRead: null,
    });
    expect(lineOf(healed, "t").note).toContain("1 range");
    expect(healed.stderr).toContain(`1 part of ${second.index.id} and ${first.index.id} is missing`);
    expect(healed.stderr).toContain(`handled verify shop ${second.index.id}`);
    const lacking = ["backup", expect.stringContaining("is not there in the size it was stored with")];
    expect(await heldAgainst(lab)).toEqual([null, lacking, lacking]);
    expect(await foundDamaged(lab)).toEqual([second.index.id, first.index.id]);
    expect(await verify(lab, healed.index.id)).toBe(0);
    expect(await verify(lab, second.index.id)).toBe(13);

    await using restored = expectedDatabase(uniqueName(), database.url);
    const place = ["--url", database.url, "--repository", lab.url];
    const result = await runCli(["restore", "shop", "latest", "--new-database", restored.name, ...place]);
    expect(result.code, result.stderr).toBe(0);
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(database.url));
  });

  test("ends counting against a snapshot when it is whole again and was verified", async () => {
    await using database = await freshDatabase({ sql: SQL });
    await using lab = await openLaboratory();
    const first = await lab.take(database.url);
    const [key = ""] = await partsOf(lab, first, "t");
    const whole = await damageStored(lab.storage, key, how);
    await lab.take(database.url);
    expect(await foundDamaged(lab)).toEqual([first.index.id]);
    await lab.storage.put(key, whole, noAbort());
    await lab.take(database.url);
    expect(await foundDamaged(lab)).toEqual([first.index.id]);
    expect(await verify(lab, first.index.id)).toBe(0);
    expect(await foundDamaged(lab)).toEqual([]);
  });

  test("is told once, when it is healed; older snapshots may lack it still", async () => {
    await using database = await freshDatabase({ sql: SQL });
    await using lab = await openLaboratory();
    const first = await lab.take(database.url);
    await damagePart(lab, first, "t", 2, how);
    expect((await lab.take(database.url)).stderr).toContain(`1 part of ${first.index.id} is missing`);
    const next = await lab.take(database.url);
    expect(next.index.snapshot.parts).toEqual({ read: 0, reused: 4 });
    expect(next.stderr).not.toContain("missing");
    expect(await heldAgainst(lab)).toEqual([null, null, ["backup", expect.anything()]]);
    // Another one, which these all name: of the first, nobody need hear again.
    await damagePart(lab, first, "t", 0, how);
    const again = await lab.take(database.url);
    expect(again.index.snapshot.parts).toEqual({ read: 1, reused: 3 });
    expect(again.stderr).toContain(`1 part of ${next.index.id} and `);
  });

  test("costs no more than its range, though a verification tells later that it is lost", async () => {
    await using database = await freshDatabase({ sql: SQL });
    await using lab = await openLaboratory();
    const first = await lab.take(database.url);
    await damagePart(lab, first, "t", 1, how);
    const healed = await lab.take(database.url);
    expect(await verify(lab, first.index.id)).toBe(13);
    const next = await lab.take(database.url);
    expect(next.index.snapshot).toMatchObject({ parts: { read: 0, reused: 4 }, fullRead: null });
    expect(next.stderr).not.toContain("missing");
    expect(next.index.snapshot.baseline?.generation).toBe(3);
    expect(await verify(lab, healed.index.id)).toBe(0);
  });

  test("does not stand for the same rows elsewhere", async () => {
    await using database = await freshDatabase({ sql: SQL });
    await using lab = await openLaboratory();
    const first = await lab.take(database.url);
    await damagePart(lab, first, "t", 0, how);
    // The same text, of which only the hash is known.
    await database.query("create table moved with (fillfactor = 10) as select * from t; drop table t");
    const moved = await lab.take(database.url);
    expect(moved.code).toBe(0);
    expect(moved.index.snapshot).toMatchObject({ parts: { read: 3, reused: 1 }, newParts: 1 });
    expect(await verify(lab, moved.index.id)).toBe(0);
  });

  test("leaves retention a whole snapshot, though it keeps one alone", async () => {
    await using database = await freshDatabase({ sql: SQL });
    await using lab = await openLaboratory();
    const first = await lab.take(database.url);
    await damagePart(lab, first, "u", 0, how);
    const kept = await lab.take(database.url, ["--keep", "last=1"]);
    // The other one stays for somebody to look at.
    expect(await heldAgainst(lab)).toEqual([null, ["backup", expect.stringContaining("public.u")]]);
    expect(await verify(lab, kept.index.id)).toBe(0);
  });
});

test("parts that are all gone are all read again", async () => {
  await using database = await freshDatabase({ sql: SQL });
  await using lab = await openLaboratory();
  const first = await lab.take(database.url);
  for (const part of await lab.storage.keys("shop/parts/", "all", noAbort())) {
    await damageStored(lab.storage, part, "removed");
  }
  const again = await lab.take(database.url);
  expect(again.index.snapshot).toMatchObject({ parts: { read: 4, reused: 0 }, newParts: 4 });
  expect(again.stderr).toContain(`4 parts of ${first.index.id} are missing`);
});

/** A snapshot of a schema without tables. */
async function takeOther(lab: Laboratory, url: string): Promise<void> {
  const args = ["--kind", "snapshot", "--schema", "other", "--url", url, "--repository", lab.url];
  const { code, stderr } = await runCli(["backup", "shop", ...args]);
  expect(code, stderr).toBe(0);
}

test("what the snapshot that is built on names is looked at however many newer ones there are", async () => {
  await using database = await freshDatabase({ sql: `${SQL}; create schema other` });
  await using lab = await openLaboratory();
  const first = await lab.take(database.url);
  for (let n = 0; n < 3; n++) await takeOther(lab, database.url);
  await damagePart(lab, first, "t", 0, "removed");
  const next = await lab.take(database.url);
  expect(next.index.snapshot).toMatchObject({ parts: { read: 1, reused: 3 } });
});

test("a part that a verification found changed has its range read again, and nothing else", async () => {
  await using database = await freshDatabase({ sql: SQL });
  await using lab = await openLaboratory();
  const first = await lab.take(database.url);
  const unaware = await lab.take(database.url);
  // In its full size: only reading it tells.
  await damagePart(lab, first, "t", 1, "flipped");
  expect(await verify(lab, first.index.id)).toBe(13);
  const healed = await lab.take(database.url);
  expect(healed.index.snapshot).toMatchObject({ parts: { read: 1, reused: 3 }, newParts: 1, fullRead: null });
  // Of the first one that is known.
  expect(healed.stderr).toContain(`1 part of ${unaware.index.id} is missing or damaged`);
  expect(await heldAgainst(lab)).toEqual([
    null,
    ["backup", expect.stringContaining("was found damaged in another backup")],
    ["verify", expect.anything()],
  ]);
  expect(await verify(lab, healed.index.id)).toBe(0);
  const last = await lab.take(database.url);
  expect(last.index.snapshot.parts).toEqual({ read: 0, reused: 4 });
  expect(last.stderr).not.toContain("damaged");
});

test("after damage of which only the first is known, the next builds on a snapshot that was verified since", async () => {
  await using database = await freshDatabase({ sql: SQL });
  await using lab = await openLaboratory();
  const first = await lab.take(database.url);
  await damagePart(lab, first, "t", 1, "flipped");
  const place = ["--url", database.url, "--repository", lab.url];
  const failing = ["restore", "shop", first.index.id, "--new-database", uniqueName(), ...place];
  expect((await runCli(failing)).code).toBe(13);
  const anew = await lab.take(database.url);
  expect(anew.index.snapshot).toMatchObject({ parts: { read: 4, reused: 0 }, newParts: 4 });
  expect((await runCli(failing)).code).toBe(13);
  expect(await verify(lab, anew.index.id)).toBe(0);
  const next = await lab.take(database.url);
  expect(next.index.snapshot).toMatchObject({ parts: { read: 0, reused: 4 }, fullRead: null });
});
