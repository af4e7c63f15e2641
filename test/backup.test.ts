import { basename } from "node:path";
import { stat } from "node:fs/promises";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chooseClient, findClients, majorOf } from "../src/postgres/clients.ts";
import { quoteName } from "../src/postgres/quoting.ts";
import { listBackups, readContent, readTables } from "../src/repository/backups.ts";
import type { TableLine } from "../src/repository/manifest.ts";
import { openRepository } from "../src/repository/repository.ts";
import { openFilesystem } from "../src/storage/filesystem.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { LONGEST_NAME, ODD_DATABASE_SQL, ODD_NAMES } from "./support/odd-database.ts";
import {
  clusterUrl,
  type FreshDatabase,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { restoreWithStockTools } from "./support/stock-tools.ts";

const signal = noAbort();

/** Takes a backup that must succeed; the report as `--json` prints it. */
async function backUp(url: string, repository: string, ...args: string[]): Promise<Record<string, unknown>> {
  const result = await runCli(["backup", "--url", url, "--repository", repository, "--json", ...args]);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  return jsonOf(result);
}

/** The newest backup's manifest: its tables in the form `"schema"."table" → rows`, and its content. */
async function readManifest(folder: string, database: string) {
  const storage = openFilesystem(testRuntime(), folder);
  const repository = await openRepository(testRuntime(), storage, signal);
  const [index] = (await listBackups(repository, database, signal)).backups;
  if (index === undefined) throw new Error(`no backup of ${database}`);
  const tables = await readTables(repository, index, signal);
  return { index, rows: rowsOf(tables), content: await readContent(repository, index, signal) };
}

const rowsOf = (tables: readonly TableLine[]): Record<string, number | null> =>
  Object.fromEntries(tables.map(({ schema, name, rows }) => [quoteName(schema, name), rows]));

/** What the manifest should say: the rows of every ordinary table, null for materialized views. */
async function countAll(database: FreshDatabase): Promise<Record<string, number | null>> {
  const relations = await database.query<{ schema: string; name: string; view: boolean }>(
    `select n.nspname as schema, c.relname as name, c.relkind = 'm' as view
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'`,
  );
  const counts: Record<string, number | null> = {};
  for (const { schema, name, view } of relations) {
    const [row] = view
      ? []
      : await database.query<{ count: string }>(`select count(*) from only ${quoteName(schema, name)}`);
    counts[quoteName(schema, name)] = view ? null : Number(row?.count);
  }
  return counts;
}

describe("a database with one of everything", () => {
  let database: FreshDatabase;
  beforeAll(async () => {
    database = await freshDatabase({ sql: ODD_DATABASE_SQL });
  });
  afterAll(async () => await database[Symbol.asyncDispose]());

  test.each([
    { name: "plain gzip", args: [], ending: ".sql.gz" },
    { name: "plain zstd", args: ["--compression", "zstd"], ending: ".sql.zst" },
    { name: "custom", args: ["--format", "custom"], ending: ".dump" },
  ])("comes back whole from a $name archive with stock tools alone", async ({ args, ending }) => {
    await using folder = await temporaryFolder();
    const report = await backUp(database.url, folder.path, ...args);
    const location = String(report["location"]);
    expect(basename(location)).toMatch(new RegExp(`^handled_${database.name}_\\d{8}_\\d{6}\\${ending}$`));
    expect((await stat(location)).mode & 0o777).toBe(0o600);

    const manifest = await readManifest(folder.path, database.name);
    expect(manifest.rows).toEqual(await countAll(database));
    expect(Object.values(manifest.rows).filter((rows) => rows !== null)).toHaveLength(
      Number(report["tables"]),
    );

    await using restored = await freshDatabase();
    await restoreWithStockTools(location, restored.url);
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(database.url));
  });

  test("tells in the manifest what a dump does not carry", async () => {
    await using folder = await temporaryFolder();
    await database.query(`alter database "${database.name}" set work_mem = '7MB'`);
    await backUp(database.url, folder.path);
    const { content, index } = await readManifest(folder.path, database.name);
    expect(content.extensions.map(({ name, schema }) => `${schema}.${name}`)).toEqual([
      "public.hstore",
      "public.pg_trgm",
      "public.file_fdw",
      "tools.citext",
    ]);
    expect(content.database).toMatchObject({
      owner: "postgres",
      encoding: "UTF8",
      settings: [{ role: null, assignment: "work_mem=7MB" }],
    });
    expect(content.sequences).toContainEqual({
      schema: "public",
      name: "counter",
      value: "1007",
      called: true,
    });
    expect(content.sequences).toContainEqual({
      schema: "public",
      name: "untouched",
      value: "42",
      called: false,
    });
    expect(content.roles).toEqual(["postgres"]);
    expect(index.totals.rows).toBeGreaterThan(ODD_NAMES.length);
  });
});

