import { Command } from "commander";
import { chmod, mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { expect, test } from "vitest";
import type { Cli } from "../src/cli/cli.ts";
import { addDoctor } from "../src/cli/commands/doctor.ts";
import { Output } from "../src/cli/output.ts";
import { AppError } from "../src/errors.ts";
import { systemClock } from "../src/lib/clock.ts";
import { isOnThisMachine } from "../src/operations/doctor/connection.ts";
import { type DoctorReport, type DoctorRequest, examine } from "../src/operations/doctor/doctor.ts";
import type { CheckId, Finding } from "../src/operations/doctor/finding.ts";
import { firstWord } from "../src/operations/doctor/programs.ts";
import { listRelations, listUnreadable } from "../src/postgres/catalog.ts";
import { findClients, type PostgresClient } from "../src/postgres/clients.ts";
import { resolveConnection } from "../src/postgres/connection.ts";
import { type Marker, markSql } from "../src/postgres/marker.ts";
import { connect, quoteIdentifier } from "../src/postgres/session.ts";
import { acquireLease } from "../src/repository/lease.ts";
import { openOrCreateRepository } from "../src/repository/repository.ts";
import { openFilesystem } from "../src/storage/filesystem.ts";
import { memoryStorage } from "../src/storage/memory.ts";
import type { Storage } from "../src/storage/storage.ts";
import { lyingProxy } from "./support/lying-proxy.ts";
import {
  clusterUrl,
  freshCluster,
  freshDatabase,
  type FreshDatabase,
  runSql,
  temporaryFolder,
  uniqueName,
} from "./support/postgres.ts";
import { noAbort, testRuntime, type TestRuntime } from "./support/runtime.ts";
import { takeSample } from "./support/sample-backup.ts";
import { parse } from "./support/strategy.ts";

const PLAIN = { name: null, format: "plain", compression: "gzip" } as const;

interface Question {
  readonly url: string;
  readonly storage?: Storage;
  readonly schemas?: readonly string[];
  readonly backups?: DoctorRequest["databases"][number]["backups"];
  readonly runtime?: TestRuntime;
  readonly request?: Partial<DoctorRequest>;
}

async function diagnose(question: Question): Promise<DoctorReport> {
  const runtime = question.runtime ?? testRuntime();
  const database = {
    name: "shop",
    connection: () => resolveConnection(runtime, question.url, noAbort()),
    places: [{ name: "memory", storage: () => question.storage ?? memoryStorage() }],
    schemas: question.schemas ?? null,
    backups: question.backups ?? [PLAIN],
  };
  const machine = { nodeVersion: "24.21.0", uid: 0 };
  const request = {
    machine,
    strategy: null,
    strategyError: null,
    databases: [database],
    ...question.request,
  };
  return await examine(runtime, request, noAbort());
}

/** The one finding of a check. */
function found(report: DoctorReport, id: CheckId): Finding {
  const findings = report.findings.filter((finding) => finding.id === id);
  expect(findings.map((finding) => finding.message)).toHaveLength(1);
  return findings[0] as Finding;
}

const problems = (report: DoctorReport): string[] =>
  report.findings.filter(({ level }) => level === "problem").map(({ id }) => id);
// What restores of other tests leave in the shared cluster is none of our business.
const notOk = (report: DoctorReport): string[] =>
  report.findings
    .filter(({ level, id }) => level !== "ok" && id !== "leftovers")
    .map(({ id, message }) => `${id}: ${message}`);

/** A role that may log in and nothing else, with the URL of a database for it. */
async function freshRole(database: FreshDatabase): Promise<{ name: string; url: string } & AsyncDisposable> {
  const name = uniqueName("role");
  await runSql(clusterUrl(), `create role ${name} login password 'pw'`);
  const url = new URL(database.url);
  url.username = name;
  url.password = "pw";
  return {
    name,
    url: url.href,
    [Symbol.asyncDispose]: async () => {
      await database.query(`drop owned by ${name}`);
      await runSql(clusterUrl(), `drop role ${name}`);
    },
  };
}

const SHOP = `create schema config; create schema customer;
  create table config.users (id serial primary key); create table customer.orgs (id serial primary key)`;

test("a healthy database and a repository that is yet to be made: everything is fine, and nothing stays behind", async () => {
  await using database = await freshDatabase({ sql: SHOP });
  await using folder = await temporaryFolder();
  const storage = openFilesystem(testRuntime(), join(folder.path, "deep/down/backups"));
  const report = await diagnose({ url: database.url, storage, schemas: ["config", "customer"] });
  expect(notOk(report)).toEqual([]);
  expect(report).toMatchObject({ exitCode: 0, databases: [{ name: "shop", ready: true }] });
  expect(found(report, "client").message).toContain("pg_dump (PostgreSQL)");
  expect(found(report, "privileges").message).toBe("may read 2 tables and 2 sequences");
  expect(await readdir(folder.path)).toEqual([]);
});

test("in a repository in use the probe leaves everything as it was, an empty folder too", async () => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "shop"), { mode: 0o750 });
  const runtime = testRuntime();
  const storage = openFilesystem(runtime, folder.path);
  await openOrCreateRepository(runtime, storage, noAbort());
  expect(notOk(await diagnose({ url: database.url, storage }))).toEqual([]);
  expect((await readdir(folder.path)).toSorted()).toEqual(["repository.json", "shop"]);
  expect((await stat(join(folder.path, "shop"))).mode & 0o777).toBe(0o750);
  await writeFile(join(folder.path, "shop", "other.txt"), "");
  expect(notOk(await diagnose({ url: database.url, storage }))).toEqual([]);
  expect(await readdir(join(folder.path, "shop"))).toEqual(["other.txt"]);
});

