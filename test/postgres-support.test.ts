import { expect, test } from "vitest";
import { connect } from "../src/postgres/session.ts";
import { clusterUrl, freshDatabase, runSql } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";

test("a fresh database is reached with the settings it comes with, and runs scripts", async () => {
  await using database = await freshDatabase({
    sql: "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)",
  });
  await using session = await connect(testRuntime(), database.settings, noAbort());
  expect(await session.query("SELECT count(*) FROM public.t")).toEqual([{ count: "2" }]);
  expect(await database.query("SELECT 1 AS a; SELECT 2 AS b")).toEqual([{ b: 2 }]);
  expect(await database.query("SELECT $1::int AS c", [3])).toEqual([{ c: 3 }]);
});

test("a fresh database can copy another, has the name asked for, and is dropped though somebody is connected", async () => {
  await using template = await freshDatabase({ sql: "CREATE TABLE t (a int)" });
  const name = `${template.name} "ü" /%`;
  const copy = await freshDatabase({ name, template: template.name });
  await using session = await connect(testRuntime(), copy.settings, noAbort());
  expect(await session.query("SELECT current_database()::text AS name, count(*)::int FROM public.t")).toEqual(
    [{ name, count: 0 }],
  );
  await copy[Symbol.asyncDispose]();
  expect(await runSql(clusterUrl(), "SELECT 1 FROM pg_database WHERE datname = $1", [name])).toEqual([]);
});
