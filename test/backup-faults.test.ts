import { chmod, mkdir, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Observer } from "../src/lib/runtime.ts";
import type { Cluster } from "../src/postgres/cluster.ts";
import { freshRole } from "./support/backed-up.ts";
import { type CliOptions, type CliResult, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { expectNoSessions, expectNothingLeft, filesOf, withoutRuns } from "./support/leftovers.ts";
import { inMountNamespace } from "./support/mounts.ts";
import {
  clusterUrl,
  freshCluster,
  type FreshDatabase,
  freshDatabase,
  temporaryFolder,
} from "./support/postgres.ts";
import { sampleRepository } from "./support/sample-repository.ts";
import { findSqlNow, type SqlNow } from "./support/stock-tools.ts";
import { versionProxy } from "./support/version-proxy.ts";

let database: FreshDatabase;
let sqlNow: SqlNow & { readonly psql: string };
beforeAll(async () => {
  sqlNow = await findSqlNow();
  // More than the buffers between server and disk hold, so that a dump can be caught in the middle, and then something
  // that does not compress, to fill a disk.
  const sql = `create table a_small as select 1 as one;
    create table big as select g as id, repeat(md5(g::text), 60) as pad from generate_series(1, 14000) g;
    create table noise as select g as id, string_agg(md5(random()::text || n), '') as noise
      from generate_series(1, 1500) g, generate_series(1, 60) n group by g`;
  database = await freshDatabase({ sql });
});
afterAll(async () => await database[Symbol.asyncDispose]());

const backUp = async (
  url: string,
  repository: string,
  args: readonly string[] = [],
  options: CliOptions = {},
): Promise<CliResult> =>
  await runCli(["backup", "data", "--url", url, "--repository", repository, "--json", ...args], options);

/** The exit code, and what was said about it. */
function expectFailure(result: CliResult, exit: number, code: string, ...words: string[]): void {
  expect(result.code).toBe(exit);
  expect(jsonOf(result)).toMatchObject({ error: { code } });
  for (const word of words) expect(result.stderr).toContain(word);
}

/** The shared cluster's URL with parts replaced. */
function serverUrl(parts: {
  user?: string;
  password?: string;
  host?: string;
  port?: string;
  database?: string;
}): string {
  const url = new URL(clusterUrl(parts.database ?? database.name));
  if (parts.user !== undefined) url.username = encodeURIComponent(parts.user);
  if (parts.password !== undefined) url.password = encodeURIComponent(parts.password);
  if (parts.host !== undefined) url.hostname = parts.host;
  if (parts.port !== undefined) url.port = parts.port;
  return url.href;
}

describe("no way to the database", () => {
  test.each([
    ["a host that nobody knows", { host: "no-such-host.invalid" }, "database_unreachable", "hint: check the"],
    [
      "a port where nobody listens",
      { port: "1" },
      "database_unreachable",
      "connect to 127.0.0.1:1: connection refused",
    ],
    ["a database that is not there", { database: "nope" }, "login_refused", 'database "nope" does not exist'],
    [
      "a role that is not there",
      { user: "nobody here" },
      "login_refused",
      'role "nobody here" does not exist',
    ],
  ])("%s: exit 20, and no repository is made", async (_, parts, code, words) => {
    await using folder = await temporaryFolder();
    expectFailure(await backUp(serverUrl(parts), folder.path), 20, code, `handled: back up data: `, words);
    expect(await filesOf(folder.path)).toEqual([]);
  });
});

describe("not everything can be read", () => {
  test("an unknown schema: exit 2, with the name that was meant", async () => {
    await using shop = await freshDatabase({ sql: "create schema reference; create schema workspace" });
    await using folder = await temporaryFolder();
    const result = await backUp(shop.url, folder.path, ["--schema", "refrence", "--schema", "workspace"]);
    expectFailure(result, 2, "schema_missing", "not in the database: refrence", "did you mean reference?");
    expect(await filesOf(folder.path)).toEqual([]);
  });

  test.each([
    ["one table", "revoke select on shop.secret from limited", '"shop"."secret"'],
    ["one sequence", "revoke select on sequence shop.counter from limited", '"shop"."counter"'],
    ["one partition", "revoke select on shop.part_1 from limited", '"shop"."part_1"'],
    ["a whole schema", "revoke usage on schema shop from limited", '"shop"."counter"'],
    [
      "rows that a policy hides",
      "alter table shop.secret enable row level security",
      'hides rows from limited in "shop"."secret"',
    ],
  ])("no privilege on %s: exit 22, naming it", async (_, sql, name) => {
    const role = await freshRole("limited", "login");
    await using roles = new AsyncDisposableStack();
    roles.use(role);
    await using shop = await freshDatabase({
      sql: `create schema shop; create table shop.secret (id int); create sequence shop.counter; create table shop.open (id int);
        create table shop.part (id int) partition by list (id); create table shop.part_1 partition of shop.part default;
        grant usage on schema shop to limited; grant select on all tables in schema shop to limited;
        grant select on all sequences in schema shop to limited`,
    });
    await using folder = await temporaryFolder();
    const url = new URL(shop.url);
    url.username = "limited";
    expect(await backUp(url.href, folder.path)).toMatchObject({ code: 0 });
    await shop.query(sql);
    const before = withoutRuns(await filesOf(folder.path));
    expectFailure(await backUp(url.href, folder.path), 22, "privilege_missing", name, "hint: ");
    expect(withoutRuns(await filesOf(folder.path))).toEqual(before);
    // Other schemas do not matter to a backup of chosen ones.
    await shop.query(
      "create schema other; create table other.open (id int); grant usage on schema other to limited; grant select on other.open to limited",
    );
    expect(await backUp(url.href, folder.path, ["--schema", "other"])).toMatchObject({ code: 0 });
  });
});

describe("no suitable program", () => {
  test("a server newer than every client: exit 21, with what to install", async () => {
    await using proxy = await versionProxy(Number(new URL(database.url).port), "990001");
    await using folder = await temporaryFolder();
    const result = await backUp(serverUrl({ port: String(proxy.port) }), folder.path);
    expectFailure(
      result,
      21,
      "client_missing",
      "of version 99 or newer: installed: ",
      "postgresql-client-99",
    );
    expect(await filesOf(folder.path)).toEqual([]);
  });

  test("no client at all: exit 21", async () => {
    await using folder = await temporaryFolder();
    const hidden = 'mount -t tmpfs tmpfs /usr/lib/postgresql && exec "$@"';
    const args = ["backup", "--url", database.url, "--repository", join(folder.path, "r"), "--json"];
    const { result } = spawnCli(args, { wrapper: inMountNamespace(hidden), env: { PATH: "/nowhere" } });
    expectFailure(
      await result,
      21,
      "client_missing",
      "none is installed",
      "hint: `apt-get install postgresql-client-",
    );
    expect(await filesOf(folder.path)).toEqual([]);
  });

  test("no zstd: exit 21, and nothing is left", async () => {
    await using folder = await temporaryFolder();
    const options = { env: { PATH: "/nowhere" } };
    const result = await backUp(database.url, folder.path, ["--compression", "zstd"], options);
    expectFailure(result, 21, "client_missing", "start zstd: ", "install the package that brings `zstd`");
    await expectNothingLeft(folder.path, database);
  });

  test("a client that dies of itself is told with its last words", async () => {
    await using folder = await temporaryFolder();
    const bin = join(folder.path, "bin");
    await mkdir(bin);
    const script = `#!/bin/sh
case "$1" in --version) echo "pg_dump (PostgreSQL) 15.99";; *) echo "pg_dump: error: out of luck" >&2; exit 3;; esac
`;
    await writeFile(join(bin, "pg_dump"), script);
    await chmod(join(bin, "pg_dump"), 0o755);
    await symlink(join(dirname(sqlNow.psql), "pg_dumpall"), join(bin, "pg_dumpall"));
    const repository = join(folder.path, "repository");
    const options = { env: { PATH: `${bin}:${process.env["PATH"] ?? ""}` } };
    const result = await backUp(database.url, repository, [], options);
    expectFailure(result, 1, "tool_failed", "run pg_dump: exit code 3: pg_dump: error: out of luck");
    expect(result.stderr).not.toContain("warning");
    await expectNothingLeft(repository, database);
  });
});

describe("no room", () => {
  /** Runs the real program with a small disk for its repository; then lists what is on that disk. */
  async function onSmallDisk(
    size: string,
    ...args: string[]
  ): Promise<{ result: CliResult; files: string[] }> {
    await using folder = await temporaryFolder();
    const script = `mount -t tmpfs -o size=${size} tmpfs ${folder.path} && { "$@"; code=$?; cd ${folder.path}; find . ! -type d >&2; exit $code; }`;
    const all = ["backup", "data", "--url", database.url, "--repository", folder.path, "--json", ...args];
    const result = await spawnCli(all, { wrapper: inMountNamespace(script) }).result;
    const files = result.stderr.split("\n").filter((line) => line.startsWith("./"));
    return { result, files };
  }

  test("a disk that fills up: exit 23, nothing is left, and the lease is given back", async () => {
    const { result, files } = await onSmallDisk("1m");
    expectFailure(result, 23, "space_missing", "no space left on the device", "hint: free space");
    expect(withoutRuns(files).toSorted()).toEqual(["./data/lease.1.json", "./repository.json"]);
    await expectNoSessions(database);
  });

  test("a disk on which the last one would not fit again: exit 23 before anything is read", async () => {
    await using folder = await temporaryFolder();
    const fill = `head -c $(( ($(df --output=avail -k . | tail -1) - 200) * 1024 )) /dev/zero > filler`;
    const script = `mount -t tmpfs -o size=9m tmpfs ${folder.path} && "$@" > /dev/null && cd ${folder.path} && ${fill} && exec "$@"`;
    const args = ["backup", "data", "--url", database.url, "--repository", folder.path, "--json"];
    const { result } = spawnCli(args, { wrapper: inMountNamespace(script) });
    expectFailure(
      await result,
      23,
      "space_missing",
      "free, the last backup took ",
      "`handled prune --dry-run`",
    );
  });

  test("pruning a disk that is full: exit 23, and what helps", async () => {
    await using there = await sampleRepository([
      { id: "20241101T020000Z-0001" },
      { id: "20241205T020000Z-0002" },
    ]);
    await using disk = await temporaryFolder();
    const script = `mount -t tmpfs -o size=1m tmpfs ${disk.path} && cp -a ${there.path}/repository ${disk.path}/ && { head -c 2000000 /dev/zero > ${disk.path}/filler; exec "$@"; }`;
    const args = ["prune", "shop", "--repository", join(disk.path, "repository"), "--keep", "last=1"];
    const { result } = spawnCli([...args, "--json"], { wrapper: inMountNamespace(script) });
    expectFailure(await result, 23, "space_missing", "prune shop: write ", "hint: pruning writes a lease");
  });

  test("an extra copy for which there is no room: exit 23, and the backup itself is there", async () => {
    await using folder = await temporaryFolder();
    const disk = join(folder.path, "disk");
    await mkdir(disk);
    const script = `mount -t tmpfs -o size=1m tmpfs ${disk} && { "$@"; code=$?; ls -A ${disk} >&2; exit $code; }`;
    const repository = join(folder.path, "repository");
    const args = [
      "backup",
      "data",
      "--url",
      database.url,
      "--repository",
      repository,
      "--file",
      join(disk, "copy.sql.gz"),
    ];
    const result = await spawnCli([...args, "--json"], { wrapper: inMountNamespace(script) }).result;
    expectFailure(
      result,
      23,
      "space_missing",
      `the backup is complete, its copy is not: write ${join(disk, "copy.sql.gz")}: no space left`,
    );
    expect(result.stderr).not.toContain(".tmp");
    const listed = jsonOf(await runCli(["list", "--repository", repository, "--json"]));
    expect(listed).toMatchObject({ databases: [{ backups: [{ rows: 15_501 }] }] });
  });
});

describe("a repository that cannot be written", () => {
  test.each([
    ["a new one", "mount -t tmpfs -o ro tmpfs DIR"],
    ["one that was", 'mount -t tmpfs tmpfs DIR && "$@" > /dev/null && mount -o remount,ro DIR'],
  ])("on a read-only disk: %s", async (_, mount) => {
    await using folder = await temporaryFolder();
    const script = `${mount.replaceAll("DIR", folder.path)} && exec "$@"`;
    const args = ["backup", "--url", database.url, "--repository", folder.path, "--json"];
    const { result } = spawnCli(args, { wrapper: inMountNamespace(script) });
    expectFailure(
      await result,
      1,
      "repository_unusable",
      "the file system is read-only",
      "hint: mount it writable",
    );
  });

  test("one that is a file", async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "file");
    await writeFile(file, "");
    expectFailure(await backUp(database.url, file), 1, "repository_unusable", "is a file, not a folder");
  });

  test("one at the end of a link that leads nowhere", async () => {
    await using folder = await temporaryFolder();
    const link = join(folder.path, "link");
    await symlink(join(folder.path, "unmounted"), link);
    const result = await backUp(database.url, link);
    expectFailure(result, 1, "repository_unusable", "a link that leads nowhere", "its disk is mounted");
    expect(await filesOf(folder.path)).toEqual(["link"]);
  });
});

