import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { findBaseline, readSnapshotState } from "../src/engines/snapshot/baseline.ts";
import { PartBuilder } from "../src/engines/snapshot/part-builder.ts";
import { TEXT_SETTINGS_LINE } from "../src/engines/snapshot/session-settings.ts";
import type { SourceTable } from "../src/engines/snapshot/tables.ts";
import type { CopyJob } from "../src/engines/snapshot/worker-messages.ts";
import { resolveConnection } from "../src/postgres/connection.ts";
import { readServerFacts } from "../src/postgres/server.ts";
import { connect, type Session } from "../src/postgres/session.ts";
import { holdSnapshot } from "../src/postgres/snapshot.ts";
import { listBackups } from "../src/repository/backups.ts";
import { readPartList } from "../src/repository/part-lists.ts";
import { openOrCreateRepository } from "../src/repository/repository.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import { type Forgery, forge, storeText } from "./reuse/forge.ts";
import { compareWithTruth, copyInProcess, type Held, holdAsIs } from "./reuse/in-process.ts";
import { type Laboratory, lineOf, openLaboratory, type Taken } from "./reuse/laboratory.ts";
import { freshRole } from "./support/backed-up.ts";
import { runSql, uniqueName } from "./support/postgres.ts";
import { quietCluster } from "./support/quiet-cluster.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";

const { freshDatabase, url: clusterUrl } = quietCluster();

// Each guard of docs/design/snapshot-engine.md is shown twice: that it holds, and that rows would be lost without it. It is
// switched off by making what is stored say what is true now, so that there is nothing left for it to find. The look at a
// sample of what is reused, or the comparison of every stored row, must then find what the guard prevents.

const signal = noAbort();

/** Two ranges of 512 blocks in little time. */
const SPARSE = `create table t (a int, b text) with (fillfactor = 10);
  insert into t select g, md5(g::text) from generate_series(1, 7000) g;
  create index back on t ((-a))`;

interface Control {
  readonly setup: string;
  /** Done before the first snapshot, on a connection of its own. */
  readonly prepare?: (url: string) => Promise<void>;
  /** Snapshots before the change. */
  readonly before?: number;
  readonly change: string | ((url: string) => Promise<void>);
  /** Switches the guard off, given the snapshot that was taken with it. */
  readonly off: (present: Taken, lab: Laboratory) => Forgery | Promise<Forgery>;
}

/** Takes snapshots before and after the change: with the guard, and without it. */
async function control({ setup, prepare, before: count = 1, change, off }: Control) {
  await using database = await freshDatabase({ sql: setup });
  await prepare?.(database.url);
  await using guarded = await openLaboratory();
  await using unguarded = await openLaboratory();
  let before = await unguarded.take(database.url);
  await guarded.take(database.url);
  for (let more = 1; more < count; more++) {
    before = await unguarded.take(database.url);
    await guarded.take(database.url);
  }
  if (typeof change === "string") await database.query(change);
  else await change(database.url);
  const on = await guarded.take(database.url);
  await forge(unguarded.repository, before.index, await off(on, guarded));
  return { before, on, off: await unguarded.take(database.url) };
}

const presentIdentity =
  (present: Taken): NonNullable<Forgery["identity"]> =>
  (_, table) =>
    lineOf(present, table.name).identity;

function expectSound(taken: Taken): void {
  expect(taken).toMatchObject({ code: 0, index: { snapshot: { sample: { differing: 0 } } } });
  expect(taken.index.snapshot.baseline).not.toBeNull();
}

/** A sample showed that ranges of these tables, and of no others, were taken for unchanged and were not. */
function expectCaught(taken: Taken, ...tables: string[]): void {
  expect(taken).toMatchObject({ code: 3, index: { snapshot: { sample: { differing: tables.length } } } });
  for (const table of tables) expect(taken.index.snapshot.fullRead).toContain(`"public"."${table}"`);
  expect(taken.index.snapshot.baseline).toBeNull();
}