test("a wrong password is exit 20; what hangs on the connection is not checked, the rest is", async () => {
  await using cluster = await freshCluster({ password: "right" });
  const report = await diagnose({ url: cluster.url().replace("right", "wr0ng-secret") });
  expect(report.exitCode).toBe(20);
  expect(problems(report)).toEqual(["connection"]);
  expect(found(report, "connection")).toMatchObject({ code: "login_refused" });
  expect(found(report, "privileges")).toMatchObject({
    level: "warning",
    message: "not checked because there is no connection",
  });
  expect(found(report, "repository-write").level).toBe("ok");
  expect(JSON.stringify(report)).not.toContain("wr0ng-secret");
});

test("no connection string and no repository are two problems, not the end", async () => {
  const usage = (text: string): AppError => new AppError("usage", text, { hint: "say where" });
  const database = {
    name: "shop",
    connection: () => Promise.reject(usage("no connection string")),
    places: [
      {
        name: "nowhere",
        storage: (): Storage => {
          throw usage("no repository");
        },
      },
    ],
    schemas: null,
    backups: [PLAIN],
  };
  const report = await diagnose({ url: "", request: { databases: [database] } });
  expect(report.exitCode).toBe(2);
  expect(problems(report)).toEqual(["connection", "repository"]);
});

test("what the role may not read is exit 22, named, and the hint's statements mend it", async () => {
  await using database = await freshDatabase({
    sql: `${SHOP}; create table customer."Odd ""name" (); create view customer.v as select 1 as one;
      create materialized view config.m as select 1 as one`,
  });
  await using role = await freshRole(database);
  await database.query(
    `grant usage on schema config to ${role.name}; grant select on config.users to ${role.name}`,
  );
  const ask = { url: role.url, schemas: ["config", "customer"] };
  const report = await diagnose(ask);
  expect(report.exitCode).toBe(22);
  expect(problems(report)).toEqual(["privileges"]);
  const finding = found(report, "privileges");
  expect(finding.items).toEqual([
    "config.m",
    "config.users_id_seq",
    'customer."Odd ""name"',
    "customer.orgs",
    "customer.orgs_id_seq",
  ]);
  const settings = await resolveConnection(testRuntime(), role.url, noAbort());
  await using session = await connect(testRuntime(), settings, noAbort());
  const refusing = await listUnreadable(session, await listRelations(session, ask.schemas), ask.schemas);
  expect(finding.items.map((name) => name.replaceAll('"', "")).toSorted()).toEqual(
    refusing.map((name) => name.replaceAll('"', "")).toSorted(),
  );
  await database.query(/`(.*)`/.exec(finding.hint ?? "")?.[1] ?? "");
  expect(found(await diagnose(ask), "privileges").level).toBe("ok");
});

