import { execFile } from "node:child_process";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { findServerPrograms } from "../src/postgres/cluster-control.ts";
import { startCluster } from "../src/postgres/cluster.ts";
import { runCli } from "./support/cli.ts";
import {
  COMPLETE_ROLES_SQL,
  completeDatabaseSql,
  CONFIGURED_EXTENSION,
} from "./support/complete-database.ts";
import { dumpText } from "./support/dump-text.ts";
import { mirrorInstallation } from "./support/mirrored-installation.ts";
import { copyWithStockTools, restoreWithStockTools } from "./support/stock-tools.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder, uniqueName } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { expectDone } from "./support/expect-done.ts";

const run = promisify(execFile);

/** Runs a script statement by statement, as some of its statements demand. */
async function runScript(url: string, sql: string | Buffer): Promise<void> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "script.sql");
  await writeFile(path, sql);
  await run("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null", "-d", url, "-f", path], {
    env: { ...process.env, PGOPTIONS: "-c client_min_messages=error" },
  });
}

test("all that stock tools bring back of a database comes back from a snapshot, and is proven", async () => {
  const runtime = testRuntime();
  const signal = noAbort();
  await using installed = await mirrorInstallation(
    await findServerPrograms(runtime, undefined, signal),
    CONFIGURED_EXTENSION.files,
  );
  await using cluster = await startCluster(
    runtime,
    {
      folder: await mkdtemp(join(tmpdir(), `handled-test-cluster-${process.pid}-`)),
      programs: installed.programs,
      fast: true,
      settings: { max_wal_size: "256MB", log_min_messages: "fatal", wal_level: "logical" },
    },
    signal,
  );
  await using repository = await temporaryFolder();
  await runScript(cluster.url(), COMPLETE_ROLES_SQL);
  for (const name of ["complete", "stock"]) {
    await runSql(cluster.url(), `create database ${name} template template0`);
  }
  await runScript(cluster.url("complete"), completeDatabaseSql());
  const place = ["--url", cluster.url("complete"), "--repository", repository.path];

  expectDone(await runCli(["backup", "complete", "--kind", "snapshot", "--jobs", "2", ...place]));
  expectDone(await runCli(["restore", "complete", ...place, "--new-database", "ours"]));
  await copyWithStockTools(cluster.url("complete"), cluster.url("stock"));

  const [ours, stock, source] = [
    await dumpText(cluster.url("ours")),
    await dumpText(cluster.url("stock")),
    await dumpText(cluster.url("complete")),
  ];
  expect(ours.definitions).toEqual(stock.definitions);
  // Stock tools refresh materialized views while the event trigger that writes this table is there already.
  const log = "COPY tables.ddl_log (tag) FROM stdin;";
  expect(ours.rows[log]).toEqual(source.rows[log]);
  expect({ ...ours.rows, [log]: [] }).toEqual({ ...stock.rows, [log]: [] });
  expect(Object.keys(ours.rows).length).toBeGreaterThan(130);

  const proof = await runCli([
    "verify",
    "complete",
    "--level",
    "content",
    ...place.slice(2),
    "--to",
    cluster.url(),
  ]);
  expectDone(proof);
}, 240_000);

/** A database of another encoding than UTF-8. Disposing drops it and its copies. */
async function encodedDatabase(
  encoding: string,
): Promise<{ url: string; copies: string[] } & AsyncDisposable> {
  const names = ["source", "ours", "stock", "exported"].map((what) =>
    uniqueName(`${encoding.toLowerCase()}_${what}`),
  );
  const [source = "", ours = "", stock = "", exported = ""] = names;
  for (const name of [source, stock, exported]) {
    await runSql(
      clusterUrl(),
      `create database ${name} template template0 encoding '${encoding}' lc_collate 'C' lc_ctype 'C'`,
    );
  }
  return {
    url: clusterUrl(source),
    copies: [ours, clusterUrl(ours), clusterUrl(stock), clusterUrl(exported)],
    [Symbol.asyncDispose]: async () => {
      for (const name of names) await runSql(clusterUrl(), `drop database if exists ${name} with (force)`);
    },
  };
}

