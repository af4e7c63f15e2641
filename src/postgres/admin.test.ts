import { describe, expect, test } from "vitest";
import { freshCluster, freshDatabase, runSql, uniqueName } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { connectBeside, countUserObjects, databaseExists, dropDatabase } from "./admin.ts";
import { resolveConnection } from "./connection.ts";
import { connect } from "./session.ts";

describe("connectBeside", () => {
  test("takes the first maintenance database that is not to be avoided", async () => {
    await using database = await freshDatabase();
    for (const [avoid, found] of [
      [[database.name], "postgres"],
      [[database.name, "postgres"], "template1"],
    ] as const) {
      await using session = await connectBeside(testRuntime(), database.settings, avoid, noAbort());
      expect(session.settings.database).toBe(found);
    }
  });

  test("goes on to the next one when one does not let us in", async () => {
    await using cluster = await freshCluster();
    const runtime = testRuntime();
    const settings = await resolveConnection(runtime, cluster.url("shop"), noAbort());
    await runSql(cluster.url("template1"), "alter database postgres allow_connections false");
    {
      await using session = await connectBeside(runtime, settings, ["shop"], noAbort());
      expect(session.settings.database).toBe("template1");
    }
    await expect(connectBeside(runtime, settings, ["shop", "template1"], noAbort())).rejects.toMatchObject({
      code: "login_refused",
      message: expect.stringContaining("connect beside shop, template1: ") as string,
    });
    await cluster.stop();
    await expect(connectBeside(runtime, settings, ["shop"], noAbort())).rejects.toMatchObject({
      code: "database_unreachable",
    });
  });
});

test("a database is dropped with its sessions; one that is not there is no error", async () => {
  const name = uniqueName('Old "one" ');
  await using old = await freshDatabase({ name });
  await using session = await connectBeside(testRuntime(), old.settings, [name], noAbort());
  await using inside = await connect(testRuntime(), old.settings, noAbort());
  expect(await databaseExists(session, name)).toBe(true);
  expect(await databaseExists(session, name.toLowerCase())).toBe(false);
  await dropDatabase(session, name);
  expect(await databaseExists(session, name)).toBe(false);
  await dropDatabase(session, name);
  await expect(inside.query("select 1")).rejects.toMatchObject({ code: "database_unreachable" });
});

describe("countUserObjects", () => {
  const count = async (sql: string): Promise<number> => {
    await using database = await freshDatabase({ sql });
    await using session = await connect(testRuntime(), database.settings, noAbort());
    return await countUserObjects(session);
  };

  test("an empty database has none, whatever extensions it has", async () => {
    expect(await count("select 1")).toBe(0);
    // What belongs to a part of an extension (an index, a row type) is the extension's too.
    expect(
      await count("create extension tablefunc; create extension citext; create extension pg_stat_statements"),
    ).toBe(0);
  });

  test("an extension's tables with their indexes and sequences are not the user's", async () => {
    const sql = `create table a (id serial primary key, x text unique); create type b as (c int); create view v as select 1;
      create extension citext; alter extension citext add table a; alter extension citext add sequence a_id_seq;
      alter extension citext add type b; alter extension citext add view v`;
    expect(await count(sql)).toBe(0);
  });

  test.each([
    ["a table", "create table t ()"],
    ["a table of another schema's", "create schema s; create table s.t ()"],
    ["a partitioned table", "create table t (a int) partition by list (a)"],
    ["a view", "create view v as select 1"],
    ["a materialized view", "create materialized view v as select 1 as a"],
    ["a sequence", "create sequence q"],
    ["a function", "create function f() returns int language sql as 'select 1'"],
    ["a domain", "create domain d as int"],
    ["an enum", "create type e as enum ('a')"],
    ["a row type", "create type c as (a int)"],
    ["a range", "create type r as range (subtype = int)"],
    ["a schema", "create schema s"],
    ["a large object", "select lo_create(0)"],
    ["a table among extensions", "create extension citext; create table t (a citext)"],
  ])("%s counts", async (_, sql) => {
    expect(await count(sql)).toBeGreaterThan(0);
  });
});