describe("the rule", () => {
  test("no tuple is younger than the earlier snapshot", async () => {
    const { on, off } = await control({
      setup: "create table t as select g as a, 'x' as b from generate_series(1, 9) g",
      change: "update t set b = 'y' where a = 5",
      off: ({ index }) => ({
        baseline: (baseline) => ({ ...baseline, xmin: index.snapshot.baseline?.xmin ?? "" }),
      }),
    });
    expectSound(on);
    expect(lineOf(on, "t")).toMatchObject({ read: { parts: 1 }, reused: { parts: 0 } });
    expectCaught(off, "t");
  });

  test("there are as many as there were", async () => {
    const { on, off } = await control({
      setup: "create table t as select generate_series(1, 9) as a",
      change: "delete from t where a = 5",
      off: () => ({ range: (range) => ({ ...range, rows: range.rows - 1 }) }),
    });
    expectSound(on);
    expect(lineOf(on, "t")).toMatchObject({ rows: 8, read: { parts: 1 }, reused: { parts: 0 } });
    expectCaught(off, "t");
  });

  test("the hash finds what no transaction did", async () => {
    const { before, on, off } = await control({
      setup: `create extension pg_surgery; create table t as select generate_series(1, 3) as a; delete from t where a = 3`,
      before: 2,
      // One row is brought back from the dead, another is killed.
      change: "select heap_force_freeze('t', array['(0,3)'::tid]), heap_force_kill('t', array['(0,2)'::tid])",
      off: () => ({
        range: (range) => ({
          ...range,
          identity: range.identity === null ? null : { ...range.identity, hash: null },
        }),
      }),
    });
    expect(lineOf(before, "t").reused.parts).toBe(1);
    expectSound(on);
    expect(lineOf(on, "t")).toMatchObject({ rows: 2, read: { parts: 1 }, reused: { parts: 0 } });
    expectCaught(off, "t");
  });
});

describe("G2: the same table in the same file", () => {
  test("a table that was clustered has its rows elsewhere", async () => {
    const { on, off } = await control({
      setup: SPARSE,
      change: "cluster t using back",
      off: (present) => ({ identity: presentIdentity(present) }),
    });
    expectSound(on);
    expect(lineOf(on, "t").note).toBe("it was rewritten since the last snapshot");
    expectCaught(off, "t");
  });

  test("two tables that were filled at once took each other's name", async () => {
    const { on, off } = await control({
      setup: "begin; create table a as select 1 as x; create table b as select 2 as x; commit",
      change: "alter table a rename to c; alter table b rename to a; alter table c rename to b",
      off: (present) => ({ identity: presentIdentity(present) }),
    });
    expectSound(on);
    expect(lineOf(on, "a").note).toBe("it is another table than in the last snapshot");
    expectCaught(off, "a", "b");
  });

  test("a database was put in the place of the one it is a copy of", async () => {
    const copy = uniqueName();
    const { on, off } = await control({
      setup: "create table t as select g as a from generate_series(1, 9) g",
      prepare: async (url) => {
        const { name, server } = serverOf(url);
        await runSql(server, `create database ${copy} template ${name} strategy file_copy`);
        await runSql(url.replace(name, copy), "update t set a = 0 where a = 5");
      },
      change: async (url) => {
        const { name, server } = serverOf(url);
        await runSql(server, `drop database ${name} with (force)`);
        await runSql(server, `alter database ${copy} rename to ${name}`);
      },
      off: (present) => ({ identity: presentIdentity(present) }),
    });
    expectSound(on);
    expect(lineOf(on, "t").note).toBe("it is another table than in the last snapshot");
    expectCaught(off, "t");
  });
});

function serverOf(url: string): { name: string; server: string } {
  const name = new URL(url).pathname.slice(1);
  return { name, server: url.replace(`/${name}`, "/postgres") };
}

test("G3: a snapshot older than the lock knows another file than the one that is read", async () => {
  await using database = await freshDatabase({ sql: SPARSE });
  const repository = await openOrCreateRepository(testRuntime(), memoryStorage(), signal);
  await using builder = new PartBuilder(tmpdir());
  await using session = await connect(testRuntime(), database.settings, signal);
  await using other = await connect(testRuntime(), database.settings, signal);
  await holdSnapshot(session, other, null, 5000);
  const first = await holdAsIs(session, builder);
  const earlier = (await copyInProcess(repository, first, tableOf(first, "t"))).state;
  await session.query("commit");

  // The wrong order: first the snapshot, then the lock, and between them a rewrite.
  await session.query("begin isolation level repeatable read read only");
  await session.query("select pg_export_snapshot()");
  await database.query("cluster t using back");
  await session.query("lock table only public.t in access share mode");
  const held = await holdAsIs(session, builder);
  const table = tableOf(held, "t");
  expect(table).toMatchObject({ alwaysRead: "its file was replaced", file: null });
  // Without that look, and with the file by the snapshot's word:
  const { identity } = earlier.line;
  const blind: SourceTable = {
    ...table,
    alwaysRead: null,
    file: identity === null ? null : { ...identity },
  };
  const copied = await copyInProcess(repository, held, blind, { earlier });
  const { wrong, reused } = await compareWithTruth(repository, held, blind, copied);
  expect(reused).toBeGreaterThan(0);
  expect(wrong).not.toEqual([]);
  await session.query("rollback");

  // The order of the program: whoever rewrites is waited for, and then the snapshot knows the new file.
  await other.query("begin");
  await other.query("cluster public.t using back");
  await using observer = await connect(testRuntime(), database.settings, signal);
  const holding = holdSnapshot(session, observer, null, 30_000);
  await waitForLock(observer, session.backendPid);
  await other.query("commit");
  await holding;
  const after = tableOf(await holdAsIs(session, builder), "t");
  expect(after.alwaysRead).toBeNull();
  expect(after.file?.filenode).not.toBe(table.file?.filenode);
  expect(after.file?.filenode).toBe(await filenodeOf(observer, "t"));
  await session.query("commit");
});

