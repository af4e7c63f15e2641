import { execFile, execFileSync } from "node:child_process";
import { readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "../src/postgres/cluster.ts";
import { backedUp, type BackedUp, databasesLike, expectedDatabase, halfMade } from "./support/backed-up.ts";
import { type CliOptions, type CliResult, runCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import {
  clusterUrl,
  freshCluster,
  freshDatabase,
  type FreshDatabase,
  runSql,
  temporaryFolder,
  uniqueName,
} from "./support/postgres.ts";
import { smallDisk } from "./support/small-disk.ts";
import { findSqlNow } from "./support/stock-tools.ts";
import { pauseSql, stuckRestore } from "./support/stuck-restore.ts";

const run = promisify(execFile);

function expectFailure(result: CliResult, code: number, text: string | RegExp): void {
  expect(result.code, result.stderr).toBe(code);
  expect(result.stderr).toMatch(text);
}

/** Keeps what was done, to see that nothing was made. */
function watching(): CliOptions & { readonly made: () => string[] } {
  const operations: string[] = [];
  return {
    observer: (_, operation) => void operations.push(operation),
    made: () => operations.filter((operation) => /CREATE|child psql/.test(operation)),
  };
}

/** Several times as big as a pipe holds, so that the middle is the middle. */
const SQL = `
create schema data;
create table data.first as select g as id, md5(g::text) as pad from generate_series(1, 2000) g;
create table data.second (id int primary key, pad text);
insert into data.second select g, repeat(md5(g::text), 8) from generate_series(1, 2000) g;`;

describe("an archive that is not what it should be is refused before anything is made:", () => {
  let dump: Buffer;
  let custom: Buffer;
  let live: FreshDatabase;
  beforeAll(async () => {
    live = await freshDatabase({ sql: SQL });
    const options = { encoding: "buffer", maxBuffer: 1 << 28 } as const;
    dump = execFileSync("pg_dump", [live.url], options);
    custom = execFileSync("pg_dump", ["-Fc", live.url], options);
    return async () => await live[Symbol.asyncDispose]();
  });

  async function refuse(bytes: Buffer | string, text: string | RegExp): Promise<void> {
    await using folder = await temporaryFolder();
    const path = join(folder.path, "archive");
    await writeFile(path, bytes);
    const watch = watching();
    const args = ["restore", live.name, path, "--url", live.url, "--new-database", uniqueName()];
    expectFailure(await runCli(args, watch), 13, text);
    expect(watch.made()).toEqual([]);
  }

  const cut = (bytes: Buffer, by = 0.5): Buffer => bytes.subarray(0, Math.floor(bytes.length * by));
  const flip = (bytes: Buffer, at: number): Buffer => {
    const flipped = Buffer.from(bytes);
    flipped[at] = (flipped[at] ?? 0) ^ 0x10;
    return flipped;
  };

  test("cut short", async () => {
    await refuse(cut(dump), /its end is missing/);
    await refuse(
      dump.subarray(0, dump.lastIndexOf("-- PostgreSQL database dump complete")),
      /its end is missing/,
    );
    for (const whole of [gzipSync(dump), zstdCompressSync(dump), custom]) {
      await refuse(cut(whole), /read|decode|decompress/);
      await refuse(whole.subarray(0, -3), /read|decode|decompress/);
    }
    // Whole as a file, but packed while it was incomplete.
    await refuse(gzipSync(cut(dump)), /its end is missing/);
  });

  test("changed in one bit", async () => {
    for (const whole of [gzipSync(dump), custom])
      await refuse(flip(whole, whole.length >> 1), /read|decode|decompress/);
  });

  test("no dump at all, or one of more than a database", async () => {
    await refuse("", "an empty file");
    await refuse("hello\n", "a text without pg_dump's header");
    await refuse(Buffer.alloc(5000), "a binary file");
    await refuse(gzipSync("hello\n"), "a text without pg_dump's header");
    await refuse(Buffer.concat([gzipSync(dump).subarray(0, 8), Buffer.alloc(5000, 7)]), /damaged/);
    const { stdout } = await run("pg_dumpall", ["--globals-only", "-d", clusterUrl()], {
      maxBuffer: 1 << 28,
    });
    await refuse(stdout, "made by pg_dumpall");
    await refuse(
      gzipSync(execFileSync("pg_dump", ["--create", live.url], { maxBuffer: 1 << 28 })),
      "a command to psql itself",
    );
    await refuse(
      `${dump.toString("latin1").replace("COPY data", "\\! touch /tmp/never\nCOPY data")}`,
      "a command to psql itself",
    );
    await refuse(execFileSync("pg_dump", ["-Ft", live.url], { maxBuffer: 1 << 28 }), "a tar archive");
  });

  test("a backup of ours whose archive was cut short or changed, or whose manifest was", async () => {
    for (const format of ["plain", "custom"]) {
      await using shop = await backedUp({ sql: SQL, backup: ["--format", format] });
      const whole = await readFile(shop.archive);
      const folder = join(shop.repository, shop.live.name, "backups", shop.id);
      const attempt = async (which: string, code: number, text: RegExp): Promise<void> => {
        const watch = watching();
        expectFailure(await shop.restore([which, "--new-database", uniqueName()], watch), code, text);
        expect(watch.made()).toEqual([]);
      };
      await writeFile(shop.archive, flip(whole, whole.length >> 1));
      await attempt("latest", 13, /SHA-256|decode|decompress/);
      await truncate(shop.archive, whole.length - 100);
      await attempt(shop.id, 13, /./);
      await attempt("latest", 1, /1 damaged/);
      await writeFile(shop.archive, whole);
      for (const part of ["tables", "content"]) {
        const kept = await readFile(join(folder, part));
        await writeFile(join(folder, part), flip(kept, kept.length >> 1));
        // By its id: as the latest it counts no more.
        await attempt(shop.id, 13, /./);
        await writeFile(join(folder, part), kept);
      }
      await writeFile(join(folder, "index"), "{");
      await attempt(shop.id, 13, /./);
    }
  });

  test("and `latest` says so when it is not the last one that was taken", async () => {
    await using shop = await backedUp({ sql: SQL });
    const later = await shop.backup();
    await using restored = expectedDatabase(uniqueName());
    await writeFile(await archiveOf(shop, later), "gone");
    const result = await shop.restore(["latest", "--new-database", restored.name]);
    expectFailure(result, 0, new RegExp(`warning: ${later} is later than ${shop.id} and cannot be restored`));
  });
});

async function archiveOf(shop: BackedUp, id: string): Promise<string> {
  const index = await readFile(join(shop.repository, shop.live.name, "backups", id, "index"), "utf8");
  const key = /"key": ?"([^"]+)"/.exec(index)?.[1] ?? "";
  return join(shop.repository, key);
}

