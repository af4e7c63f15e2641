import { tmpdir } from "node:os";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PartBuilder } from "../src/engines/snapshot/part-builder.ts";
import type { CopyJob } from "../src/engines/snapshot/worker-messages.ts";
import { systemClock } from "../src/lib/clock.ts";
import { connect } from "../src/postgres/session.ts";
import { indexKey, partListKey, tablesKey } from "../src/repository/layout.ts";
import type { PartRange } from "../src/repository/part-list-lines.ts";
import { openOrCreateRepository, type Repository } from "../src/repository/repository.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import { forge } from "./reuse/forge.ts";
import { compareWithTruth, copyInProcess, type Held, holdAsIs, type TableState } from "./reuse/in-process.ts";
import { type Laboratory, lineOf, openLaboratory, rangesOf, type Taken } from "./reuse/laboratory.ts";
import { quietCluster } from "./support/quiet-cluster.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";

const { freshDatabase } = quietCluster();

const signal = noAbort();
const SPARSE = `create table t (a int, b text) with (fillfactor = 10);
  insert into t select g, md5(g::text) from generate_series(1, 7000) g`;

/** Parts of the table that were read, and that were not. */
function partsOf(taken: Taken): { read: number; reused: number } {
  const { read, reused } = lineOf(taken, "t");
  return { read: read.parts, reused: reused.parts };
}

describe("which ranges are read", () => {
  test("of a table that grows and shrinks at its end", async () => {
    await using database = await freshDatabase({ sql: SPARSE });
    await using lab = await openLaboratory();
    expect(partsOf(await lab.take(database.url))).toEqual({ read: 2, reused: 0 });
    expect(partsOf(await lab.take(database.url))).toEqual({ read: 0, reused: 2 });
    await database.query("insert into t select g, 'more' from generate_series(1, 7000) g");
    // The last one, which has an end by now, and the new one behind it.
    expect(partsOf(await lab.take(database.url))).toEqual({ read: 2, reused: 1 });
    await database.query("delete from t where ctid >= '(750,0)'");
    await database.query("vacuum t");
    expect(partsOf(await lab.take(database.url))).toEqual({ read: 1, reused: 1 });
    await database.query("delete from t where ctid >= '(250,0)'");
    await database.query("vacuum t");
    // What was a range with an end is all there is: what comes behind it has never been looked at.
    expect(partsOf(await lab.take(database.url))).toEqual({ read: 1, reused: 0 });
    expect(partsOf(await lab.take(database.url))).toEqual({ read: 0, reused: 1 });
    await database.query("truncate t");
    const emptied = await lab.take(database.url);
    expect(lineOf(emptied, "t")).toMatchObject({ rows: 0, note: "it was rewritten since the last snapshot" });
  });

  test("of tables without rows", async () => {
    await using database = await freshDatabase({
      sql: "create table t (a int); create table u (a int); insert into u values (1); create table nothing ()",
    });
    await using lab = await openLaboratory();
    await lab.take(database.url);
    await database.query("delete from u; insert into t values (1); delete from t");
    // Dead rows alone are no change of what had none.
    const taken = await lab.take(database.url);
    expect(await rangesOf(lab.repository, lineOf(taken, "t"))).toMatchObject([
      { rows: 0, parts: [], identity: { generation: 1 } },
    ]);
    expect(await rangesOf(lab.repository, lineOf(taken, "u"))).toMatchObject([
      { rows: 0, parts: [], identity: { generation: 2 } },
    ]);
    await database.query("vacuum t, u");
    await database.query("insert into t values (2)");
    const later = await lab.take(database.url);
    expect(lineOf(later, "t")).toMatchObject({ rows: 1, read: { parts: 1 } });
    expect(lineOf(later, "u")).toMatchObject({ rows: 0 });
  });

  test("short rows that changed the last time are not asked about the next time", async () => {
    await using database = await freshDatabase({
      sql: "create table t as select generate_series(1, 100) as a",
    });
    await using lab = await openLaboratory();
    const hashAfter = async (change: string): Promise<string | null | undefined> => {
      await database.query(change);
      const [range] = await rangesOf(lab.repository, lineOf(await lab.take(database.url), "t"));
      return range?.identity?.hash;
    };
    const update = "update t set a = a + 1 where a = (select max(a) from t)";
    expect(await hashAfter(update)).toBeNull();
    const first = await hashAfter("select 1");
    expect(first).toMatch(/^-?\d+$/);
    const changed = await hashAfter(update);
    expect(changed).toMatch(/^-?\d+$/);
    expect(changed).not.toBe(first);
    expect(await hashAfter(update)).toBeNull();
    // Then count and age alone decide, and the hash is there again.
    expect(await hashAfter("select 1")).toMatch(/^-?\d+$/);
    expect(partsOf(await lab.take(database.url))).toEqual({ read: 0, reused: 1 });
  });

  test("after thirty reuses, or thirty days, whatever tuples say", async () => {
    await using database = await freshDatabase({ sql: "create table t as select 1 as a" });
    await using lab = await openLaboratory();
    let last = await lab.take(database.url);
    const again = async (
      identity: Partial<NonNullable<PartRange["identity"]>>,
      generation = 50,
    ): Promise<Taken> => {
      await forge(lab.repository, last.index, {
        baseline: (baseline) => ({ ...baseline, generation }),
        range: (range) => ({
          ...range,
          identity: range.identity === null ? null : { ...range.identity, ...identity },
        }),
      });
      last = await lab.take(database.url);
      return last;
    };
    const daysAgo = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();
    expect(partsOf(await again({ generation: 21 }))).toEqual({ read: 0, reused: 1 });
    expect(partsOf(await again({ generation: 20 }))).toEqual({ read: 1, reused: 0 });
    expect(partsOf(await again({ readAt: daysAgo(29) }))).toEqual({ read: 0, reused: 1 });
    expect(partsOf(await again({ readAt: daysAgo(31) }))).toEqual({ read: 1, reused: 0 });
    // A clock that was ahead when it was read.
    expect(partsOf(await again({ readAt: daysAgo(-3) }))).toEqual({ read: 1, reused: 0 });
    const [range] = await rangesOf(lab.repository, lineOf(last, "t"));
    expect(Math.abs(Date.parse(range?.identity?.readAt ?? "") - Date.now())).toBeLessThan(60_000);
  });

  test("whatever the clock of this machine says", async () => {
    await using database = await freshDatabase({ sql: "create table t as select 1 as a" });
    await using lab = await openLaboratory();
    await lab.take(database.url);
    for (const time of ["2090-01-01T00:00:00Z", "1990-01-01T00:00:00Z"]) {
      const clock = { ...systemClock, now: () => new Date(time) };
      const taken = await lab.take(database.url, [], { clock });
      expect(partsOf(taken)).toEqual({ read: 0, reused: 1 });
      expect(Math.abs(Date.parse(taken.index.snapshotAt) - Date.now())).toBeLessThan(60_000);
    }
    expect((await lab.take(database.url)).index.snapshot).toMatchObject({ baseline: { generation: 4 } });
  });
});