function tableOf({ tables }: Held, name: string): SourceTable {
  const table = tables.find((each) => each.name === name);
  if (table === undefined) throw new Error(`there is no table ${name}`);
  return table;
}

async function waitForLock(observer: Session, pid: number): Promise<void> {
  for (;;) {
    const rows = await observer.query("select from pg_locks where pid = $1 and not granted", [pid]);
    if (rows.length > 0) return;
  }
}

async function filenodeOf(session: Session, table: string): Promise<number | undefined> {
  const [row] = await session.query<{ filenode: number }>(
    "select pg_relation_filenode($1::text::regclass)::int8::float8 as filenode",
    [`public.${table}`],
  );
  return row?.filenode;
}

test("G4: what the text of unchanged rows depends on, in the catalogue alone", async () => {
  const tables: Readonly<Record<string, readonly [create: string, row: string, change: string]>> = {
    enum_plain: ["(m mood)", "'ok'", ""],
    enum_array: ["(m mood[])", "'{sad,ok}'", ""],
    enum_domain: ["(m mood_domain)", "'ok'", ""],
    enum_range: ["(m mood_range)", "'[sad,ok]'", ""],
    enum_composite: ["(m with_mood)", "'(1,ok)'", "alter type mood rename value 'ok' to 'fine'"],
    attribute_added: ["(p grown)", "'(1)'", "alter type grown add attribute b int"],
    attribute_dropped: ["(p shrunk)", "'(1,2)'", "alter type shrunk drop attribute b"],
    row_type: ["(r rowtype)", "'(1)'", "alter table rowtype add column b int"],
    to_timestamp: [
      "(a timestamptz)",
      "'2024-12-11'",
      "alter table to_timestamp alter column a type timestamp",
    ],
    coerced: ["(a int)", "-1", "alter table coerced alter column a type oid"],
    address: ["(a cidr)", "'10.0.0.1'", "alter table address alter column a type inet"],
    added: ["(a int)", "1", "alter table added add column b int default 7"],
    again: [
      "(a int, b int)",
      "1, 2",
      "alter table again drop column b; alter table again add column b int default 7",
    ],
    generated: [
      "(a int, b int generated always as (a + 1) stored)",
      "1",
      "alter table generated alter column b drop expression",
    ],
  };
  const names = Object.keys(tables);
  const { before, on, off } = await control({
    setup: `create type mood as enum ('sad', 'ok'); create domain mood_domain as mood;
      create type mood_range as range (subtype = mood); create type with_mood as (a int, m mood);
      create type grown as (a int); create type shrunk as (a int, b int); create table rowtype (a int);
      ${Object.entries(tables)
        .map(([name, [create, row]]) => `create table ${name} ${create}; insert into ${name} values (${row})`)
        .join("; ")}`,
    change: ["set timezone = 'UTC'", ...Object.values(tables).map(([, , change]) => change)].join("; "),
    off: async (present, { repository }) => {
      const headers = new Map<string, Awaited<ReturnType<typeof readPartList>>["header"]>();
      for (const { name, partList } of present.tables) {
        if (partList === null) continue;
        const list = await readPartList(repository, present.index.database, partList, signal);
        await list.ranges.return(undefined);
        headers.set(name, list.header);
      }
      return { identity: presentIdentity(present), header: (header) => headers.get(header.name) ?? header };
    },
  });
  expectSound(on);
  for (const name of names) {
    expect(lineOf(on, name)).toMatchObject({ note: "its columns or types changed", reused: { parts: 0 } });
    expect(lineOf(on, name).identity?.filenode).toBe(lineOf(before, name).identity?.filenode);
  }
  expectCaught(off, ...names);
});