describe("an SQL error in the middle", () => {
  const SECOND_ROW = /(?<first>COPY data\.second .*\n1\t.*\n)2\t/;
  const cases: readonly [string, (text: string) => string, RegExp][] = [
    [
      "a missing extension",
      (text) => text.replaceAll("pg_trgm", "no_such_extension"),
      /extension "no_such_extension" is not available/,
    ],
    [
      "a missing type",
      (text) => text.replace("pad text", "pad no_such_type"),
      /type "no_such_type" does not exist/,
    ],
    ["a row twice", (text) => text.replace(SECOND_ROW, "$<first>1\t"), /could not create unique index/],
    [
      "a row that does not fit",
      (text) => text.replace(SECOND_ROW, "$<first>two\t"),
      /invalid input syntax.*COPY/,
    ],
    [
      "a statement that is none",
      (text) => text.replace("CREATE TABLE data.second", "CREATE TABEL data.second"),
      /syntax error/,
    ],
  ];

  test.each(cases)(
    "(%s) leaves nothing behind, in a new database as in an empty one",
    async (_, spoil, message) => {
      await using live = await freshDatabase({ sql: `create extension pg_trgm; ${SQL}` });
      await using folder = await temporaryFolder();
      const path = join(folder.path, "spoiled.sql.gz");
      const { stdout } = await run("pg_dump", [live.url], { maxBuffer: 1 << 28 });
      await writeFile(path, gzipSync(spoil(stdout)));
      const before = await contentsOf(live.url);
      const args = ["restore", live.name, path, "--url", live.url];
      const name = uniqueName();
      expectFailure(await runCli([...args, "--new-database", name]), 1, message);
      expect(await databasesLike(name)).toEqual([]);
      expectFailure(await runCli([...args, "--swap", "--yes"]), 1, message);
      await using empty = await freshDatabase();
      expectFailure(await runCli(["restore", live.name, path, "--to", empty.url]), 1, message);
      expect(Object.values(await contentsOf(empty.url)).flat()).toEqual([{}]);
      expect(await empty.query("select from pg_namespace where nspname = 'data'")).toEqual([]);
      expect(await empty.query("select from pg_extension where extname <> 'plpgsql'")).toEqual([]);
      expect(await contentsOf(live.url)).toEqual(before);
      expect(await halfMade()).toEqual([]);
    },
  );

  test("takes the extensions back that were made beforehand", async () => {
    await using shop = await backedUp({
      sql: `create schema tools; create extension citext schema tools; ${SQL} create table data.word (w tools.citext)`,
      backup: ["--schema", "data"],
    });
    const bytes = await readFile(shop.archive);
    await using empty = await freshDatabase();
    await empty.query("create extension pg_trgm");
    // Nobody can make its table, for the name is taken by something that does not count as the user's.
    await empty.query(
      "create function refuse() returns event_trigger language plpgsql as $$ begin raise exception 'no tables today'; end $$",
    );
    await empty.query(
      "create event trigger refuse on ddl_command_end when tag in ('CREATE TABLE') execute function refuse()",
    );
    await empty.query("alter extension pg_trgm add function refuse()");
    const before =
      "select nspname as name from pg_namespace union all select extname from pg_extension order by 1";
    const given = await empty.query(before);
    expectFailure(await shop.restore(["latest", "--to", empty.url]), 1, /no tables today/);
    expect(await empty.query(before)).toEqual(given);
    expect(await readFile(shop.archive)).toEqual(bytes);
  });
});