describe("what is stored is not what it should be", () => {
  test("a sample that differs has everything read, and nothing is built on that", async () => {
    await using database = await freshDatabase({
      sql: "create table t as select 1 as a; create table u as select 2 as a",
    });
    await using lab = await openLaboratory();
    const first = await lab.take(database.url);
    await forge(lab.repository, first.index, {
      range: (range) => ({
        ...range,
        parts: range.parts.map((part) => (part.bytes === 2 ? { ...part, digest: "1".repeat(32) } : part)),
      }),
    });
    const found = await lab.take(database.url);
    expect(found).toMatchObject({
      code: 3,
      index: {
        snapshot: { parts: { read: 2, reused: 0 }, sample: { read: 2, differing: 2 }, baseline: null },
      },
    });
    expect(found.index.snapshot.fullRead).toBe(
      'a sample of "public"."t", "public"."u" was not what is stored',
    );
    expect(found.stderr).toContain("nothing is reused, everything is read");
    const next = await lab.take(database.url);
    expect(next).toMatchObject({ code: 0, index: { snapshot: { parts: { read: 2, reused: 0 } } } });
    expect(next.index.snapshot.fullRead).toBe(`nothing of ${found.index.id} may be reused`);
    expect((await lab.take(database.url)).index.snapshot.parts).toEqual({ read: 0, reused: 2 });
  });

  const spoil = async ({ storage }: Repository, key: string): Promise<void> => {
    const data = Buffer.from(await storage.get(key, signal));
    data[data.length >> 1] = (data[data.length >> 1] ?? 0) ^ 1;
    await storage.put(key, data, signal);
  };

  const damages: readonly (readonly [
    what: string,
    damage: (lab: Laboratory, taken: Taken) => Promise<void>,
    said: (taken: Taken) => string | null,
    reason: string,
  ])[] = [
    [
      "the index",
      async ({ repository }, { index }) => await spoil(repository, indexKey(index.database, index.id)),
      ({ index }) => index.snapshot.fullRead,
      "there is no snapshot before it",
    ],
    [
      "the list of tables",
      async ({ repository }, { index }) => await spoil(repository, tablesKey(index.database, index.id)),
      ({ index }) => index.snapshot.fullRead,
      "its SHA-256 is not the one in the index",
    ],
    [
      "a part list",
      async ({ repository }, taken) => {
        const name = lineOf(taken, "t").partList?.name;
        if (name !== undefined) await spoil(repository, partListKey(taken.index.database, name));
      },
      (taken) => lineOf(taken, "t").note,
      "the last snapshot's list of it cannot be read",
    ],
    [
      "a part list that is gone",
      async ({ repository }, taken) => {
        const name = lineOf(taken, "t").partList?.name;
        if (name !== undefined)
          await repository.storage.delete(partListKey(taken.index.database, name), signal);
      },
      (taken) => lineOf(taken, "t").note,
      "it is not there",
    ],
  ];

  test.each(damages)("%s", async (_what, damage, said, reason) => {
    await using database = await freshDatabase({ sql: "create table t as select 1 as a" });
    await using lab = await openLaboratory();
    await damage(lab, await lab.take(database.url));
    const taken = await lab.take(database.url);
    expect(taken.code).toBe(0);
    expect(partsOf(taken)).toEqual({ read: 1, reused: 0 });
    expect(said(taken)).toContain(reason);
    expect(partsOf(await lab.take(database.url))).toEqual({ read: 0, reused: 1 });
  });
});