test("a role without further rights is told what restores would need", async () => {
  await using database = await freshDatabase();
  await using role = await freshRole(database);
  const report = await diagnose({ url: role.url });
  const texts = report.findings.filter(({ id }) => id === "restore").map(({ message }) => message);
  expect(texts).toEqual([
    `${role.name} may not create databases, so it cannot restore here`,
    `${role.name} does not own ${database.name}, so it cannot swap it`,
  ]);
  expect(report.exitCode).toBe(0);
});

test("a missing schema is a problem with the nearest name, and the others are looked at all the same", async () => {
  await using database = await freshDatabase({ sql: SHOP });
  const report = await diagnose({ url: database.url, schemas: ["config", "custommer"] });
  expect(report.exitCode).toBe(2);
  expect(found(report, "schemas")).toMatchObject({
    code: "schema_missing",
    hint: "did you mean customer? the database has: config, customer, public",
  });
  expect(found(report, "privileges").message).toBe("may read 1 table and 1 sequence");
  const none = await diagnose({ url: database.url, schemas: ["nowhere"] });
  expect(found(none, "privileges").message).toBe("not checked because none of the schemas is there");
});

test("a file where the repository's folder should be is a problem", async () => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "file"), "");
  const report = await diagnose({
    url: database.url,
    storage: openFilesystem(testRuntime(), join(folder.path, "file/backups")),
  });
  expect(report.exitCode).toBe(1);
  expect(problems(report)).toContain("repository-write");
  expect(found(report, "repository-write")).toMatchObject({ code: "repository_unusable" });
  expect(await readdir(folder.path)).toEqual(["file"]);
});

test("a place that gives one key twice is refused", async () => {
  await using database = await freshDatabase();
  const memory = memoryStorage();
  const storage: Storage = {
    ...memory,
    putIfAbsent: async (key, data, signal) => {
      await memory.put(key, data, signal);
      return true;
    },
  };
  const report = await diagnose({ url: database.url, storage });
  expect(report.exitCode).toBe(1);
  expect(problems(report)).toEqual(["repository-write"]);
  expect(found(report, "repository-write").message).toContain("two writers could not be kept apart");
});

test("a repository that every user can enter is a warning", async () => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  await chmod(folder.path, 0o755);
  const report = await diagnose({ url: database.url, storage: openFilesystem(testRuntime(), folder.path) });
  expect(report.exitCode).toBe(0);
  expect(found(report, "repository-permissions")).toMatchObject({
    level: "warning",
    hint: `\`chmod o-rwx ${folder.path}\``,
  });
});

test("too little space for another backup like the last is exit 23; for a first one it is a warning", async () => {
  await using database = await freshDatabase();
  const runtime = testRuntime();
  const memory = memoryStorage();
  const storage: Storage = { ...memory, freeBytes: () => Promise.resolve(100) };
  const first = await diagnose({ url: database.url, storage });
  expect(found(first, "repository-space").level).toBe("warning");
  const repository = await openOrCreateRepository(runtime, storage, noAbort());
  {
    await using lease = await acquireLease(runtime, repository, "shop", "backup", noAbort());
    const sample = { id: "20241211T143022Z-0001", archive: Buffer.alloc(101) };
    await takeSample(repository, lease, sample, noAbort());
  }
  const report = await diagnose({ url: database.url, storage });
  expect(report.exitCode).toBe(23);
  expect(problems(report)).toEqual(["repository-space"]);
  const tight = await diagnose({
    url: database.url,
    storage: { ...memory, freeBytes: () => Promise.resolve(150) },
  });
  expect(found(tight, "repository-space").level).toBe("warning");
});