test("a database that somebody else makes under the name meanwhile is left alone", async () => {
  await using shop = await backedUp({ sql: SQL });
  await using theirs = expectedDatabase(uniqueName());
  const sqlNow = await findSqlNow();
  let made = false;
  const result = await shop.restore(["latest", "--new-database", theirs.name], {
    observer: (phase, operation) => {
      if (made || `${phase} ${operation}` !== "after child psql") return;
      made = true;
      sqlNow(clusterUrl(), `create database ${theirs.name}`);
      sqlNow(theirs.url, "create table theirs ()");
    },
  });
  expectFailure(result, 2, /exists already/);
  expect(await theirs.query("select from theirs")).toEqual([]);
  expect(await halfMade()).toEqual([]);
});

test("a repository or a server that is not there", async () => {
  await using shop = await backedUp({ sql: SQL });
  const place = ["--repository", join(shop.repository, "nowhere")];
  expectFailure(
    await runCli(["restore", shop.live.name, "--url", shop.live.url, ...place]),
    10,
    /repository/,
  );
  const url = new URL(shop.live.url);
  url.port = "1";
  const args = ["restore", shop.live.name, "--url", url.href, "--repository", shop.repository];
  expectFailure(await runCli(args), 20, /connection refused/);
});

/** Its load comes to a halt in the middle of the second table, and stays there. */
const STUCK_SQL = `${SQL}
${pauseSql("data", 1000)}
alter table data.second add check (data.pause(id));
create table public.outside as select 1 as x;`;

describe("stopped in the middle", () => {
  test.each(["SIGINT", "SIGTERM"] as const)("by %s: exit 130, and nothing is left", async (signal) => {
    await using shop = await backedUp({ sql: STUCK_SQL });
    const before = await contentsOf(shop.live.url);
    const name = uniqueName();
    await using stuck = await stuckRestore(shop, { args: ["--new-database", name] });
    process.kill(stuck.running.pid, signal);
    expectFailure(await stuck.running.result, 130, `stopped by ${signal}`);
    expect(await halfMade(stuck.running.pid)).toEqual([]);
    expect(await databasesLike(name)).toEqual([]);
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });

  test("by SIGINT in a swap: the application is started again, and writers go on", async () => {
    await using shop = await backedUp({ sql: STUCK_SQL, backup: ["--schema", "data"] });
    const before = await contentsOf(shop.live.url);
    const log = join(shop.repository, "log");
    const strategy = {
      version: 1,
      repositories: { local: { url: shop.repository } },
      databases: { [shop.live.name]: { url: "${DATABASE_URL}", schemas: ["data"] } },
      application: { stop: `echo stop >> ${log}`, start: `echo start >> ${log}` },
    };
    const file = join(shop.repository, "handled.yaml");
    await writeFile(file, JSON.stringify(strategy));
    const env = { DATABASE_URL: shop.live.url };
    await using stuck = await stuckRestore(shop, { args: ["--swap", "--yes", "--config", file], env });
    expect(await readFile(log, "utf8")).toBe("stop\n");
    process.kill(stuck.running.pid, "SIGINT");
    expectFailure(await stuck.running.result, 130, "stopped by SIGINT");
    expect(await readFile(log, "utf8")).toBe("stop\nstart\n");
    expect(await halfMade(stuck.running.pid)).toEqual([]);
    expect(await contentsOf(shop.live.url)).toEqual(before);
    await shop.live.query("insert into public.outside values (2)");
  });

  test("by SIGKILL: the next restore drops what it left, and not what another one is making", async () => {
    await using shop = await backedUp({ sql: STUCK_SQL });
    await using killed = await stuckRestore(shop, { args: ["--new-database", uniqueName()] });
    await using running = await stuckRestore(shop, { args: ["--new-database", uniqueName()] });
    process.kill(killed.running.pid, "SIGKILL");
    await killed.running.result;
    await using other = await backedUp({ sql: "create table t ()" });
    await using restored = expectedDatabase(uniqueName());
    const result = await other.restore(["latest", "--new-database", restored.name]);
    // That of another test on this server may have been faster to say so.
    expectFailure(result, 0, "");
    expect(await databasesLike(killed.making)).toEqual([]);
    expect(await databasesLike(running.making)).toEqual([running.making]);
    expect(running.running.ended()).toBe(false);
  });

  test("by an administrator who ends the server's side of the load: an error, and nothing is left", async () => {
    await using shop = await backedUp({ sql: STUCK_SQL });
    const name = uniqueName();
    await using stuck = await stuckRestore(shop, { args: ["--new-database", name] });
    await runSql(clusterUrl(), `select pg_terminate_backend(${stuck.loader})`);
    expectFailure(await stuck.running.result, 20, /terminating connection/);
    expect(await halfMade(stuck.running.pid)).toEqual([]);
    expect(await databasesLike(name)).toEqual([]);
  });
});