describe("the server goes away in the middle", () => {
  /** Once the first bytes of the dump have been written, with most of it still to come. */
  function inTheMiddle(action: () => void): Observer {
    let done = false;
    return (phase, operation) => {
      if (done || phase !== "after" || !operation.startsWith("storage write ")) return;
      done = true;
      action();
    };
  }

  /** Once there are any: what has been written first may be there before a table is copied. */
  const endSessions = (where: string): void =>
    void sqlNow(
      database.url,
      `do $$ begin
         for tries in 1..500 loop
           perform pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = current_database() and ${where};
           exit when found;
           perform pg_sleep(0.02), pg_stat_clear_snapshot();
         end loop;
       end $$`,
    );

  test("pg_dump's session is ended by somebody", async () => {
    await using folder = await temporaryFolder();
    const observer = inTheMiddle(() => endSessions("state = 'active' and query like 'COPY public.big %'"));
    const result = await backUp(database.url, folder.path, [], { observer });
    expectFailure(result, 1, "tool_failed", 'Dumping the contents of table "big" failed');
    await expectNothingLeft(folder.path, database);
  });

  test("our own sessions are ended by somebody", async () => {
    await using folder = await temporaryFolder();
    const observer = inTheMiddle(() => endSessions("application_name = 'handled'"));
    const result = await backUp(database.url, folder.path, [], { observer });
    expectFailure(
      result,
      20,
      "database_unreachable",
      "lost: terminating connection due to administrator command",
    );
    await expectNothingLeft(folder.path, database);
  });

  test("it is stopped at once, as by a crash; started again, the next backup succeeds", async () => {
    await using cluster: Cluster = await freshCluster();
    const shop = await freshDatabase({ cluster: cluster.url(), template: "template1" });
    await shop.query(
      "create table big as select g, repeat(md5(g::text), 50) as pad from generate_series(1, 3000) g",
    );
    await using folder = await temporaryFolder();
    const isThere = (): boolean => {
      try {
        return process.kill(cluster.pid, 0);
      } catch {
        return false; // ESRCH: it has ended
      }
    };
    const stop = (): void => {
      process.kill(cluster.pid, "SIGQUIT");
      while (isThere()) continue;
    };
    const result = await backUp(shop.url, folder.path, [], { observer: inTheMiddle(stop) });
    expectFailure(result, 20, "database_unreachable", `handled: back up data: `);
    await expectNothingLeft(folder.path);
    await cluster.start();
    expect(await backUp(shop.url, folder.path)).toMatchObject({ code: 0 });
  });
});