test("a writer that lives keeps a backup from running now: exit 11, naming it", async () => {
  await using database = await freshDatabase();
  const runtime = testRuntime();
  const storage = memoryStorage();
  const repository = await openOrCreateRepository(runtime, storage, noAbort());
  {
    await using _lease = await acquireLease(runtime, repository, "shop", "backup", noAbort());
    const report = await diagnose({ url: database.url, storage });
    expect(report.exitCode).toBe(11);
    expect(found(report, "lease").message).toContain(`process ${process.pid}`);
  }
  expect((await diagnose({ url: database.url, storage })).exitCode).toBe(0);
});

test("a backup from the future is a warning", async () => {
  await using database = await freshDatabase();
  const runtime = testRuntime();
  const storage = memoryStorage();
  const repository = await openOrCreateRepository(runtime, storage, noAbort());
  {
    await using lease = await acquireLease(runtime, repository, "shop", "backup", noAbort());
    await takeSample(repository, lease, { id: "20991211T143022Z-0001" }, noAbort());
  }
  const report = await diagnose({ url: database.url, storage });
  expect(notOk(report)).toHaveLength(1);
  expect(notOk(report)[0]).toContain("in the future (2099-12-11T14:30:22Z)");
});

test("without client programs it is exit 21, for the machine and for the server", async () => {
  await using database = await freshDatabase();
  const report = await diagnose({ url: database.url, request: { findClients: () => Promise.resolve([]) } });
  expect(report.exitCode).toBe(21);
  expect(problems(report)).toEqual(["clients", "client"]);
});

test("a server newer than every client is exit 21, with what to install", async () => {
  await using database = await freshDatabase();
  const old: PostgresClient = { folder: "/old/bin", version: 140_005, label: "pg_dump (PostgreSQL) 14.5" };
  const report = await diagnose({
    url: database.url,
    request: { findClients: () => Promise.resolve([old]) },
  });
  expect(report.exitCode).toBe(21);
  expect(problems(report)).toEqual(["client"]);
  expect(found(report, "client").hint).toContain("apt-get install postgresql-client-");
});

test("clients that cannot be run are told", async () => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, "pg_dump"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
  const runtime = testRuntime({ env: { PATH: `${folder.path}:${process.env["PATH"] ?? ""}` } });
  const report = await diagnose({ url: database.url, runtime });
  expect(notOk(report)).toEqual([expect.stringContaining(`${folder.path}/pg_dump cannot be run`)]);
  expect(runtime.warnings).toEqual([]);
});

test("zstd is looked for when a plain backup wants it, on the PATH that the backup will have", async () => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  const runtime = testRuntime({ env: { PATH: folder.path } });
  const backups = [{ name: "nightly", format: "plain", compression: "zstd" }] as const;
  // The clients are those of the whole machine: only zstd shall be missing.
  const request = { findClients: () => findClients(testRuntime(), noAbort()) };
  const report = await diagnose({ url: database.url, runtime, backups, request });
  expect(report.exitCode).toBe(21);
  expect(problems(report)).toEqual(["zstd"]);
  expect(found(await diagnose({ url: database.url, backups }), "zstd").level).toBe("ok");
});

test("custom archives with zstd need a client of version 16", async () => {
  await using database = await freshDatabase();
  const backups = [{ name: "nightly", format: "custom", compression: "zstd" }] as const;
  const client = (version: number): PostgresClient => ({ folder: "/pg/bin", version, label: `${version}` });
  const [row] = await database.query<{ major: number }>(
    "select current_setting('server_version_num')::int / 10000 as major",
  );
  const ask = async (version: number): Promise<number> =>
    (
      await diagnose({
        url: database.url,
        backups,
        request: { findClients: () => Promise.resolve([client(version)]) },
      })
    ).exitCode;
  expect(await ask(Math.max(16, row?.major ?? 0) * 10_000)).toBe(0);
  if ((row?.major ?? 0) < 16) expect(await ask(150_018)).toBe(21);
});

