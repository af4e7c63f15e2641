import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Observer } from "../src/lib/runtime.ts";
import type { Cluster } from "../src/postgres/cluster.ts";
import { builtProgram } from "./support/built-program.ts";
import { cliEnvironment, type CliOptions, type CliResult, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { expectNoSessions, filesOf } from "./support/leftovers.ts";
import { inMountNamespace } from "./support/mounts.ts";
import {
  freshCluster,
  type FreshDatabase,
  freshDatabase as sharedDatabase,
  temporaryFolder,
} from "./support/postgres.ts";
import { lockTable } from "./support/lock-table.ts";
import { quietCluster } from "./support/quiet-cluster.ts";
import { findSqlNow, type SqlNow } from "./support/stock-tools.ts";

const { freshDatabase } = quietCluster();

let sqlNow: SqlNow;
beforeAll(async () => {
  sqlNow = await findSqlNow();
});

const ROWS_SQL = `create type mood as enum ('calm', 'wild');
  create table parents (id int primary key, mood mood);
  insert into parents select g, 'calm' from generate_series(1, 20000) g;
  create table wide as select g as id, repeat(md5(g::text), 60) as pad from generate_series(1, 14000) g`;

async function backUp(
  url: string,
  repository: string,
  options: CliOptions = {},
  ...args: string[]
): Promise<CliResult> {
  return await runCli([...backupArgs(url, repository), ...args], options);
}

function backupArgs(url: string, repository: string): string[] {
  const place = ["--url", url, "--repository", repository];
  return ["backup", "data", ...place, "--kind", "snapshot", "--json", "--jobs", "2"];
}

async function backUpWell(
  url: string,
  repository: string,
  options: CliOptions = {},
): Promise<Record<string, unknown>> {
  const result = await backUp(url, repository, options);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  return jsonOf(result);
}

function expectFailure(result: CliResult, exit: number, code: string, ...words: string[]): void {
  expect(result.code, result.stderr).toBe(exit);
  expect(jsonOf(result)).toMatchObject({ error: { code } });
  for (const word of words) expect(result.stderr).toContain(word);
}

/** What a restore of the newest backup brings back: this query's value in it. */
async function restored(repository: string, url: string, query: string): Promise<string> {
  const name = `restored_${Math.random().toString(36).slice(2)}`;
  const args = ["restore", "data", "--url", url, "--repository", repository, "--new-database", name, "--yes"];
  const result = await runCli(args);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  const there = new URL(url);
  there.pathname = `/${name}`;
  try {
    return sqlNow(there.href, query);
  } finally {
    sqlNow(url, `drop database ${name}`);
  }
}

/** A failed run leaves parts for the collection of garbage, and nothing that looks like a backup. */
async function expectNoBackup(repository: string): Promise<void> {
  const files = await filesOf(repository);
  expect(files.filter((file) => file.includes("/backups/") || file.includes(".tmp"))).toEqual([]);
}

/** Runs the action once, when this operation is seen for the first time. */
function once(
  phase: "before" | "after",
  matches: (operation: string) => boolean,
  action: () => void,
): Observer {
  let done = false;
  return (now, name) => {
    if (done || now !== phase || !matches(name)) return;
    done = true;
    action();
  };
}

const firstCopy = (action: () => void): Observer => once("before", (name) => name === "sql COPY", action);

describe("what happens to tables while a snapshot is taken", () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase({ sql: ROWS_SQL });
  });
  afterAll(async () => await database[Symbol.asyncDispose]());

  test.each([
    ["dropped", "drop table wide"],
    ["truncated", "truncate wide"],
    ["rewritten", "alter table wide alter column id type bigint"],
  ])("a table cannot be %s under it: the other side waits", async (_, sql) => {
    await using folder = await temporaryFolder();
    const said: string[] = [];
    const observer = firstCopy(() => {
      said.push(
        sqlNow(
          database.url,
          `do $$ begin set local lock_timeout = 50; ${sql}; raise 'done';
        exception when lock_not_available then null; end $$; select 'it waits'`,
        ),
      );
    });
    await backUpWell(database.url, folder.path, { observer });
    expect(said).toEqual(["it waits"]);
    expect(await restored(folder.path, database.url, "select count(*), sum(length(pad)) from wide")).toBe(
      "14000|26880000",
    );
  });

  test("rows that come and go meanwhile are those of the snapshot", async () => {
    await using folder = await temporaryFolder();
    const observer = firstCopy(() => {
      sqlNow(
        database.url,
        "update parents set mood = 'wild' where id % 2 = 0; delete from wide where id < 1000",
      );
    });
    await backUpWell(database.url, folder.path, { observer });
    const query = "select (select count(*) from wide), (select count(*) from parents where mood = 'calm')";
    expect(await restored(folder.path, database.url, query)).toBe("14000|20000");
    await backUpWell(database.url, folder.path);
    expect(await restored(folder.path, database.url, query)).toBe("13001|10000");
  });

  test("an enum whose label changes meanwhile: the mixture does not become a backup", async () => {
    await using folder = await temporaryFolder();
    const rename = (from: string, to: string): void =>
      void sqlNow(database.url, `alter type mood rename value '${from}' to '${to}'`);
    const result = await backUp(database.url, folder.path, {
      observer: firstCopy(() => rename("calm", "mild")),
    });
    expectFailure(result, 1, "source_changed", '"public"."parents"', "when the migration has ended");
    await expectNoBackup(folder.path);
    rename("mild", "calm");
  });

  test("a lock that is held: exit 1, naming who holds it", async () => {
    await using folder = await temporaryFolder();
    const observer = once(
      "before",
      (name) => name === "sql LOCK",
      () => {
        sqlNow(
          database.url,
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'none'",
        );
      },
    );
    await using holder = await lockTable(database.url, "wide");
    const result = await backUp(database.url, folder.path, { observer }, "--lock-timeout", "0.2s");
    expectFailure(result, 1, "lock_timeout", '"public"."wide"', `held by process ${holder.pid}`);
    await expectNoBackup(folder.path);
  });
});