// What each database holds, in its own bytes.
const LATIN1_SQL = Buffer.from(
  `set client_encoding = 'LATIN1';
   create schema "schéma ß"; create table "schéma ß"."tÄble" ("cölumn" text, doc jsonb, raw bytea);
   insert into "schéma ß"."tÄble" values ('ÿþ£ Ünïcødé', '{"clé": "été"}', '\\xff00'), (E'\\xe9\\t\\xa0', null, null);
   create type "schéma ß"."humeur" as enum ('gaité', 'ennui'); create table moods (m "schéma ß"."humeur");
   insert into moods values ('gaité'); comment on table moods is 'où?'; create sequence "schéma ß"."numéro";
   create function "schéma ß".f() returns text language sql as $$ select 'é' $$;
   create view v as select "schéma ß".f(), 'ÿ' as c; select lo_from_bytea(77, '\\xe9'); comment on large object 77 is 'à';`,
  "latin1",
);
const ASCII_SQL = Buffer.concat([
  Buffer.from(
    `set client_encoding = 'SQL_ASCII'; create schema "schéma ß"; create table "schéma ß"."tÄble ñ" ("cölumn" text, n int);
     create table lists (l text[], c "char"); comment on table lists is 'où?'; select lo_from_bytea(77, '\\xe9');
     comment on large object 77 is 'UTF-8: à'; create sequence "schéma ß"."numéro";
     insert into "schéma ß"."tÄble ñ" values ('UTF-8: é', 1), ('`,
  ),
  // Latin 1, which is no UTF-8, and every byte that text can have.
  Buffer.from([0xe9, 0xff, 0xfe, 0x80, 0xc3]),
  Buffer.from(`', 2);\ninsert into "schéma ß"."tÄble ñ" values (E'`),
  Buffer.from(
    Array.from({ length: 255 }, (_, byte) => `\\x${(byte + 1).toString(16).padStart(2, "0")}`).join(""),
  ),
  Buffer.from(`', 3);\ninsert into lists values (array['`),
  Buffer.from([0xf0, 0x28, 0x8c]),
  Buffer.from(`', null, '\\'], '\\377');\n`),
]);

test.for([
  { encoding: "LATIN1", sql: LATIN1_SQL },
  { encoding: "SQL_ASCII", sql: ASCII_SQL },
])("a database in $encoding comes back byte for byte, odd names included", async ({ encoding, sql }) => {
  await using repository = await temporaryFolder();
  await using database = await encodedDatabase(encoding);
  const [ours = "", oursUrl = "", stockUrl = "", exportedUrl = ""] = database.copies;
  await runScript(database.url, sql);
  const place = ["--url", database.url, "--repository", repository.path];
  expectDone(await runCli(["backup", "odd", "--kind", "snapshot", ...place]));
  expectDone(await runCli(["restore", "odd", ...place, "--new-database", ours]));
  await copyWithStockTools(database.url, stockUrl);
  const text = await dumpText(oursUrl);
  expect(text).toEqual(await dumpText(stockUrl));
  expect(text.rows).toEqual((await dumpText(database.url)).rows);
  const file = join(repository.path, "exported.sql.gz");
  expectDone(await runCli(["export", "odd", "--repository", repository.path, "--file", file]));
  await restoreWithStockTools(file, exportedUrl);
  expect(await dumpText(exportedUrl)).toEqual(text);
  expectDone(
    await runCli([
      "verify",
      "odd",
      "--level",
      "content",
      "--repository",
      repository.path,
      "--to",
      clusterUrl(),
    ]),
  );
});

test("chosen schemas come back with all that belongs to them, and with nothing else", async () => {
  await using repository = await temporaryFolder();
  await using source = await freshDatabase();
  await using stock = await freshDatabase();
  await runScript(source.url, CHOSEN_SQL);
  const place = ["--url", source.url, "--repository", repository.path];
  const ours = uniqueName("chosen");
  const chosen = ['sch "a"', "b%"].flatMap((schema) => ["--schema", schema]);
  expectDone(await runCli(["backup", "odd", "--kind", "snapshot", ...chosen, ...place]));
  try {
    expectDone(await runCli(["restore", "odd", ...place, "--new-database", ours]));
    await copyWithStockTools(source.url, stock.url, `-n '"sch ""a"""' -n '"b%"' -e pg_trgm`);
    expect(await dumpText(clusterUrl(ours))).toEqual(await dumpText(stock.url));
    expect((await dumpText(clusterUrl(ours))).definitions.join("\n")).not.toMatch(/elsewhere|lo_create/);
  } finally {
    await runSql(clusterUrl(), `drop database if exists ${ours} with (force)`);
  }
});

const CHOSEN_SQL = `
create schema "sch ""a"""; create schema "b%"; create schema elsewhere; create extension pg_trgm schema "b%";
create table elsewhere.hidden (id int); insert into elsewhere.hidden values (1);
select lo_from_bytea(78, 'not chosen');
create type "b%".mood as enum ('x', 'y');
create table "sch ""a""".t (id serial primary key, m "b%".mood, title text);
create index on "sch ""a""".t using gin (title "b%".gin_trgm_ops);
insert into "sch ""a""".t (m, title) select 'y', 'title ' || g from generate_series(1, 2000) g;
create table "b%".of_t (t int references "sch ""a""".t) partition by list (t);
create table "b%".of_t_rest partition of "b%".of_t default; insert into "b%".of_t values (5), (6);
create materialized view "b%".sums as select count(*) from "sch ""a""".t;
create function "b%".touch() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger touch before update on "sch ""a""".t for each row execute function "b%".touch();
create sequence "b%".free start 5; select setval('"b%".free', 9, false);
comment on schema "b%" is 'chosen'; grant usage on schema "b%" to public; grant select (title) on "sch ""a""".t to public;
`;