test("row level security that hides rows from the role is exit 22; its owner and a superuser see all", async () => {
  await using database = await freshDatabase({
    sql: "create schema s; create table s.secret (id int); create table s.open (id int); alter table s.secret enable row level security",
  });
  await using role = await freshRole(database);
  await database.query(
    `grant usage on schema s to ${role.name}; grant select on all tables in schema s to ${role.name}`,
  );
  const report = await diagnose({ url: role.url, schemas: ["s"] });
  expect(report.exitCode).toBe(22);
  expect(problems(report)).toEqual(["row-security"]);
  expect(found(report, "row-security").items).toEqual(["s.secret"]);
  expect(found(report, "row-security").hint).toContain("bypassrls");
  expect((await diagnose({ url: database.url, schemas: ["s"] })).exitCode).toBe(0);
});

test("what the chosen schemas need of others is listed, extensions and what others need of them are not", async () => {
  await using database = await freshDatabase({
    sql: `create schema inside; create schema outside; create schema ext;
      create extension pg_trgm schema ext;
      create extension hstore schema ext;
      create type outside.mood as enum ('good');
      create table outside.parent (id int primary key);
      create sequence outside.counter;
      create function outside.stamp() returns trigger language plpgsql as 'begin return new; end';
      create view outside.base as select 1 as one;
      create table inside.t (
        id serial primary key, parent int references outside.parent, mood outside.mood, moods outside.mood[],
        n bigint default nextval('outside.counter'), attributes ext.hstore, many ext.hstore[], name text);
      create index on inside.t using gin (name ext.gin_trgm_ops);
      create view inside.v as select * from outside.base;
      create trigger stamp before insert on inside.t for each row execute function outside.stamp();
      create table inside.alone (id int primary key, a int[]);
      create view inside.own as select * from inside.alone;
      create table outside.child (id int references inside.alone);
      create view outside.over as select * from inside.alone`,
  });
  const report = await diagnose({ url: database.url, schemas: ["inside"] });
  expect(report.exitCode).toBe(0);
  expect(found(report, "dependencies")).toMatchObject({ level: "warning" });
  expect(found(report, "dependencies").items).toEqual([
    "default value for inside.t.n needs sequence outside.counter",
    "table column inside.t.mood needs type outside.mood",
    "table column inside.t.moods needs type outside.mood[]",
    "table constraint t_parent_fkey on inside.t needs table outside.parent",
    "trigger stamp on inside.t needs function outside.stamp()",
    "view inside.v needs view outside.base",
  ]);
  const both = await diagnose({ url: database.url, schemas: ["inside", "outside"] });
  expect(notOk(both)).toEqual([]);
});

test("large objects are missing from a backup of chosen schemas, and unreadable ones stop a whole one", async () => {
  await using database = await freshDatabase({ sql: "create schema s; select lo_create(0)" });
  await using role = await freshRole(database);
  expect(found(await diagnose({ url: database.url, schemas: ["s"] }), "large-objects").level).toBe("warning");
  expect((await diagnose({ url: database.url })).exitCode).toBe(0);
  const report = await diagnose({ url: role.url });
  expect(problems(report)).toEqual(["large-objects"]);
  expect(report.exitCode).toBe(22);
});

test("a clock that is off is a warning, one that is far off a problem", async () => {
  await using database = await freshDatabase();
  const offBy = (ms: number): TestRuntime =>
    testRuntime({ clock: { ...systemClock, now: () => new Date(Date.now() + ms) } });
  const ahead = await diagnose({ url: database.url, runtime: offBy(30_000) });
  expect(ahead.exitCode).toBe(0);
  expect(found(ahead, "clock")).toMatchObject({ level: "warning" });
  expect(found(ahead, "clock").message).toMatch(/ahead of/);
  const behind = await diagnose({ url: database.url, runtime: offBy(-3_600_000) });
  expect(behind.exitCode).toBe(1);
  expect(problems(behind)).toEqual(["clock"]);
  expect(found(behind, "clock").message).toMatch(/behind/);
});

test("a table that another session has locked is a warning that names the session, and nothing waits for it", async () => {
  await using database = await freshDatabase({ sql: SHOP });
  const client = new pg.Client({ connectionString: database.url, application_name: "migration" });
  await client.connect();
  try {
    await client.query("begin; lock table config.users in access exclusive mode");
    const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
    const report = await diagnose({ url: database.url, schemas: ["config"] });
    const finding = found(report, "locks");
    expect(finding.level).toBe("warning");
    expect(finding.message).toContain(
      `config.users by process ${rows[0]?.pid} (user postgres, application migration`,
    );
    expect(notOk(report)).toHaveLength(1);
    expect(notOk(await diagnose({ url: database.url, schemas: ["customer"] }))).toEqual([]);
  } finally {
    await client.end();
  }
});