describe("a server that goes away in the middle", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await freshCluster();
    return async () => await cluster[Symbol.asyncDispose]();
  });

  test("of a connection only: an error, and nothing is left", async () => {
    const server = cluster.url();
    await using shop = await backedUp({ sql: STUCK_SQL, cluster: server });
    await using stuck = await stuckRestore(shop, { args: [], server });
    await runSql(
      server,
      "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'handled'",
    );
    expectFailure(await stuck.running.result, 20, /terminating connection|connection.*lost/);
    expect(await databasesLike("%restor%", server)).toEqual([]);
  });

  test("at once: an error that says so; the next restore tidies up", async () => {
    const server = cluster.url();
    await using shop = await backedUp({ sql: STUCK_SQL, cluster: server });
    const before = await contentsOf(shop.live.url);
    const stuck = await stuckRestore(shop, { args: [], server });
    await cluster.stop("immediate");
    const result = await stuck.running.result;
    await cluster.start();
    expectFailure(result, 20, /./);
    expect(result.stderr).toContain(`drop ${stuck.making}, the half-made database`);
    expect(await databasesLike("handled%", server)).toEqual([stuck.making]);
    expect(await contentsOf(shop.live.url)).toEqual(before);
    await using other = await backedUp({ sql: "create table t ()", cluster: server });
    expectFailure(await other.restore(["latest"]), 0, `dropped ${stuck.making}`);
    expect(await databasesLike("handled%", server)).toEqual([]);
    await stuck[Symbol.asyncDispose]();
  });
});

test("a server without room: refused early when that can be seen, and tidied up when it comes in the middle", async () => {
  await using shop = await backedUp({
    sql: "create table big as select g as id, repeat(md5(g::text), 6) as pad from generate_series(1, 40000) g",
  });
  await using disk = await smallDisk(110);
  const url = new URL(disk.server);
  url.pathname = "/shop";
  const restore = async (options: CliOptions): Promise<CliResult> =>
    await runCli(
      ["restore", shop.live.name, "latest", "--to", url.href, "--repository", shop.repository],
      options,
    );

  disk.fill(4 * MIB);
  const watch = watching();
  expectFailure(await restore(watch), 23, /: about .* are needed, its disk has .* free/);
  expect(watch.made()).toEqual([]);
  disk.empty();

  const operations: string[] = [];
  const result = await restore({
    observer: (phase, operation) => {
      operations.push(operation);
      if (phase === "before" && operation === "child psql") disk.fill(3 * MIB);
    },
  });
  expectFailure(result, 23, /could not extend file/);
  expect(operations).toContain("child psql");
  expect(await databasesLike("handled%", disk.server)).toEqual([]);
  expect(await databasesLike("shop", disk.server)).toEqual([]);
  disk.empty();

  expectFailure(await restore({}), 0, /./);
  expect(await runSql(url.href, "select count(*)::int as rows from big")).toEqual([{ rows: 40_000 }]);
});

const MIB = 1024 * 1024;