describe("what happens to the server and the disk", () => {
  test("a worker's session is ended by somebody: exit 20, and the next run succeeds", async () => {
    await using database = await freshDatabase({ sql: ROWS_SQL });
    await using folder = await temporaryFolder();
    const observer = firstCopy(() => {
      sqlNow(
        database.url,
        `select pg_terminate_backend(pid, 5000) from pg_stat_activity
          where datname = current_database() and application_name = 'handled'`,
      );
    });
    expectFailure(await backUp(database.url, folder.path, { observer }), 20, "database_unreachable");
    await expectNoBackup(folder.path);
    await expectNoSessions(database);
    expect(await backUpWell(database.url, folder.path)).toMatchObject({ rows: 34_000 });
  });

  test("the server crashes in the middle; started again, the next run succeeds and reuses nothing it should not", async () => {
    await using cluster: Cluster = await freshCluster();
    const shop = await sharedDatabase({ cluster: cluster.url(), template: "template1", sql: ROWS_SQL });
    await using folder = await temporaryFolder();
    await backUpWell(shop.url, folder.path);
    const isThere = (): boolean => {
      try {
        return process.kill(cluster.pid, 0);
      } catch {
        return false; // ESRCH: it has ended
      }
    };
    const observer = firstCopy(() => {
      process.kill(cluster.pid, "SIGQUIT");
      while (isThere()) continue;
    });
    await shop.query("update parents set mood = 'wild' where id = 7");
    expectFailure(await backUp(shop.url, folder.path, { observer }), 20, "database_unreachable");
    await cluster.start();
    expect(await backUpWell(shop.url, folder.path)).toMatchObject({ rows: 34_000 });
    expect(await restored(folder.path, shop.url, "select count(*) from parents where mood = 'wild'")).toBe(
      "1",
    );
  });

  test("a disk that fills up: exit 23, and there is no backup", async () => {
    await using database = await freshDatabase({
      sql: `create table noise as select g as id, string_agg(md5(random()::text || n), '') as noise
              from generate_series(1, 1500) g, generate_series(1, 60) n group by g`,
    });
    await using folder = await temporaryFolder();
    const script = `mount -t tmpfs -o size=1m tmpfs ${folder.path} && { "$@"; code=$?; cd ${folder.path}; find . -path '*/backups/*' >&2; exit $code; }`;
    const args = ["backup", "data", "--url", database.url, "--repository", folder.path, "--kind", "snapshot"];
    const wrapper = inMountNamespace(script);
    const result = await spawnCli([...args, "--json"], { wrapper }).result;
    expectFailure(result, 23, "space_missing", "no space left on the device", "hint: free space");
    expect(result.stderr).not.toContain("./data/backups");
    await expectNoSessions(database);
  });
});

describe("two writers", () => {
  test("the second is refused while the first copies, and takes over nothing", async () => {
    await using database = await freshDatabase({ sql: ROWS_SQL });
    await using folder = await temporaryFolder();
    let second: CliResult | undefined;
    const observer = firstCopy(() => {
      // Until it has ended the first one stands still.
      const args = [builtProgram("main"), ...backupArgs(database.url, folder.path)];
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        env: cliEnvironment(),
        encoding: "utf8",
      });
      second = { code: status, stdout, stderr };
    });
    await backUpWell(database.url, folder.path, { observer });
    if (second === undefined) throw new Error("the second run did not begin");
    expectFailure(second, 11, "lease_held");
    const list = jsonOf(await runCli(["list", "--repository", folder.path, "--json"]));
    expect(list).toMatchObject({ databases: [{ backups: [{ rows: 34_000, kind: "snapshot" }] }] });
  });
});