describe("G5: read in the same way", () => {
  test("under the same settings", async () => {
    await using database = await freshDatabase({ sql: "create table t as select date '2024-12-31' as a" });
    const ofGermans = async (lab: Laboratory, line: string): Promise<Taken> => {
      const { index } = await lab.take(database.url);
      await forge(lab.repository, index, {
        baseline: (baseline) => ({ ...baseline, settings: line }),
        range: async (range) => ({
          ...range,
          parts: await storeText(lab.repository, index.database, "31.12.2024\n"),
        }),
      });
      return await lab.take(database.url);
    };
    await using guarded = await openLaboratory();
    const on = await ofGermans(guarded, TEXT_SETTINGS_LINE.replace("ISO, YMD", "German"));
    expectSound(on);
    expect(on.index.snapshot.fullRead).toContain("it was read with other settings");
    await using unguarded = await openLaboratory();
    expectCaught(await ofGermans(unguarded, TEXT_SETTINGS_LINE), "t");
  });

  test("by the same statement, role, server version and server", async () => {
    await using database = await freshDatabase({ sql: "create table t as select 1 as a" });
    await using lab = await openLaboratory();
    const reasons: readonly (readonly [string, Forgery])[] = [
      ["it was read by somebody", { baseline: (baseline) => ({ ...baseline, role: "somebody" }) }],
      [
        "it is of PostgreSQL",
        { server: (server) => ({ ...server, versionNumber: server.versionNumber - 1 }) },
      ],
      ["it is of another server", { server: (server) => ({ ...server, systemIdentifier: "1" }) }],
      ["the server went back to an earlier timeline", { server: (server) => ({ ...server, timeline: 99 }) }],
      [
        "the server's transaction ids went back",
        { baseline: (baseline) => ({ ...baseline, xmin: "99999999" }) },
      ],
    ];
    let last = await lab.take(database.url);
    for (const [reason, forgery] of reasons) {
      await forge(lab.repository, last.index, forgery);
      last = await lab.take(database.url);
      expectSound(last);
      expect(last.index.snapshot).toMatchObject({ parts: { reused: 0 }, baseline: { generation: 1 } });
      expect(last.index.snapshot.fullRead).toContain(reason);
    }
    await forge(lab.repository, last.index, { header: (header) => ({ ...header, columns: ["b"] }) });
    last = await lab.take(database.url);
    expect(lineOf(last, "t")).toMatchObject({ note: "it is copied in another way", reused: { parts: 0 } });
    // And nothing of this kept it from being reused when it may be.
    last = await lab.take(database.url);
    expect(last.index.snapshot).toMatchObject({ parts: { read: 0, reused: 1 }, fullRead: null });
  });
});

test("G6: a name that stands for another object is always read", async () => {
  await using database = await freshDatabase({
    sql: "create table named (); create table t as select 'named'::regclass as a",
  });
  const repository = await openOrCreateRepository(testRuntime(), memoryStorage(), signal);
  await using builder = new PartBuilder(tmpdir());
  await using session = await connect(testRuntime(), database.settings, signal);
  const hold = async (): Promise<Held> => {
    await session.query("begin isolation level repeatable read read only");
    await session.query("lock table only public.t in access share mode");
    return await holdAsIs(session, builder);
  };
  /** The same without the list of unsafe types. */
  const blind = ({ signatures, ...rest }: Held): Held => ({
    ...rest,
    signatures: new Map([...signatures].map(([oid, { signature }]) => [oid, { signature, unsafe: [] }])),
  });
  const first = await hold();
  const guarded = (await copyInProcess(repository, first, tableOf(first, "t"))).state;
  const earlier = (await copyInProcess(repository, blind(first), tableOf(first, "t"))).state;
  await session.query("commit");
  await database.query("alter table named rename to otherwise");
  const held = await hold();
  const table = tableOf(held, "t");
  const on = await copyInProcess(repository, held, table, { earlier: guarded });
  expect(on.state.line).toMatchObject({ identity: null, reused: { parts: 0 } });
  expect(on.state.line.note).toContain("regclass");
  expect(await compareWithTruth(repository, held, table, on)).toMatchObject({ wrong: [], reused: 0 });
  const off = await copyInProcess(repository, blind(held), table, { earlier });
  expect(await compareWithTruth(repository, held, table, off)).toMatchObject({
    wrong: [{ from: 0 }],
    reused: 1,
  });
  await session.query("commit");
});

