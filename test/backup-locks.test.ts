import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import pg from "pg";
import type { Cluster } from "../src/postgres/cluster.ts";
import type { Observer } from "../src/lib/runtime.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { expectNothingLeft } from "./support/leftovers.ts";
import {
  clientConfig,
  freshCluster,
  type FreshDatabase,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "./support/postgres.ts";
import { findSqlNow, restoreWithStockTools, type SqlNow } from "./support/stock-tools.ts";

let sqlNow: SqlNow & { readonly psql: string };
beforeAll(async () => {
  sqlNow = await findSqlNow();
});

/** A session of its own that does this in a transaction and keeps it open. */
async function inTransaction(url: string, sql: string): Promise<{ pid: number } & AsyncDisposable> {
  const client = new pg.Client({ ...clientConfig(url), application_name: "migration" });
  await client.connect();
  await client.query(`begin; ${sql}`);
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return { pid: rows[0]?.pid ?? 0, [Symbol.asyncDispose]: async () => await client.end() };
}

/** Starts SQL that will have to wait for a lock; returns, without letting this process go on, once it waits. */
function startWaiting(url: string, sql: string): AsyncDisposable {
  const child = spawn(sqlNow.psql, ["-XAtq", "-d", url, "-c", sql], {
    env: { ...process.env, PGAPPNAME: "waiting" },
    stdio: "ignore",
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const waits =
    "select count(*) from pg_stat_activity where application_name = 'waiting' and wait_event_type = 'Lock' and datname = current_database()";
  while (sqlNow(url, waits) !== "1") continue;
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}

const pidOf = async (database: FreshDatabase, name: string): Promise<number | undefined> => {
  const [row] = await database.query<{ pid: number }>(
    "select pid from pg_stat_activity where application_name = $1 and datname = current_database()",
    [name],
  );
  return row?.pid;
};

async function backUp(url: string, repository: string, observer: Observer = () => {}): Promise<CliResult> {
  const args = ["backup", "--url", url, "--repository", repository, "--lock-timeout", "0.3s", "--json"];
  return await runCli(args, { observer });
}

/** Runs the action once, at this moment. */
function once(phase: "before" | "after", operation: string, action: () => void): Observer {
  let done = false;
  return (now, name) => {
    if (done || now !== phase || name !== operation) return;
    done = true;
    action();
  };
}

/** The command ended with `lock_timeout` and said this; nothing of it is left, and no session of ours. */
async function expectLockTimeout(
  result: CliResult,
  database: FreshDatabase,
  folder: string,
  ...words: string[]
) {
  expect(result.code).toBe(1);
  expect(jsonOf(result)).toMatchObject({ error: { code: "lock_timeout" } });
  for (const word of words) expect(result.stderr).toContain(word);
  await expectNothingLeft(folder, database);
}

describe("a lock that is held for ever", () => {
  test("on a table: the error names table, process and what it is", async () => {
    await using database = await freshDatabase({
      sql: 'create table "my table" (id int); create table other ()',
    });
    await using folder = await temporaryFolder();
    await using holder = await inTransaction(database.url, 'lock table "my table" in access exclusive mode');
    const result = await backUp(database.url, folder.path);
    await expectLockTimeout(
      result,
      database,
      folder.path,
      `lock "public"."my table": no lock within 300 ms; held by process ${holder.pid} (user postgres, application migration, idle in transaction since `,
      `hint: wait for it, or end it with \`select pg_terminate_backend(${holder.pid})\``,
    );
  });

  test("by a change that waits for a long transaction: the error names both", async () => {
    await using database = await freshDatabase({ sql: "create table t (id int)" });
    await using folder = await temporaryFolder();
    await using reader = await inTransaction(database.url, "select * from t");
    await using _waiting = startWaiting(database.url, "alter table t add column more int");
    const result = await backUp(database.url, folder.path);
    const waiting = await pidOf(database, "waiting");
    await expectLockTimeout(
      result,
      database,
      folder.path,
      `process ${waiting} (user postgres, application waiting, active since `,
      `waits to change it, behind process ${reader.pid}`,
      `pg_terminate_backend(${reader.pid})`,
    );
  });

  test("by a change that comes between our lock and pg_dump's", async () => {
    await using database = await freshDatabase({ sql: "create table t (id int)" });
    await using folder = await temporaryFolder();
    await using waiting = new AsyncDisposableStack();
    const alter = (): void =>
      void waiting.use(startWaiting(database.url, "alter table t add column more int"));
    const running = backUp(database.url, folder.path, once("after", "sql LOCK", alter));
    const result = await running;
    await expectLockTimeout(
      result,
      database,
      folder.path,
      'lock "public"."t": no lock within',
      "(user postgres, application waiting, active since ",
      "waits to change it",
    );
    // It was we who were in its way.
    await expect.poll(() => pidOf(database, "waiting")).toBeUndefined();
  });

  test.each([
    ["a sequence", "drop sequence counter", '"public"."counter"'],
    ["a materialized view", "refresh materialized view totals", '"public"."totals"'],
    ["a view", "drop view looks", '"public"."looks"'],
    ["an index", "drop index t_id", '"public"."t'],
  ])("on %s, where pg_dump itself would wait for ever", async (_, sql, name) => {
    await using database = await freshDatabase({
      sql: `create table t (id int); create index t_id on t (id); create sequence counter;
        create materialized view totals as select count(*) from t; create view looks as select * from t`,
    });
    await using folder = await temporaryFolder();
    await using holder = await inTransaction(database.url, sql);
    const result = await backUp(database.url, folder.path);
    await expectLockTimeout(result, database, folder.path, `lock ${name}`, `held by process ${holder.pid} (`);
  });
});

describe("a lock without a session", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await freshCluster({ settings: { max_prepared_transactions: "2" } });
  });
  afterAll(async () => await cluster[Symbol.asyncDispose]());

  test("is told as that of a prepared transaction", async () => {
    await using database = await freshDatabase({ cluster: cluster.url(), sql: "create table t (id int)" });
    await using folder = await temporaryFolder();
    sqlNow(database.url, "begin; lock table t in access exclusive mode; prepare transaction 'forgotten'");
    try {
      const result = await backUp(database.url, folder.path);
      await expectLockTimeout(
        result,
        database,
        folder.path,
        'lock "public"."t": no lock within 300 ms; held by a prepared transaction',
        "hint: `select * from pg_prepared_xacts` shows it",
      );
    } finally {
      sqlNow(database.url, "rollback prepared 'forgotten'");
    }
  });
});