test("databases that restores left behind are told, each for what it is", async () => {
  await using database = await freshDatabase();
  await using replaced = await freshDatabase();
  await using half = await freshDatabase({ name: `handled_restoring_${uniqueName("").slice(1, 9)}` });
  await using unmarked = await freshDatabase({ name: `handled_restoring_${uniqueName("").slice(1, 9)}` });
  const mark = async (name: string, marker: Marker): Promise<void> => {
    await runSql(clusterUrl(), markSql(name, marker));
  };
  const swapped = (dropAfter: string): Marker => ({
    program: "handled",
    purpose: "replaced",
    name: database.name,
    at: "2024-12-11T14:30:22Z",
    dropAfter,
    by: "x",
    xid: "1",
    comment: null,
    undone: false,
  });
  await mark(half.name, {
    program: "handled",
    purpose: "restoring",
    target: "shop",
    holder: { host: "elsewhere" },
    startedAt: "2024-12-11T14:30:22Z",
  });
  await mark(replaced.name, swapped("2099-01-01T00:00:00Z"));
  const leftovers = async (): Promise<Finding[]> =>
    (await diagnose({ url: database.url })).findings.filter(
      ({ id, message }) =>
        id === "leftovers" && [replaced, half, unmarked].some(({ name }) => message.includes(name)),
    );
  const before = await leftovers();
  expect(before.map(({ level }) => level).toSorted()).toEqual(["ok", "warning", "warning"]);
  expect(before.map(({ message }) => message).join("\n")).toContain("kept until 2099-01-01T00:00:00Z");
  expect(before.map(({ hint }) => hint).join("\n")).toContain(`drop database ${quoteIdentifier(half.name)}`);
  await mark(replaced.name, swapped("2025-01-01T00:00:00Z"));
  expect((await leftovers()).map(({ hint }) => hint)).toContain("`handled prune` drops it");
});

test("a pooler between is a warning", async () => {
  await using database = await freshDatabase();
  await using proxy = await lyingProxy(Number(new URL(database.url).port));
  const url = new URL(database.url);
  url.port = String(proxy.port);
  const report = await diagnose({ url: url.href });
  expect(found(report, "direct-connection").level).toBe("warning");
  expect(report.exitCode).toBe(0);
});

test("only addresses of this machine need no encryption", async () => {
  for (const host of ["/var/run/postgresql", "127.0.0.1", "127.9.9.9", "::1", "localhost"]) {
    expect(await isOnThisMachine(host), host).toBe(true);
  }
  for (const host of ["192.0.2.1", "2001:db8::1", "1127.0.0.1.invalid", "0.0.0.0"]) {
    expect(await isOnThisMachine(host), host).toBe(false);
  }
});

test("an old Node is a problem", async () => {
  const report = await diagnose({
    url: "",
    request: { databases: [], machine: { nodeVersion: "22.1.0", uid: 0 } },
  });
  expect(problems(report)).toEqual(["node"]);
});

test("the first word of a command line is found where a shell is not needed to find it", () => {
  expect(firstWord("pm2 stop api")).toBe("pm2");
  expect(firstWord("  A=1 B=x/y /usr/bin/env true;echo")).toBe("/usr/bin/env");
  expect(firstWord("true&&false")).toBe("true");
  for (const line of ['"a b" c', "$STOP now", "(cd x; y)", "A='x y' z", ""])
    expect(firstWord(line)).toBeUndefined();
});