test("chosen schemas, whatever their names, come alone and with the extensions they use", async () => {
  const schemas = ["workspace", 're"fer.ence', "UPPER*"];
  await using database = await freshDatabase({
    sql: `create extension pg_trgm;
      ${schemas
        .map((schema) => quoteName(schema, "t"))
        .map((table) => `create schema ${table.slice(0, -4)}; create table ${table} as select 1 as one;`)
        .join("\n")}
      create index on workspace.t (one); create table workspace.names (name text);
      create index on workspace.names using gin (name gin_trgm_ops);
      create table public.other as select 1 as one; create schema upperx; create table upperx.t ();`,
  });
  await using folder = await temporaryFolder();
  const args = schemas.flatMap((schema) => ["--schema", schema]);
  for (const format of ["plain", "custom"]) {
    const report = await backUp(database.url, folder.path, ...args, "--format", format);
    expect(report).toMatchObject({ schemas, tables: 4, rows: 3 });
    await using restored = await freshDatabase();
    await restoreWithStockTools(String(report["location"]), restored.url);
    const contents = await contentsOf(restored.url);
    expect(contents).toEqual(await contentsOf(database.url, schemas));
    expect(Object.keys(contents.tables)).toHaveLength(4);
  }
});

test.each(["../up & \"a' b\\", LONGEST_NAME, "system", "it.s%41?#=x"])(
  "a database named %s is backed up and listed",
  async (name) => {
    await using database = await freshDatabase({
      name,
      sql: "create table t as select generate_series(1, 5)",
    });
    await using folder = await temporaryFolder();
    const report = await backUp(database.url, folder.path, "--compression", "zstd");
    expect(report).toMatchObject({ database: name, rows: 5 });
    expect(String(report["location"])).toMatch(new RegExp(`^${folder.path}/[^/.][^/]*/[^/]+\\.sql\\.zst$`));
    const listed = jsonOf(await runCli(["list", "--repository", folder.path, "--json"]));
    expect(listed["databases"]).toMatchObject([{ database: name, backups: [{ rows: 5 }], foreign: [] }]);
    await using restored = await freshDatabase();
    await restoreWithStockTools(String(report["location"]), restored.url);
    expect(await restored.query("select count(*)::int as n from t")).toEqual([{ n: 5 }]);
  },
);

test.each([
  ["--format", "plain"],
  ["--format", "custom"],
])("an empty database is a backup too (%s %s)", async (...args) => {
  await using database = await freshDatabase();
  await using folder = await temporaryFolder();
  const report = await backUp(database.url, folder.path, ...args);
  expect(report).toMatchObject({ tables: 0, rows: 0 });
  await using restored = await freshDatabase();
  await restoreWithStockTools(String(report["location"]), restored.url);
  expect(await contentsOf(restored.url)).toEqual(await contentsOf(database.url));
});

