import { describe, expect, test } from "vitest";
import { connect } from "../src/postgres/session.ts";
import { backedUp, databasesLike, expectedDatabase, halfMade } from "./support/backed-up.ts";
import type { CliResult } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { clusterUrl, freshDatabase, runSql, uniqueName } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { pauseSql, stuckRestore } from "./support/stuck-restore.ts";

const SNAPSHOT = ["--kind", "snapshot", "--jobs", "2"];

/** Large enough to be loaded by threads; the load of the second table comes to a halt. */
const STUCK_SQL = `
create table public.large (id int primary key, pad text);
insert into public.large select g, repeat(md5(g::text), 30) from generate_series(1, 9500) g;
${pauseSql("public", 500)}
create table public.second as select g as id from generate_series(1, 1000) g;
alter table public.second add check (public.pause(id));`;

function expectFailure(result: CliResult, code: number, text: string | RegExp): void {
  expect(result.code, result.stderr).toBe(code);
  expect(result.stderr).toMatch(text);
}

describe("a restore of a snapshot is stopped in the middle", () => {
  test.each([
    ["SIGINT", "1"],
    ["SIGTERM", "3"],
  ] as const)("by %s, with %s connections: exit 130, and nothing is left", async (signal, jobs) => {
    await using shop = await backedUp({ sql: STUCK_SQL, backup: SNAPSHOT });
    const name = uniqueName();
    await using stuck = await stuckRestore(shop, { args: ["--new-database", name, "--jobs", jobs] });
    process.kill(stuck.running.pid, signal);
    expectFailure(await stuck.running.result, 130, `stopped by ${signal}`);
    expect(await halfMade(stuck.running.pid)).toEqual([]);
    expect(await databasesLike(name)).toEqual([]);
  });

  test("by SIGKILL: the next restore drops what it left", async () => {
    await using shop = await backedUp({ sql: STUCK_SQL, backup: SNAPSHOT });
    await using killed = await stuckRestore(shop, { args: ["--new-database", uniqueName(), "--jobs", "3"] });
    process.kill(killed.running.pid, "SIGKILL");
    await killed.running.result;
    await using other = await backedUp({ sql: "create table t ()", backup: SNAPSHOT });
    await using restored = expectedDatabase(uniqueName());
    const result = await other.restore(["latest", "--new-database", restored.name]);
    // That of another test on this server may have been faster to say so.
    expectFailure(result, 0, "");
    expect(await databasesLike(killed.making)).toEqual([]);
  });

  test("by an administrator who ends one of its connections: an error, and nothing is left", async () => {
    await using shop = await backedUp({ sql: STUCK_SQL, backup: SNAPSHOT });
    const name = uniqueName();
    await using stuck = await stuckRestore(shop, { args: ["--new-database", name, "--jobs", "3"] });
    await runSql(clusterUrl(), `select pg_terminate_backend(${stuck.loader})`);
    expectFailure(await stuck.running.result, 20, /terminating connection/);
    expect(await halfMade(stuck.running.pid)).toEqual([]);
    expect(await databasesLike(name)).toEqual([]);
  });
});

describe("a restore of a snapshot into a database that is there", () => {
  const FOREIGN = `create table public.first as select g as id from generate_series(1, 1000) g;
    create function public.refuse(id int) returns boolean language sql as
      $$ select pg_catalog.current_setting('my.mode', true) is not distinct from 'backup' or id < 900 $$;
    set my.mode = 'backup'; create table public.later (id int check (public.refuse(id)));
    insert into public.later select generate_series(1, 1000);`;

  test("that fails leaves it as it was, extensions too", async () => {
    await using shop = await backedUp({ sql: FOREIGN, backup: SNAPSHOT });
    await using target = await freshDatabase({ sql: "create extension pg_trgm" });
    const before = await contentsOf(target.url);
    const result = await shop.restore(["latest", "--to", target.url, "--jobs", "3"]);
    expectFailure(result, 1, "violates check constraint");
    expect(await contentsOf(target.url)).toEqual(before);
  });

  test("is seen by nobody before it is complete", async () => {
    // Rows are loaded only while nobody in that database has this lock.
    const waits = "pg_catalog.pg_advisory_xact_lock_shared(7) is not null";
    await using shop = await backedUp({ sql: FOREIGN.replace("id < 900", waits), backup: SNAPSHOT });
    await using target = await freshDatabase();
    await using holder = await connect(testRuntime(), target.settings, noAbort());
    await holder.query("select pg_advisory_lock(7)");
    const tables = async (): Promise<unknown> =>
      (
        await target.query(
          "select count(*)::int as tables from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
        )
      )[0];
    const running = shop.restore(["latest", "--to", target.url]);
    const waiting =
      "select count(*)::int as waiting from pg_locks where locktype = 'advisory' and not granted";
    await expect
      .poll(() => target.query(`${waiting} and objid = 7`), { timeout: 45_000, interval: 20 })
      .toEqual([{ waiting: 1 }]);
    expect(await tables()).toEqual({ tables: 0 });
    await holder.query("select pg_advisory_unlock(7)");
    expectFailure(await running, 0, "");
    expect(await tables()).toEqual({ tables: 2 });
  });
});

describe("a server with few connections", () => {
  test("is restored to with as many as it has", async () => {
    await using shop = await backedUp({
      sql: STUCK_SQL.replace("perform pg_sleep(1000)", "null"),
      backup: SNAPSHOT,
    });
    await using restored = expectedDatabase(uniqueName());
    // As a role that may have four: two are the restore's own, and the check of rows needs none of its own.
    const role = uniqueName("few");
    await runSql(clusterUrl(), `create role ${role} superuser login`);
    const url = new URL(shop.live.url);
    url.username = role;
    try {
      await runSql(clusterUrl(), `alter role ${role} nosuperuser createdb connection limit 5`);
      await runSql(clusterUrl(), `alter database ${shop.live.name} owner to ${role}`);
      const result = await shop.restore([
        "latest",
        "--to",
        replaceDatabase(url, restored.name),
        "--jobs",
        "8",
      ]);
      expectFailure(result, 0, /the server has no more connections: loading with [1-4]/);
      expect((await contentsOf(restored.url)).tables).toEqual((await contentsOf(shop.live.url)).tables);
    } finally {
      await restored[Symbol.asyncDispose]();
      await runSql(clusterUrl(), `alter database ${shop.live.name} owner to current_user; drop role ${role}`);
    }
  });
});

function replaceDatabase(url: URL, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