describe("tables that change while a backup starts", () => {
  const SQL = `create table t as select generate_series(1, 3) as id; create schema extra; create table extra.u as select 1 as id`;

  /** Takes a backup during whose start this happens, and returns what comes back from it. */
  async function backUpWhile(sql: string, phase: "before" | "after", operation: string): Promise<string> {
    await using database = await freshDatabase({ sql: SQL });
    await using folder = await temporaryFolder();
    const result = await backUp(
      database.url,
      folder.path,
      once(phase, operation, () => void sqlNow(database.url, sql)),
    );
    expect(result, result.stderr).toMatchObject({ code: 0 });
    await using restored = await freshDatabase();
    await restoreWithStockTools(String(jsonOf(result)["location"]), restored.url);
    const tables = await restored.query<{ name: string }>(
      "select relid::regclass::text as name from pg_stat_user_tables order by 1",
    );
    const found = tables.map(
      ({ name }) =>
        `${name}=${sqlNow(restored.url, `select coalesce(string_agg(id::text, ',' order by id), '') from ${name}`)}`,
    );
    return found.join(" ");
  }

  const BEFORE_LOCK = ["before", "sql LOCK"] as const;
  const AFTER_LOCK = ["after", "sql LOCK"] as const;
  test.each([
    ["dropped before it is locked", "drop table t", ...BEFORE_LOCK, "extra.u=1"],
    ["dropped with its schema", "drop schema extra cascade", ...BEFORE_LOCK, "t=1,2,3"],
    ["renamed", "alter table t rename to v", ...BEFORE_LOCK, "extra.u=1 v=1,2,3"],
    ["replaced by a view", "drop table t; create view t as select 1", ...BEFORE_LOCK, "extra.u=1"],
    ["replaced by a sequence", "drop table t; create sequence t", ...BEFORE_LOCK, "extra.u=1"],
    [
      "replaced by another",
      "drop table t; create table t as select 7 as id",
      ...BEFORE_LOCK,
      "extra.u=1 t=7",
    ],
    ["created before the lock", "create table w as select 9 as id", ...BEFORE_LOCK, "extra.u=1 t=1,2,3 w=9"],
    ["created after the lock", "create table w as select 9 as id", ...AFTER_LOCK, "extra.u=1 t=1,2,3 w=9"],
    ["truncated before the lock", "truncate t; insert into t values (8)", ...BEFORE_LOCK, "extra.u=1 t=8"],
    [
      "rewritten before the lock",
      "alter table t alter id type bigint using id * 10",
      ...BEFORE_LOCK,
      "extra.u=1 t=10,20,30",
    ],
    ["filled before the snapshot", "insert into t values (4)", ...AFTER_LOCK, "extra.u=1 t=1,2,3,4"],
  ])("one %s", async (_, sql, phase, operation, expected) => {
    expect(await backUpWhile(sql, phase, operation)).toBe(expected);
  });

  test("a migration that never ends is told as such", async () => {
    await using database = await freshDatabase({ sql: SQL });
    await using folder = await temporaryFolder();
    let n = 0;
    const result = await backUp(database.url, folder.path, (phase, operation) => {
      if (phase === "after" && operation === "sql LOCK") sqlNow(database.url, `create table m${n++} ()`);
    });
    await expectLockTimeout(result, database, folder.path, "the list of tables changed 5 times meanwhile");
  });
});

test("limits that the database sets for applications do not end a backup", async () => {
  await using database = await freshDatabase({ sql: "create table t as select generate_series(1, 3) as id" });
  // On a busy machine what a connection begins with, and a program of PostgreSQL, takes more than a moment.
  await database.query(`alter database ${database.name} set statement_timeout = '1s';
    alter database ${database.name} set idle_in_transaction_session_timeout = '1s';
    alter database ${database.name} set default_transaction_read_only = on;
    alter database ${database.name} set search_path = evil, pg_catalog;`);
  await using folder = await temporaryFolder();
  // For what the test itself does: on a busy machine any statement may take longer.
  const options =
    "-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off";
  const unlimited = `${database.url}?options=${encodeURIComponent(options)}`;
  const waited =
    "select pid from pg_stat_activity where datname = current_database() and application_name = 'handled' and query like 'lock %' and wait_event_type = 'Lock' and query_start < clock_timestamp() - interval '1500 ms'";
  await using holder = new AsyncDisposableStack();
  const client = new pg.Client(clientConfig(unlimited));
  holder.defer(async () => await client.end());
  await client.connect();
  await client.query("begin; lock table public.t in access exclusive mode");
  const idle = (): void => void sqlNow(unlimited, "select pg_sleep(1.5)");
  const running = runCli(["backup", "--url", database.url, "--repository", folder.path], {
    observer: once("before", "child pg_dumpall", idle),
  });
  await expect.poll(() => runSql(unlimited, waited)).toHaveLength(1);
  await client.query("commit");
  const result = await running;
  expect(result, result.stderr).toMatchObject({ code: 0 });
});
