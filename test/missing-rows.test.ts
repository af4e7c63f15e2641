import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { MissingRowsJson } from "../src/json/missing-rows.ts";
import { databaseFolder } from "../src/repository/layout.ts";
import { type BackedUp, backedUp } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { damageStored } from "./support/damage-stored.ts";
import { clusterUrl, runSql } from "./support/postgres.ts";
import { noAbort } from "./support/runtime.ts";

const SQL = `
  create table customer (id int primary key, email text unique, name text);
  insert into customer select g, 'c' || g || '@example.org', 'Customer ' || g from generate_series(1, 100) g;
  create table big (id int generated always as identity primary key, customer int references customer, note text,
    twice int generated always as (id * 2) stored) with (autovacuum_enabled = off);
  insert into big (customer, note) select 1 + g % 100, repeat(md5(g::text), 20) from generate_series(1, 14000) g;
  create table plain (a int);
  create table log (line text);
  create function logged() returns trigger language plpgsql as $$ begin insert into public.log values ('fired'); return new; end $$;
  create trigger loud after insert on big for each row execute function logged();
`;

let subject: BackedUp;
beforeAll(async () => {
  subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
});
afterAll(async () => {
  await subject[Symbol.asyncDispose]();
});

const place = (): string[] => ["--url", subject.live.url, "--repository", subject.repository];

async function missing(...args: string[]) {
  const all = ["restore", subject.name, ...args, "--missing-rows", ...place(), "--yes", "--json"];
  const result = await runCli(all, { cwd: subject.scratch });
  return { result, report: () => MissingRowsJson.parse(jsonOf(result)) };
}

const contents = async (): Promise<string> => {
  const [row] = await subject.live.query<{ all: string }>(
    `select md5(string_agg(t::text, '|' order by t.id)) || (select md5(string_agg(c::text, '|' order by id)) from customer c) as all from big t`,
  );
  return row?.all ?? "";
};

/** A table and the one that it refers to. */
const BOTH = ["--table", "public.big", "--table", "public.customer"];

test("rows deleted by mistake come back as they were, and only the ranges that lost some are read", async () => {
  const before = await contents();
  await subject.live.query("delete from big where id between 5000 and 5049");
  const dry = await missing("latest", "--table", "public.big", "--dry-run");
  expect(dry.result.code, dry.result.stderr).toBe(0);
  const [table] = dry.report().tables;
  expect(table).toMatchObject({
    missing: { rows: 50 },
    parts: { read: 1, fullRead: null },
    triggers: ["loud"],
  });
  expect(table?.missing.keys[0]).toBe("(5000)");
  expect(table?.parts.ranges).toBeGreaterThan(2);
  expect(await contents()).not.toBe(before);

  const done = await missing("latest", "--table", "public.big");
  expect(done.result.code, done.result.stderr).toBe(0);
  expect(done.report().inserted).toBe(50);
  expect(await contents()).toBe(before);
  expect(await subject.live.query("select count(*)::int as n from log")).toEqual([{ n: 50 }]);

  // The way back.
  const { undoFile } = done.report();
  await runSql(subject.live.url, await readFile(undoFile ?? "", "utf8"));
  expect(
    await subject.live.query("select count(*)::int as n from big where id between 5000 and 5049"),
  ).toEqual([{ n: 0 }]);
  const again = await missing(
    "latest",
    "--table",
    "public.big",
    "--disable-triggers",
    "--undo-file",
    "again.sql",
  );
  expect(again.report().inserted).toBe(50);
  expect(await contents()).toBe(before);
  expect(await subject.live.query("select count(*)::int as n from log")).toEqual([{ n: 50 }]);
  expect(
    await subject.live.query("select tgenabled::text as e from pg_trigger where tgname = 'loud'"),
  ).toEqual([{ e: "O" }]);
  expect(await readdir(subject.scratch)).toContain("again.sql");
  const none = await missing("latest", "--table", "public.big");
  expect(none.report()).toMatchObject({ inserted: 0, undoFile: null });
});

