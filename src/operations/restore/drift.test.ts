import { describe, expect, test } from "vitest";
import { type FreshDatabase, freshDatabase } from "../../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { connect } from "../../postgres/session.ts";
import { readDrift, readLargeObjectDrift } from "./drift.ts";

const SQL = `
create schema inside; create table inside.item (id serial primary key, name text);
create table public.note (id serial primary key, body text); create sequence public.ticket;
create view public.items as select * from inside.item; create type public.mood as enum ('sad');
create function public.touch() returns trigger language plpgsql as 'begin return new; end';`;

async function driftOf(database: FreshDatabase): Promise<string> {
  await using session = await connect(testRuntime(), database.settings, noAbort());
  return await readDrift(session, ["inside"]);
}

describe("a drift is seen", () => {
  test.each([
    ["a number of a sequence", "select nextval('ticket')"],
    ["a sequence set back", "select setval('ticket', 1, true)"],
    ["a sequence altered", "alter sequence ticket increment 2"],
    ["a table", "create table more ()"],
    ["a table dropped", "drop table note"],
    ["a column", "alter table note add extra int"],
    ["a default", "alter table note alter body set default 'x'"],
    ["a check", "alter table note add check (body <> '')"],
    ["an index", "create index on note (body)"],
    ["a trigger", "create trigger t before update on note for each row execute function touch()"],
    ["a rule", "create rule r as on insert to note do also notify x"],
    ["a policy", "create policy p on note using (true)"],
    ["statistics", "create statistics s (dependencies) on id, body from note"],
    ["a view", "create view more as select 1 as x"],
    [
      "another text of a view",
      "create or replace view items as select id, 'x'::text as name from inside.item",
    ],
    [
      "a function",
      "create or replace function touch() returns trigger language plpgsql as 'begin return null; end'",
    ],
    ["a type", "create type more as (x int)"],
    ["a value of an enum", "alter type mood add value 'ok'"],
    ["a domain", "create domain more as int"],
    ["a grant", "grant select on note to public"],
    ["a grant on a column", "grant select (body) on note to public"],
    ["a grant on a function", "revoke execute on function touch() from public"],
    ["default privileges", "alter default privileges grant select on tables to public"],
    ["a comment", "comment on view items is 'x'"],
    ["a schema", "create schema more"],
    ["an extension", "create extension citext"],
    [
      "an event trigger",
      "create function e() returns event_trigger language plpgsql as 'begin end'; create event trigger e on ddl_command_end execute function e()",
    ],
    ["a publication", "create publication p for table note"],
    ["a cast", "create cast (mood as int) with inout"],
    ["an operator", "create operator === (leftarg = int, rightarg = int, function = int4eq)"],
    ["a foreign server", "create extension postgres_fdw; create server s foreign data wrapper postgres_fdw"],
    ["a text search configuration", "create text search configuration c (copy = simple)"],
    ["a collation", 'create collation c from "C"'],
    ["a large object", "select lo_create(77)"],
  ])("for %s", async (_, change) => {
    await using database = await freshDatabase({ sql: SQL });
    const before = await driftOf(database);
    await database.query(change);
    expect(await driftOf(database)).not.toBe(before);
  });
});

test("what locks hold still, what goes away by itself and what is inside is no drift", async () => {
  await using database = await freshDatabase({ sql: SQL });
  const before = await driftOf(database);
  expect(await driftOf(database)).toBe(before);
  for (const change of [
    "create temporary table scratch (id serial primary key, body text default 'x' check (body <> ''))",
    "create temporary view glance as select 1 as x",
    "insert into note (id, body) values (1, 'x'); update note set body = 'y'; delete from note",
    "vacuum (freeze, analyze) note",
    "insert into inside.item (name) values ('x')",
    "alter table inside.item add extra int; create table inside.more (id serial)",
  ]) {
    await database.query(change);
    expect([change, await driftOf(database)]).toEqual([change, before]);
  }
});

test("a large object that was written is seen by its contents", async () => {
  await using database = await freshDatabase({ sql: "select lo_from_bytea(77, 'before')" });
  await using session = await connect(testRuntime(), database.settings, noAbort());
  const before = await readLargeObjectDrift(session);
  expect(await readLargeObjectDrift(session)).toBe(before);
  await database.query("select lo_put(77, 0, 'a')");
  expect(await readLargeObjectDrift(session)).not.toBe(before);
});