test("asking for a group of ranges at once and for each by itself say the same", async () => {
  await using database = await freshDatabase();
  await using session = await connect(testRuntime(), database.settings, signal);
  await using builder = new PartBuilder(tmpdir());
  const repository = await openOrCreateRepository(testRuntime(), memoryStorage(), signal);
  const BLOCKS = 40;
  /** The tables of this run, one after the other. */
  const hold = async (): Promise<{ held: Held; table: Held["tables"][number] }> => {
    await session.query("begin isolation level repeatable read read only");
    await session.query("lock table only public.t in access share mode");
    const held = await holdAsIs(session, builder);
    const [table] = held.tables;
    if (table === undefined) throw new Error("there is no table");
    return { held, table: { ...table, rangeBlocks: 2 } };
  };
  const taken = async (earlier?: TableState): Promise<TableState> => {
    const { held, table } = await hold();
    const { state } = await copyInProcess(repository, held, table, { earlier });
    await session.query("commit");
    return state;
  };
  /** The hash of the group is never the one that is expected, so each range is asked for. */
  const each = (job: CopyJob): CopyJob => ({
    ...job,
    ask: job.ask === null ? null : { ...job.ask, identitySql: job.ask.identitySql.replace("<< 32", "<< 31") },
  });
  const block = fc.integer({ min: 0, max: BLOCKS - 1 });
  const change = fc.oneof(
    block.map((at) => `update t set b = b + 1 where ctid = '(${at},1)'`),
    block.map((at) => `delete from t where ctid = '(${at},2)'`),
    fc.constant("insert into t values (0, 0)"),
    fc.constant(`insert into t select 0, g from generate_series(1, 60) g`),
    block.map((at) => `delete from t where ctid >= '(${at},0)' and ctid < '(${at + 3},0)'`),
    fc.constant("vacuum t"),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 4 }), fc.boolean(), async (changes, hashed) => {
      await database.query(
        `drop table if exists t; create table t (a int, b int) with (fillfactor = 10);
         insert into t select g, g from generate_series(1, ${BLOCKS * 22}) g`,
      );
      const first = await taken();
      const earlier = hashed ? await taken({ ...first, generation: 2 }) : first;
      for (const statement of changes) await database.query(statement);
      const { held, table } = await hold();
      const options = { earlier, generation: earlier.generation + 2 };
      const together = await copyInProcess(repository, held, table, options);
      const alone = await copyInProcess(repository, held, table, { ...options, alter: each });
      const kinds = ({ outcomes }: typeof together): string[] =>
        outcomes.flatMap(([, { ranges }]) => ranges.map(({ kind }) => kind));
      expect(kinds(together)).toEqual(kinds(alone));
      expect(await compareWithTruth(repository, held, table, together)).toMatchObject({ wrong: [] });
      if (changes.length === 0) expect(new Set(kinds(together))).toEqual(new Set(["same"]));
      await session.query("commit");
    }),
    { numRuns: 12 },
  );
});