test("parents come with their children; without them nothing is inserted, and the table to add is named", async () => {
  const before = await contents();
  await subject.live.query("delete from big where customer = 7; delete from customer where id = 7");
  const alone = await missing("latest", "--table", "public.big", "--undo-file", "x.sql");
  expect(alone.result.code).toBe(4);
  expect(alone.result.stderr).toContain(`--table "public"."customer"`);
  const both = await missing("latest", ...BOTH, "--disable-triggers", "--undo-file", "b.sql");
  expect(both.result.code, both.result.stderr).toBe(0);
  expect(both.report().tables.map(({ name }) => name)).toEqual(["customer", "big"]);
  expect(await contents()).toBe(before);
  await runSql(subject.live.url, await readFile(join(subject.scratch, "b.sql"), "utf8"));
  await missing("latest", ...BOTH, "--disable-triggers", "--undo-file", "c.sql");
  expect(await contents()).toBe(before);
});

test("what is there is never overwritten: same key, other contents, and other rows with a unique value", async () => {
  await subject.live.query(
    `delete from big where customer = 8; delete from customer where id = 8;
     insert into customer values (1008, 'c8@example.org', 'Another'); update customer set name = 'Changed' where id = 9`,
  );
  const { result, report } = await missing("latest", "--table", "public.customer");
  expect(result.code, result.stderr).toBe(0);
  expect(report().tables).toMatchObject([
    {
      missing: { rows: 0 },
      changed: { rows: 1, keys: ["(9)"] },
      conflicts: [{ index: "customer_email_key", rows: 1, keys: ["(8)"] }],
    },
  ]);
  expect(
    await subject.live.query("select id, name from customer where id in (8, 9, 1008) order by id"),
  ).toEqual([
    { id: 9, name: "Changed" },
    { id: 1008, name: "Another" },
  ]);
  await subject.live.query(
    "delete from customer where id = 1008; update customer set name = 'Customer 9' where id = 9",
  );
  await missing("latest", ...BOTH, "--disable-triggers", "--undo-file", "d.sql");
});

test("after a rewrite all is read, and said; a condition chooses; an archive serves as well", async () => {
  const before = await contents();
  await subject.live.query("delete from big where id in (11, 12)");
  await subject.live.query("vacuum full big");
  await subject.live.query(`alter database ${subject.live.name} set default_transaction_read_only = on`);
  const one = await missing("latest", "--table", "public.big", "--where", "id = 11", "--undo-file", "e.sql");
  expect(one.result.code, one.result.stderr).toBe(0);
  expect(one.report()).toMatchObject({
    inserted: 1,
    tables: [{ parts: { fullRead: expect.stringContaining("rewritten") } }],
  });
  await runSql(clusterUrl(), `alter database ${subject.live.name} reset default_transaction_read_only`);
  const there = await missing("latest", "--table", "public.big", "--undo-file", "e.sql");
  expect(there.result.code).toBe(2);
  expect(there.result.stderr).toContain("--undo-file");
  await missing("latest", "--table", "public.big", "--undo-file", "f.sql");
  expect(await contents()).toBe(before);
  const archive = await subject.backup("--kind", "archive");
  await subject.live.query("delete from big where id in (13, 14)");
  const other = await missing(archive, "--table", "public.big", "--undo-file", "g.sql");
  expect(other.result.code, other.result.stderr).toBe(0);
  expect(other.report().inserted).toBe(2);
  expect(await contents()).toBe(before);
});

test("whoever writes is waited for, no longer than told; a damaged part is found before anything is inserted", async () => {
  await subject.live.query("delete from big where id = 15");
  const before = await contents();
  const writer = new pg.Client({ connectionString: subject.live.url });
  await writer.connect();
  try {
    await writer.query("begin; update big set note = 'written' where id = 16");
    const waited = await missing(
      "latest",
      "--table",
      "public.big",
      "--lock-timeout",
      "1s",
      "--undo-file",
      "w.sql",
    );
    expect(waited.result.stderr).toContain("public.big");
    expect(waited.result.stderr).toMatch(/lock/);
    expect(waited.result.code).not.toBe(0);
  } finally {
    await writer.end();
  }
  const folder = `${databaseFolder(subject.name)}parts/`;
  for await (const { key } of subject.storage.list(folder, "all", noAbort()))
    await damageStored(subject.storage, key, "flipped");
  const damaged = await missing(subject.id, "--table", "public.big", "--undo-file", "w.sql");
  expect(damaged.result.code, damaged.result.stderr).toBe(13);
  expect(await contents()).toBe(before);
  expect(await readdir(subject.scratch)).not.toContain("w.sql");
});

