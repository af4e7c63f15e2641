import pg from "pg";
import { expect, test } from "vitest";
import type { Finding } from "../src/operations/doctor/finding.ts";
import { listRelations, listUnreadable } from "../src/postgres/catalog.ts";
import { resolveConnection } from "../src/postgres/connection.ts";
import { type Marker, markSql } from "../src/postgres/marker.ts";
import { connect, quoteIdentifier } from "../src/postgres/session.ts";
import { lyingProxy } from "./support/lying-proxy.ts";
import { clusterUrl, freshDatabase, runSql, uniqueName } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { diagnose, found, problems, notOk, freshRole, SHOP } from "./support/diagnose.ts";

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