test("other encodings than UTF-8, in rows and in names", async () => {
  const name = "t_latin1";
  await runSql(clusterUrl(), `drop database if exists ${name}`);
  await runSql(clusterUrl(), `create database ${name} encoding 'LATIN1' template template0`);
  const url = new URL(clusterUrl(name)).href;
  try {
    await runSql(
      url,
      `create schema "Größe"; create table "Größe"."naïve" as select 'é\\.' as "çà" union all select 'ÿ'`,
    );
    await using folder = await temporaryFolder();
    const report = await backUp(url, folder.path, "--schema", "Größe");
    const { rows } = await readManifest(folder.path, name);
    expect(rows).toEqual({ '"Größe"."naïve"': 2 });
    await using restored = await freshDatabase();
    await restoreWithStockTools(String(report["location"]), restored.url);
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(url));
  } finally {
    await runSql(clusterUrl(), `drop database ${name} with (force)`);
  }
});

test("rows that an extension keeps in its own tables are in the manifest", async () => {
  await using database = await freshDatabase({
    sql: `create extension hstore; create table kept (id int, mine bool);
      insert into kept select g, g % 2 = 0 from generate_series(1, 10) g;
      create table not_kept as select 1; alter extension hstore add table kept; alter extension hstore add table not_kept;
      update pg_extension set extconfig = array['kept'::regclass], extcondition = array['where mine']
       where extname = 'hstore'`,
  });
  await using folder = await temporaryFolder();
  await backUp(database.url, folder.path);
  const { rows } = await readManifest(folder.path, database.name);
  expect(rows).toEqual({ '"public"."kept"': 5 });
});

test("the rows are those of one moment, while others write", async () => {
  await using database = await freshDatabase({
    sql: `create table account (id int primary key, balance int not null);
      insert into account select g, 100 from generate_series(1, 200) g;
      create table journal (id serial primary key, note text, pad text default repeat(md5('x'), 20));
      create table removed as select generate_series(1, 5000) as id`,
  });
  const stop = new AbortController();
  let writes = 0;
  const writer = async (side: 0 | 1): Promise<void> => {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    while (!stop.signal.aborted) {
      // Each transaction moves money, writes a line and removes one: three things that hold together.
      await client.query(
        `with moved as (update account set balance = balance + case when id = $1 then 1 else -1 end where id in ($1, $2)),
              noted as (insert into journal (note) values ('moved'))
         delete from removed where id = (select min(id) from removed where id % 2 = $3)`,
        [(writes % 100) + 1, (writes % 100) + 101, side],
      );
      writes += 1;
    }
    await client.end();
  };
  const writers = Promise.all([writer(0), writer(1)]);
  try {
    for (const format of ["plain", "custom"]) {
      await using folder = await temporaryFolder();
      const before = writes;
      const report = await backUp(database.url, folder.path, "--format", format);
      expect(writes).toBeGreaterThan(before);
      const { rows } = await readManifest(folder.path, database.name);
      await using restored = await freshDatabase();
      await restoreWithStockTools(String(report["location"]), restored.url);
      expect(await countAll(restored)).toEqual(rows);
      expect(await restored.query("select sum(balance)::int as total from account")).toEqual([
        { total: 20_000 },
      ]);
      expect(rows['"public"."journal"']).toBeGreaterThan(0);
      expect(Number(rows['"public"."journal"']) + Number(rows['"public"."removed"'])).toBe(5000);
    }
  } finally {
    stop.abort();
    await writers;
  }
});

test("the custom format with zstd needs a client that can", async () => {
  await using database = await freshDatabase({ sql: "create table t as select 1 as one" });
  await using folder = await temporaryFolder();
  const [server] = await database.query<{ version: number }>(
    "select current_setting('server_version_num')::int as version",
  );
  const client = chooseClient(await findClients(testRuntime(), signal), server?.version ?? 0);
  const result = await runCli([
    "backup",
    "--url",
    database.url,
    "--repository",
    folder.path,
    "--format",
    "custom",
    "--compression",
    "zstd",
  ]);
  if (majorOf(client.version) >= 16) {
    expect(result).toMatchObject({ code: 0 });
  } else {
    expect(result.code).toBe(21);
    expect(result.stderr).toContain("it takes PostgreSQL 16 or newer");
    expect(result.stderr).toContain("hint: choose gzip, or the plain format");
  }
});