test("tables that have drifted apart or have no primary key are refused with a way on", async () => {
  const none = await missing("latest", "--table", "public.plain");
  expect(none.result.code).toBe(2);
  expect(none.result.stderr).toContain("--new-database");
  await subject.live.query("alter table customer rename name to called");
  const drift = await missing("latest", "--table", "public.customer");
  expect(drift.result.code).toBe(2);
  expect(drift.result.stderr).toContain("dropped or renamed since: name");
  await subject.live.query(
    "alter table customer rename called to name; alter table customer add vip boolean default false not null",
  );
  await subject.live.query(
    "delete from customer where id = 5 and not exists (select from big where customer = 5)",
  );
  const added = await missing("latest", "--table", "public.customer", "--dry-run");
  expect(added.result.code, added.result.stderr).toBe(0);
  expect(added.report().tables).toMatchObject([{ added: ["vip"] }]);
});

test("keys of any kind: two columns, text without case, tables that refer to themselves, reset sequences, odd names", async () => {
  await using odd = await backedUp({
    sql: `
      create extension citext;
      create table "Odd ""Table" ("Key" citext, part int, note money, primary key ("Key", part));
      insert into "Odd ""Table" select 'K' || g, g % 3, g from generate_series(1, 30) g;
      create unique index twice on "Odd ""Table" ((note * 2)) where part = 1;
      create table tree (id serial primary key, up int references tree, doc json);
      insert into tree (up, doc) select nullif(g - 1, 0), json_build_object('n', g) from generate_series(1, 20) g;
      create table parted (id int primary key) partition by range (id);
      create table parted_1 partition of parted for values from (0) to (100);
      insert into parted select generate_series(1, 9);`,
    backup: ["--kind", "snapshot"],
  });
  const bring = async (table: string, ...args: string[]) => {
    const place = ["--url", odd.live.url, "--repository", odd.repository, "--yes", "--json"];
    const all = ["restore", odd.name, "latest", "--missing-rows", "--table", table, ...place, ...args];
    return await runCli(all, { cwd: odd.scratch });
  };
  const inserted = async (table: string, file: string) => {
    const result = await bring(table, "--undo-file", file);
    expect(result.code, result.stderr).toBe(0);
    return MissingRowsJson.parse(jsonOf(result));
  };
  const quoted = '"public"."Odd ""Table"';
  await odd.live.query(
    `delete from ${quoted} where part in (0, 1);
     insert into ${quoted} values ('k3', 0, 7), ('k4', 5, 7), ('k7', 1, 8), ('k', 1, 10)`,
  );
  // 'k3' is the key that 'K3' was, and 'k7' too; 'k4' of another part is in nobody's way, and K10 has the value of 'k'.
  expect(await inserted(quoted, "1.sql")).toMatchObject({
    inserted: 17,
    tables: [{ changed: { rows: 2 }, conflicts: [{ index: "twice", keys: ["(K10,1)"] }] }],
  });
  await runSql(odd.live.url, await readFile(join(odd.scratch, "1.sql"), "utf8"));
  expect(await odd.live.query(`select count(*)::int as n from ${quoted}`)).toEqual([{ n: 14 }]);

  await odd.live.query("truncate tree restart identity");
  expect(await inserted("public.tree", "2.sql")).toMatchObject({ inserted: 20 });
  expect(await odd.live.query("insert into tree (up) values (20) returning id")).toEqual([{ id: 21 }]);

  await odd.live.query("delete from parted where id > 4");
  const root = await bring("public.parted");
  expect(root.code).toBe(2);
  expect(root.stderr).toContain("name its partitions");
  expect(await inserted("public.parted_1", "3.sql")).toMatchObject({ inserted: 5 });
});