test("G8: what a policy hides is not what tuple ids say", async () => {
  await using role = await freshRole(uniqueName("reader"), "login", clusterUrl());
  await using database = await freshDatabase({
    sql: `create table t as select generate_series(1, 10) as a; create table plain (a int);
      alter table t enable row level security; create policy shown on t using (a <= 5)`,
  });
  await database.query(`grant select on t, plain to ${role.name}`);
  const url = new URL(database.url);
  url.username = role.name;
  const settings = await resolveConnection(testRuntime(), url.href, signal);
  const repository = await openOrCreateRepository(testRuntime(), memoryStorage(), signal);
  await using builder = new PartBuilder(tmpdir());
  await using session = await connect(testRuntime(), settings, signal);
  const hold = async (): Promise<Held> => {
    await session.query("begin isolation level repeatable read read only");
    await session.query("lock table only public.t in access share mode");
    return await holdAsIs(session, builder);
  };
  const refused = await hold();
  await expect(copyInProcess(repository, refused, tableOf(refused, "t"))).rejects.toMatchObject({
    code: "privilege_missing",
  });
  await session.query("rollback");

  // From here on with the setting under which the policy is applied.
  const holdFiltered = async (): Promise<Held> => {
    const held = await hold();
    await session.query("set local row_security = on");
    return held;
  };
  /** The plan of another table is looked at. */
  const blind = (job: CopyJob): CopyJob => ({
    ...job,
    table: { schema: "public", name: "plain" },
    ask: {
      selectSql: "select t.a from only public.plain t where t.ctid >= '(0,0)'",
      identitySql: "select $1::text, $2::text, count(*) from only public.plain t where t.ctid >= '(0,0)'",
    },
  });
  const first = await holdFiltered();
  const on = await copyInProcess(repository, first, tableOf(first, "t"));
  expect(on.state.line).toMatchObject({ identity: null, note: "the server reads it by a filter" });
  const earlier = (await copyInProcess(repository, first, tableOf(first, "t"), { alter: blind })).state;
  await session.query("commit");
  await database.query("drop policy shown on t; create policy shown on t using (a > 5)");
  const held = await holdFiltered();
  const table = tableOf(held, "t");
  const off = await copyInProcess(repository, held, table, { earlier, alter: blind });
  expect(await compareWithTruth(repository, held, table, off)).toMatchObject({
    wrong: [{ from: 0 }],
    reused: 1,
  });
  await session.query("commit");
});

describe("which snapshot is built on", () => {
  test("never one that was taken after the one that would build on it", async () => {
    await using database = await freshDatabase({ sql: "create table t as select 1 as a" });
    await using lab = await openLaboratory();
    await using session = await connect(testRuntime(), database.settings, signal);
    const server = await readServerFacts(session);
    await session.query("begin isolation level repeatable read read only");
    const state = await readSnapshotState(session, server);
    // Nothing but its marker tells that it is younger: no transaction wrote in between.
    const { index } = await lab.take(database.url);
    expect(index.snapshot.baseline).toMatchObject({ xmin: state.xmin, xmax: state.xmax });
    const { backups } = await listBackups(lab.repository, index.database, signal);
    const chain = await findBaseline(lab.repository, session, state, backups, null, signal);
    expect(chain).toMatchObject({ baseline: null, generation: 1 });
    expect(chain.fullRead).toContain("transaction ids went back");
  });

  test("not one that a wrong clock dates in the future, for it would stay the newest", async () => {
    await using database = await freshDatabase({ sql: "create table t as select 1 as a" });
    await using lab = await openLaboratory();
    const first = await lab.take(database.url);
    const second = await lab.take(database.url);
    await forge(lab.repository, second.index, { snapshotAt: "2990-01-01T00:00:00.000Z" });
    const third = await lab.take(database.url);
    expect(third.index.snapshot).toMatchObject({ parts: { reused: 1 }, baseline: { generation: 2 } });
    await forge(lab.repository, first.index, { snapshotAt: "2990-01-01T00:00:00.000Z" });
    await forge(lab.repository, third.index, { snapshotAt: "2990-01-01T00:00:00.000Z" });
    expect((await lab.take(database.url)).index.snapshot.fullRead).toBe("there is no snapshot before it");
  });
});