test("the strategy's file, its schedules and its application's commands are looked at", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "handled.yaml");
  await writeFile(path, "", { mode: 0o644 });
  const strategy = (url: string): DoctorRequest["strategy"] => ({
    ...parse(`version: 1
repositories: { local: { url: /tmp/nowhere } }
databases: { shop: { url: "${url}", backups: [{ name: nightly, schedule: "0 2 * * *" }] } }
application: { stop: no-such-program-here stop, start: eval env }
`),
    path,
  });
  const ask = async (url: string, PATH: string): Promise<DoctorReport> =>
    await diagnose({
      url: "",
      runtime: testRuntime({ env: { PATH } }),
      request: { databases: [], strategy: strategy(url), machine: { nodeVersion: "24.0.0", uid: 0 } },
    });
  const report = await ask("postgresql://u:hunter2@h/d", folder.path);
  expect(report.exitCode).toBe(0);
  expect(found(report, "strategy-file").message).toContain("holds a password and others may read it");
  expect(found(report, "scheduler").message).toContain("neither cron nor systemd");
  expect(found(report, "application").message).toBe(
    "the application's commands are not found: no-such-program-here",
  );
  await writeFile(join(folder.path, "crontab"), "#!/bin/sh\n", { mode: 0o755 });
  const mended = await ask("postgresql://h/d", folder.path);
  expect(found(mended, "strategy-file").level).toBe("ok");
  expect(found(mended, "scheduler").message).toContain("cron can run 1 scheduled backup");
  await chmod(path, 0o664);
  expect(found(await ask("postgresql://h/d", folder.path), "strategy-file").hint).toBe(
    `\`chmod go-w ${path}\``,
  );
});

interface CliRun {
  readonly stdout: string;
  readonly exitCode: number;
}

async function runCli(args: readonly string[], json: boolean, cwd: string): Promise<CliRun> {
  const runtime = testRuntime();
  let [stdout, exitCode] = ["", 0];
  const output = new Output(
    { stdout: { write: (text) => (stdout += text) }, stderr: { write: () => true } },
    { json, quiet: false, verbose: false, color: false },
    runtime.secrets,
    () => 0,
  );
  const cli: Cli = {
    runtime,
    output,
    signal: noAbort(),
    cwd,
    node: process.execPath,
    script: "handled",
    input: undefined,
    piped: undefined,
    config: undefined,
    onHangup: () => undefined,
    exitWith: (code) => (exitCode = code),
  };
  const program = new Command().exitOverride();
  addDoctor(program, () => cli);
  await program.parseAsync(["doctor", ...args], { from: "user" });
  return { stdout, exitCode };
}

test("handled doctor prints findings by subject with hints, a verdict for each database, and --json for machines", async () => {
  await using database = await freshDatabase({ sql: SHOP });
  await using folder = await temporaryFolder();
  const place = ["--url", database.url, "--repository", join(folder.path, "backups")];
  const good = await runCli(place, false, folder.path);
  expect(good.exitCode).toBe(0);
  expect(good.stdout).toContain(`\n\n✓ a backup of ${database.name} could run now\n`);
  const bad = await runCli([...place, "--schema", "confg"], false, folder.path);
  expect(bad.exitCode).toBe(2);
  expect(bad.stdout).toContain("  ✗ not in the database: schema confg\n      hint: did you mean config?");
  expect(bad.stdout).toContain(
    "  ! not checked because none of the schemas is there: whether everything may be read, row level security, large objects, what the schemas need of others, locks on tables\n",
  );
  expect(bad.stdout).toContain(`✗ no backup of ${database.name} now: 1 problem\n`);
  const json = JSON.parse((await runCli([...place, "--schema", "confg"], true, folder.path)).stdout) as {
    findings: Record<string, unknown>[];
  };
  expect(json).toMatchObject({
    ready: false,
    problems: 1,
    databases: [{ name: database.name, ready: false }],
  });
  expect(json.findings.find(({ id }) => id === "schemas")).toMatchObject({
    subject: database.name,
    level: "problem",
    code: "schema_missing",
  });
  expect(json.findings.find(({ id }) => id === "node")).toMatchObject({ subject: "machine", level: "ok" });
});

test("without any strategy the machine is looked at, and the missing strategy is the problem", async () => {
  await using folder = await temporaryFolder();
  const { stdout, exitCode } = await runCli([], false, folder.path);
  expect(exitCode).toBe(2);
  expect(stdout).toContain("✗ find a strategy: there is no handled.yaml");
  expect(stdout).toContain("✓ Node ");
});