describe("options", () => {
  test.each([
    [["--kind", "snapshot", "--format", "custom"], "`--format` is nothing a backup of kind snapshot has"],
    [
      ["--kind", "snapshot", "--compression", "zstd"],
      "`--compression` is nothing a backup of kind snapshot has",
    ],
    [["--jobs", "2"], "`--jobs` is nothing a backup of kind archive has"],
    [["--full-read"], "`--full-read` is nothing a backup of kind archive has"],
    [["--kind", "snapshot", "--file", "/tmp/x"], "a snapshot is not one file"],
  ])("%j are refused", async (args, words) => {
    await using folder = await temporaryFolder();
    const place = ["--url", "postgresql://127.0.0.1:1/x", "--repository", folder.path, "--json"];
    const result = await runCli(["backup", "data", ...place, ...args]);
    expectFailure(result, 2, "usage", words);
    expect(await filesOf(folder.path)).toEqual([]);
  });

  test("--full-read reads everything, and says so", async () => {
    await using database = await freshDatabase({ sql: ROWS_SQL });
    await using folder = await temporaryFolder();
    await backUpWell(database.url, folder.path);
    const before = await filesOf(folder.path);
    const again = jsonOf(await backUp(database.url, folder.path, {}, "--full-read"));
    // Stored anew as well: a part that was damaged must not be in the way.
    const parts = (files: readonly string[]) => files.filter((file) => file.includes("/parts/"));
    expect(parts(await filesOf(folder.path))).toHaveLength(2 * parts(before).length);
    expect(again).toMatchObject({ parts: { reused: 0 }, fullRead: "`--full-read` was given" });
    const next = await backUpWell(database.url, folder.path);
    expect(next).toMatchObject({ parts: { read: 0 }, fullRead: null, sample: { read: 2, differing: 0 } });
  });
});

describe("a repository that was damaged", () => {
  test("what a verification found damaged is not built on: the next snapshot stores that anew", async () => {
    await using database = await freshDatabase({ sql: ROWS_SQL });
    await using folder = await temporaryFolder();
    await backUpWell(database.url, folder.path);
    const [part] = (await filesOf(folder.path)).filter((file) => file.includes("/parts/"));
    if (part === undefined) throw new Error("there is no part");
    const path = join(folder.path, part);
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const verify = async (): Promise<CliResult> =>
      await runCli(["verify", "data", "--repository", folder.path, "--level", "integrity", "--json"]);
    // Nobody has looked yet: the damaged part is believed to be there.
    await backUpWell(database.url, folder.path);
    expect((await verify()).code).toBe(13);
    const healing = await backUpWell(database.url, folder.path);
    expect(healing).toMatchObject({ fullRead: null });
    expect(healing["parts"]).not.toMatchObject({ reused: 0 });
    expect((await verify()).code).toBe(0);
    // And those after it build on it again.
    expect(await backUpWell(database.url, folder.path)).toMatchObject({ parts: { read: 0 }, fullRead: null });
    expect((await verify()).code).toBe(0);
  });

  test.each(["snapshot", "archive"])(
    "a %s that failed its verification is not what retention, status and `latest` count on",
    async (kind) => {
      await using database = await freshDatabase({
        sql: "create table t as select generate_series(1, 50) as id",
      });
      await using folder = await temporaryFolder();
      const run = async (...args: string[]): Promise<CliResult> =>
        await runCli([...args, "--repository", folder.path, "--json"]);
      const take = async (): Promise<string> => {
        const result = await run("backup", "data", "--url", database.url, "--kind", kind);
        expect(result, result.stderr).toMatchObject({ code: 0 });
        return String(jsonOf(result)["id"]);
      };
      const good = await take();
      const before = await filesOf(folder.path);
      await database.query("update t set id = -id");
      const bad = await take();
      const [file] = (await filesOf(folder.path)).filter(
        (name) => !before.includes(name) && /\/parts\/|\.sql\.gz$/.test(name) && !name.includes("latest"),
      );
      if (file === undefined) throw new Error("there is nothing to damage");
      const bytes = await readFile(join(folder.path, file));
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      await writeFile(join(folder.path, file), bytes);
      expect((await run("verify", "data", bad, "--level", "integrity")).code).toBe(13);

      expect(await run("status", "data")).toMatchObject({ code: 4, stdout: expect.stringContaining(bad) });
      const pruned = await run("prune", "data", "--keep", "last=1", "--garbage-age", "0s");
      expect(pruned, pruned.stderr).toMatchObject({ code: 0 });
      const left = jsonOf(await run("list", "data")) as { databases: { backups: { id: string }[] }[] };
      expect(left.databases[0]?.backups.map(({ id }) => id)).toContain(good);
      expect(await restored(folder.path, database.url, "select count(*), min(id), max(id) from t")).toBe(
        "50|1|50",
      );
    },
  );
});

test("a database whose dates are written in another way is backed up all the same", async () => {
  await using database = await freshDatabase({ sql: ROWS_SQL });
  await database.query(`alter database "${database.name}" set datestyle = 'German'`);
  await using folder = await temporaryFolder();
  await backUpWell(database.url, folder.path);
  await backUpWell(database.url, folder.path);
  const archive = await runCli(["backup", "data", "--url", database.url, "--repository", folder.path]);
  expect(archive, archive.stderr).toMatchObject({ code: 0 });
});
