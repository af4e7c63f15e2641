import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ExportJson } from "../src/json/restore.ts";
import { backedUp } from "./support/backed-up.ts";
import { openedByAge } from "./support/keys.ts";
import { type CliResult, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { dumpText } from "./support/dump-text.ts";
import { inMountNamespace } from "./support/mounts.ts";
import { ODD_DATABASE_SQL } from "./support/odd-database.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder, uniqueName } from "./support/postgres.ts";
import { noAbort } from "./support/runtime.ts";
import { copyWithStockTools, restoreWithStockTools } from "./support/stock-tools.ts";

const signal = noAbort();

const MORE_SQL = `
  select lo_create(4444); comment on large object 4444 is e'a "comment"\\n\\t\\\\.'; grant select on large object 4444 to public, pg_monitor;
  alter large object 4343 owner to pg_monitor; create materialized view a_before as select count(*) as c from totals;
  create table log (tag text);
  create function log() returns event_trigger language plpgsql as $$ begin insert into public.log values (tg_tag); end $$;
  create event trigger log on ddl_command_end execute function log(); comment on event trigger log is 'late';`;

/** A snapshot or an archive of one database, and a folder to write to. */
async function oddBackedUp(sql: string, ...args: readonly string[]) {
  const made = await backedUp({ sql, as: "odd", backup: args });
  const { repository, scratch: folder } = made;
  return {
    ...made,
    folder,
    export: async (file: string, ...more: readonly string[]): Promise<CliResult> =>
      await runCli(["export", "odd", "--repository", repository, "--file", join(folder, file), ...more]),
  };
}

async function exported(result: Promise<CliResult>): Promise<ExportJson> {
  const done = await result;
  expect(done.code, done.stderr).toBe(0);
  return ExportJson.parse(jsonOf(done));
}

test("a snapshot becomes a plain archive that stock tools, and we, restore whole", {
  timeout: 180_000,
}, async () => {
  await using backup = await oddBackedUp(`${ODD_DATABASE_SQL}${MORE_SQL}`, "--kind", "snapshot");
  await using copied = await freshDatabase();
  await using ours = await freshDatabase();
  const report = await exported(backup.export("odd.sql.gz", "--json"));
  const bytes = await readFile(join(backup.folder, "odd.sql.gz"));
  expect(report).toMatchObject({
    backup: backup.id,
    kind: "snapshot",
    format: "plain",
    compression: "gzip",
    size: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  });
  expect(report.rows).toBeGreaterThan(250);
  await restoreWithStockTools(report.file, copied.url);
  const text = await dumpText(copied.url);
  // A log of what an event trigger saw is as it was, for the trigger comes last.
  const source = await dumpText(backup.live.url);
  const log = "COPY public.log (tag) FROM stdin;";
  expect(text.rows[log]).toEqual(source.rows[log]);
  await using stock = await freshDatabase();
  await copyWithStockTools(backup.live.url, stock.url);
  const wanted = await dumpText(stock.url);
  expect(text.definitions).toEqual(wanted.definitions);
  expect({ ...text.rows, [log]: [] }).toEqual({ ...wanted.rows, [log]: [] });
  const restored = await runCli(["restore", "odd", report.file, "--to", ours.url]);
  expect(restored.code, restored.stderr).toBe(0);
  expect(await dumpText(ours.url)).toEqual(text);

  const zstd = await exported(backup.export("odd.sql.zst", "--compression", "zstd", "--json"));
  await using other = await freshDatabase();
  await restoreWithStockTools(zstd.file, other.url);
  expect(await dumpText(other.url)).toEqual(text);
});

test("a snapshot becomes a custom archive, by way of a server that is thrown away", async () => {
  await using backup = await oddBackedUp(
    `create schema "my sch"; create table "my sch".t as select generate_series(1, 100) as n; create sequence s start 7;
     select lo_from_bytea(9, 'large'); create type mood as enum ('a', 'b'); create table m (m mood) partition by hash (m);
     create table m0 partition of m for values with (modulus 2, remainder 0); create table m1 partition of m for values with (modulus 2, remainder 1);
     insert into m select unnest(enum_range(null::mood)) from generate_series(1, 5);`,
    "--kind",
    "snapshot",
  );
  await using copied = await freshDatabase();
  const report = await exported(backup.export("odd.dump", "--format", "custom", "--json"));
  expect(report).toMatchObject({ format: "custom", rows: 110 });
  await restoreWithStockTools(report.file, copied.url);
  expect(await dumpText(copied.url)).toEqual(await dumpText(backup.live.url));
});

test("an archive is copied as it is, or made into another", async () => {
  const sql = "create table t as select g as id, 'row ' || g as title from generate_series(1, 100) g";
  await using backup = await oddBackedUp(sql, "--format", "plain");
  const copy = await exported(backup.export("copy.sql.gz", "--json"));
  const stored = await backup.storage.get(`odd/${backup.archiveName}`, signal);
  expect(await readFile(copy.file)).toEqual(openedByAge(stored));
  for (const [name, ...args] of [
    ["other.sql.zst", "--compression", "zstd"],
    ["other.dump", "--format", "custom"],
  ] as const) {
    await using copied = await freshDatabase();
    const report = await exported(backup.export(name, ...args, "--json"));
    await restoreWithStockTools(report.file, copied.url);
    expect(await dumpText(copied.url)).toEqual(await dumpText(backup.live.url));
  }
});

test("a custom archive becomes SQL text", async () => {
  await using backup = await oddBackedUp("create table t as select 1 as id", "--format", "custom");
  await using copied = await freshDatabase();
  const report = await exported(backup.export("plain.sql.gz", "--json"));
  await restoreWithStockTools(report.file, copied.url);
  expect(await dumpText(copied.url)).toEqual(await dumpText(backup.live.url));
});

test("a backup is found by its id alone, and a file is replaced only when that is asked for", async () => {
  await using backup = await oddBackedUp("create table t as select 1 as id", "--kind", "snapshot");
  const file = join(backup.folder, "there.sql.gz");
  await writeFile(file, "precious");
  const byId = ["export", backup.id, "--repository", backup.repository, "--file", file];
  const refused = await runCli(byId);
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toContain("the file is there already");
  expect(await readFile(file, "utf8")).toBe("precious");
  expect(await runCli([...byId, "--overwrite"])).toMatchObject({ code: 0 });
  expect((await readFile(file)).subarray(0, 2)).toEqual(Buffer.from([0x1f, 0x8b]));
});

test("a damaged part ends the export, and nothing is left of it", async () => {
  await using backup = await oddBackedUp(
    "create table t as select generate_series(1, 100000) as n",
    "--kind",
    "snapshot",
  );
  const { storage } = backup;
  const [part = ""] = await storage.keys("odd/parts/", "all", signal);
  const bytes = await storage.get(part, signal);
  bytes[bytes.length - 5] = (bytes.at(-5) ?? 0) ^ 4;
  await storage.put(part, bytes, signal);
  for (const compression of ["gzip", "zstd"]) {
    const result = await backup.export("t.sql", "--compression", compression);
    expect(result).toMatchObject({ code: 13 });
    expect(result.stderr).toContain("export public.t");
    expect(await readdir(backup.folder)).toEqual([]);
    // As the latest it counts no more once that is known.
    for (const key of await storage.keys("odd/records/", "all", signal)) await storage.delete(key, signal);
  }
  const custom = await backup.export("t.dump", "--format", "custom");
  expect(custom).toMatchObject({ code: 13 });
  expect(await readdir(backup.folder)).toEqual([]);
});

test("a backup that is not there, and a file that is no backup of ours", async () => {
  await using backup = await oddBackedUp("create table t as select 1 as id", "--kind", "snapshot");
  const missing = await backup.export("x.sql.gz", "--overwrite", "--quiet");
  expect(missing).toMatchObject({ code: 0 });
  const unknown = await runCli([
    "export",
    "odd",
    "20200101T000000Z-0000",
    "--repository",
    backup.repository,
    "--file",
    join(backup.folder, "y"),
  ]);
  expect(unknown).toMatchObject({ code: 1 });
  expect(unknown.stderr).toContain("there is none of that name");
  expect(await readdir(backup.folder)).toEqual(["x.sql.gz"]);
  const foreign = await runCli([
    "export",
    "odd",
    join(backup.folder, "x.sql.gz"),
    "--repository",
    backup.repository,
    "--format",
    "custom",
    "--file",
    join(backup.folder, "y"),
  ]);
  expect(foreign).toMatchObject({ code: 2 });
});

test("names with line breaks, and partitions by the hash of an enum, are counted as what they are", async () => {
  await using backup = await oddBackedUp(
    `create type mood as enum ('a', 'b', 'c'); create table "by
mood" (m mood, n int) partition by hash (m);
     create table "by
mood 0" partition of "by
mood" for values with (modulus 2, remainder 0);
     create table "by
mood 1" partition of "by
mood" for values with (modulus 2, remainder 1);
     insert into "by
mood" select (enum_range(null::mood))[1 + g % 3], g from generate_series(1, 60) g;`,
    "--kind",
    "snapshot",
  );
  const report = await exported(backup.export("lines.sql.gz", "--json"));
  expect(report).toMatchObject({ rows: 60, tables: 2 });
  const target = uniqueName("lines");
  await runSql(clusterUrl(), `create database ${target} template template0`);
  try {
    await restoreWithStockTools(report.file, clusterUrl(target));
    expect(await runSql(clusterUrl(target), 'select count(*)::int as rows from "by\nmood"')).toEqual([
      { rows: 60 },
    ]);
  } finally {
    await runSql(clusterUrl(), `drop database ${target} with (force)`);
  }
});

test("a disk that is full: exit 23 and nothing is left, whatever is written", async () => {
  const sql =
    "create table big as select g, md5(g::text) as a, md5(g::text || 'x') as b from generate_series(1, 40000) g";
  await using snapshot = await oddBackedUp(sql, "--kind", "snapshot");
  await using archive = await oddBackedUp(sql);
  await using disk = await temporaryFolder();
  const script = `mount -t tmpfs -o size=1m tmpfs ${disk.path} && { "$@"; code=$?; find ${disk.path} -type f >&2; exit $code; }`;
  const wrapper = inMountNamespace(script);
  for (const { repository, forms } of [
    { ...snapshot, forms: [[], ["--compression", "zstd"], ["--format", "custom"]] },
    { ...archive, forms: [[], ["--compression", "zstd"]] },
  ]) {
    for (const form of forms) {
      const file = join(disk.path, "dump");
      const args = ["export", "odd", "--repository", repository, "--file", file, ...form];
      const { code, stdout, stderr } = await spawnCli(args, { wrapper }).result;
      expect(code, stderr).toBe(23);
      expect(stdout).toBe("");
      expect(stderr).toContain(
        `handled: export odd: write ${file}: no space left\nhint: free some space on that disk`,
      );
      // Neither a file nor the line of a stack.
      expect(stderr).not.toMatch(new RegExp(`^${disk.path}|^ +at `, "m"));
    }
  }
});
