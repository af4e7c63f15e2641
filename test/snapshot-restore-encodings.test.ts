import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { clientProgram } from "../src/postgres/clients.ts";
import { newestClient } from "./support/archives.ts";
import { runCli } from "./support/cli.ts";
import { type BackedUp, backedUp, expectedDatabase } from "./support/backed-up.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder, uniqueName } from "./support/postgres.ts";
import { noAbort } from "./support/runtime.ts";

const SNAPSHOT = ["--kind", "snapshot", "--jobs", "2"];

/** Runs SQL of any bytes, given as latin1, in a database that converts nothing. */
const raw = (sql: string): string =>
  `do $do$ begin execute convert_from('\\x${Buffer.from(sql, "latin1").toString("hex")}', 'SQL_ASCII'); end $do$;`;

/** The text of the stored definitions, byte for byte. */
async function definitionsOf({ storage, name, id }: BackedUp): Promise<string> {
  const content = await storage.get(`${name}/backups/${id}/content`, noAbort());
  const { schemaArchive } = JSON.parse(content.toString()) as { schemaArchive: string };
  const program = clientProgram(await newestClient(), "pg_restore");
  const text = execFileSync(program, ["--file=-"], { input: Buffer.from(schemaArchive, "base64") });
  return text.toString("latin1");
}

test.each([
  [
    "UTF8",
    "create table t (\"größe 名\" text default 'ß'); insert into t values ('ü'); comment on table t is '名前';",
  ],
  [
    "LATIN1",
    "create table t (\"größe\" text default 'ß'); insert into t values ('ü'); comment on table t is 'é';",
  ],
  [
    "EUC_JP",
    "create table t (\"名\" text default '前'); insert into t values ('名前'); comment on table t is '名前';",
  ],
  [
    "SQL_ASCII",
    `create table t (a text); ${raw("alter table t add b text default '\xdf'")}
     ${raw("insert into t values ('\xfc', '\xff')")} ${raw("comment on table t is '\xe9'")}
     ${raw('create index "\xff\xfe" on t (b)')}`,
  ],
])("definitions and rows of a database in %s come back byte by byte", async (encoding, sql) => {
  const name = uniqueName();
  await runSql(clusterUrl(), `create database ${name} template template0 encoding '${encoding}' locale 'C'`);
  await using _source = expectedDatabase(name);
  const url = new URL(clusterUrl());
  url.pathname = `/${name}`;
  await runSql(url.href, sql);
  await using shop = await backedUp({ template: name, backup: SNAPSHOT });
  // Whatever the role or the environment would have definitions dumped in.
  const declared = `SET client_encoding = '${encoding === "SQL_ASCII" ? "SQL_ASCII" : "UTF8"}';`;
  expect(await definitionsOf(shop)).toContain(declared);
  await using restored = expectedDatabase(uniqueName());
  const result = await shop.restore(["latest", "--new-database", restored.name]);
  expect(result.code, result.stderr).toBe(0);
  const bytes = `select encode(convert_to(t::text, '${encoding}'), 'hex') as row,
      encode(convert_to(obj_description('t'::regclass), '${encoding}'), 'hex') as comment,
      (select string_agg(encode(convert_to(attname::text, '${encoding}'), 'hex'), ' ' order by attnum) from pg_attribute
        where attrelid = 't'::regclass and attnum > 0) as columns,
      (select string_agg(encode(convert_to(relname::text, '${encoding}'), 'hex'), ' ') from pg_class
        where oid in (select indexrelid from pg_index where indrelid = 't'::regclass)) as indexes from t`;
  expect(await restored.query(bytes)).toEqual(await shop.live.query(bytes));
});

test("definitions of a database whose strings have escapes come back as they were", async () => {
  await using live = await freshDatabase();
  await runSql(clusterUrl(), `alter database ${live.name} set standard_conforming_strings = off`);
  await live.query(
    `create table t (a text default E'it''s; \\\\ -- "x" \\n $$'); comment on table t is E'\\\\''; drop table t; --';
     create function f() returns text language sql as E'select E''a;\\\\''b''';
     create index i on t ((a || E'\\\\'';'));`,
  );
  await using shop = await backedUp({ template: live.name, backup: SNAPSHOT });
  await runSql(clusterUrl(), `alter database ${shop.live.name} set standard_conforming_strings = off`);
  await shop.backup(...SNAPSHOT);
  await using restored = expectedDatabase(uniqueName());
  const result = await shop.restore(["latest", "--new-database", restored.name]);
  expect(result.code, result.stderr).toBe(0);
  const facts = `select obj_description('t'::regclass) as comment, pg_get_functiondef('f'::regproc) as body,
    (select pg_get_expr(adbin, adrelid) from pg_attrdef where adrelid = 't'::regclass) as value,
    pg_get_indexdef('i'::regclass) as index`;
  expect(await restored.query(facts)).toEqual(await live.query(facts));
});

test.each(["snapshot", "archive"])(
  "names that no text can hold are told, and what to do, before a %s is begun",
  async (kind) => {
    const name = uniqueName();
    await runSql(clusterUrl(), `create database ${name} template template0 encoding 'SQL_ASCII' locale 'C'`);
    await using database = expectedDatabase(name);
    await using folder = await temporaryFolder();
    await database.query(
      `create table "größe" ("maß" int); ${raw('create table t ("c\xf6l" int)')}
       ${raw('create schema "sch\xe9ma"; create sequence "sch\xe9ma"."s\xff"')}`,
    );
    const backUp = async (...args: string[]) =>
      await runCli(["backup", "--kind", kind, "--url", database.url, "--repository", folder.path, ...args]);
    const result = await backUp();
    expect(result.code).toBe(1);
    const [schema, sequence] = ['"sch\\xe9ma"', '"s\\xff"'];
    expect(result.stderr).toContain(
      `not UTF-8: schema ${schema}, relation ${schema}.${sequence}, column "public"."t"."c\\xf6l"\n`,
    );
    expect(result.stderr).toContain("hint: rename them");
    await database.query(
      `${raw('alter schema "sch\xe9ma" rename to fine; alter table t rename "c\xf6l" to col')}`,
    );
    expect((await backUp("--schema", "public")).code).toBe(0);
  },
);
