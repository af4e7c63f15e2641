import { expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { SET_COPY_SETTINGS } from "./session-settings.ts";
import { listSourceTables, selectSql, type SourceTable } from "./tables.ts";
import {
  ageProblem,
  findForeignPlan,
  identitySql,
  joinHashes,
  readAgeScale,
  readIdentity,
} from "./tuple-identity.ts";

const signal = noAbort();
const ALL = { from: 0, to: null };

/** A session that reads as a copy worker does. */
async function reader(database: FreshDatabase): Promise<Session> {
  const session = await connect(testRuntime(), database.settings, signal);
  await session.query("begin isolation level repeatable read read only");
  await session.query(SET_COPY_SETTINGS);
  return session;
}

async function tableOf(session: Session, name: string): Promise<SourceTable> {
  const table = (await listSourceTables(session, null)).find((each) => each.name === name);
  if (table === undefined) throw new Error(`there is no table ${name}`);
  return table;
}

test("an identity says how many tuples there are, which are young, and what they hash to", async () => {
  await using database = await freshDatabase({
    sql: "create table t (a int); insert into t values (1), (2); create table empty ()",
  });
  const [{ xmax } = { xmax: "" }] = await database.query<{ xmax: string }>(
    "select pg_snapshot_xmax(pg_current_snapshot())::text as xmax",
  );
  await database.query("insert into t values (3)");
  await using session = await reader(database);
  const table = await tableOf(session, "t");
  const scale = await readAgeScale(session, xmax);
  const identity = await readIdentity(session, identitySql(table, ALL, 7), scale);
  expect(identity).toMatchObject({ rows: 3, young: 1 });
  // Another secret, another hash.
  const other = await readIdentity(session, identitySql(table, ALL, 8), scale);
  expect(other.hash).not.toBe(identity.hash);
  const empty = await readIdentity(session, identitySql(await tableOf(session, "empty"), ALL, 7), scale);
  expect(empty).toEqual({ rows: 0, young: 0, hash: "0" });
});

test("the hash does not depend on when it is asked for, and those of ranges make that of all", async () => {
  await using database = await freshDatabase({
    sql: "create table t (a int) with (fillfactor = 10); insert into t select generate_series(1, 500)",
  });
  const ask = async (from: number, to: number | null): Promise<string> => {
    await using session = await reader(database);
    const sql = identitySql(await tableOf(session, "t"), { from, to }, 5);
    return (await readIdentity(session, sql, await readAgeScale(session, "700"))).hash;
  };
  const before = await ask(0, null);
  await database.query("create table other (); drop table other");
  expect(await ask(0, null)).toBe(before);
  expect(joinHashes([await ask(0, 7), await ask(7, 8), await ask(8, null)])).toBe(before);
});

test("ages tell what is young only over so many transactions", () => {
  const wrap = 2n ** 32n;
  expect(ageProblem("800", "900")).toBeUndefined();
  expect(ageProblem(String(wrap * 3n + 800n), String(wrap * 3n + 900n))).toBeUndefined();
  expect(ageProblem("800", String(800n + 2n ** 30n))).toBeUndefined();
  expect(ageProblem("800", String(801n + 2n ** 30n))).toMatch("thousand million");
  expect(ageProblem("800", String(800n + wrap))).toMatch("thousand million");
  // What stands for no transaction has no age.
  for (const special of [0n, 1n, 2n])
    expect(ageProblem(String(wrap + special), String(wrap + 9n))).toMatch("wrap");
  expect(ageProblem(String(wrap + 3n), String(wrap + 9n))).toBeUndefined();
});

test("only a bare scan by tuple ids of the table itself is trusted", async () => {
  await using database = await freshDatabase({
    sql: `create schema odd; create table odd."T ""x""" (a int, "B c" text, "select" int, g int generated always as (a + 1) stored);
          create table odd.child () inherits (odd."T ""x"""); create table public."T ""x""" (a int);
          create view odd.v as select * from odd."T ""x"""`,
  });
  await using session = await reader(database);
  const table = (await listSourceTables(session, ["odd"])).find(({ name }) => name === 'T "x"');
  if (table === undefined) throw new Error("there is no such table");
  const plan = async (sql: string, params: string[] = []) =>
    await findForeignPlan(session, table, sql, params);
  expect(await plan(selectSql(table, { from: 1024, to: 2048 }))).toBeUndefined();
  expect(await plan(selectSql(table, ALL))).toBeUndefined();
  expect(await plan(identitySql(table, ALL, 1), ["1", "1"])).toBeUndefined();
  const from = 'from only odd."T ""x""" t';
  const where = "where t.ctid >= '(0,0)'";
  expect(await plan(`select t.a from only public."T ""x""" t ${where}`)).toBe("another table");
  expect(await plan(`select t.a ${from} ${where} and a > 1`)).toBe("a filter");
  expect(await plan(`select pg_catalog.md5(t."B c") ${from} ${where}`)).toBe("an expression");
  expect(await plan(`select t.a, (select 1 from odd.child c where c.a = t.a) ${from} ${where}`)).toBe(
    "a subplan",
  );
  expect(await plan(`select t.a ${from} join odd.child c on true ${where}`)).toBe("Nested Loop");
  expect(await plan(`select t.a from odd."T ""x""" t ${where}`)).toBe("Append");
  expect(await plan(`select t.a from odd.v t`)).not.toBeUndefined();
});
