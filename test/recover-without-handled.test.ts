import { execFile } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { jsonOf, runCli } from "./support/cli.ts";
import { dumpText } from "./support/dump-text.ts";
import { identityIn } from "./support/keys.ts";
import { ODD_DATABASE_SQL } from "./support/odd-database.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder, uniqueName } from "./support/postgres.ts";
import { copyWithStockTools } from "./support/stock-tools.ts";

const run = promisify(execFile);
const DOCUMENT = join(import.meta.dirname, "../docs/recover-without-handled.md");

/** The text of the document's blocks that are marked with a word. */
async function blocks(mark: string): Promise<string> {
  const text = await readFile(DOCUMENT, "utf8");
  const found = [...text.matchAll(new RegExp(`^\`\`\`bash ${mark}\n(.*?)^\`\`\`$`, "gms"))].map(
    ([, block = ""]) => block,
  );
  expect(found.length).toBeGreaterThan(0);
  return found.join("\n");
}

/** The one place where a reader is told to change something. */
function replaceOnce(text: string, from: string, to: string): string {
  expect(text.split(from)).toHaveLength(2);
  return text.replace(from, () => to);
}

/** Runs a script with `bash`, as a person would who has a server and none of our code. */
async function runByHand(script: string): Promise<{ stdout: string; stderr: string }> {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "recover.sh");
  await writeFile(path, script);
  const { hostname, port, username, password } = new URL(clusterUrl());
  return await run("bash", [path], {
    env: {
      PATH: process.env["PATH"],
      PGHOST: hostname,
      PGPORT: port,
      PGUSER: username,
      PGPASSWORD: password,
    },
    maxBuffer: 64 * 1024 * 1024,
  });
}

async function snapshotScript(folder: string, backup: string, target: string): Promise<string> {
  const script = replaceOnce(await blocks("snapshot"), "cd /mnt/backups/data ", `cd '${folder}' `);
  return replaceOnce(
    script,
    "backup=backups/20241211T150000Z-19c4 target=data_restored",
    `backup=backups/${backup} target=${target}`,
  );
}

const PROPERTIES = `
  select pg_get_userbyid(d.datdba) as owner, d.datconnlimit, shobj_description(d.oid, 'pg_database') as comment,
         (select array_agg(a::text order by a::text collate "C") from unnest(d.datacl) a) as privileges,
         (select array_agg(s.setconfig::text || s.setrole order by s.setrole) from pg_db_role_setting s where s.setdatabase = d.oid) as settings
    from pg_database d where d.datname = current_database()`;

test("the lines for a snapshot restore it whole", async () => {
  await using source = await freshDatabase({ sql: ODD_DATABASE_SQL });
  await using stock = await freshDatabase();
  await using repository = await temporaryFolder();
  const quoted = `"${source.name}"`;
  await source.query(
    `alter database ${quoted} set search_path = "sch.e""ma", public; alter database ${quoted} set work_mem = '7MB';
     comment on database ${quoted} is 'it''s'; grant create on database ${quoted} to pg_monitor with grant option;
     alter database ${quoted} connection limit 50; select lo_create(4444); comment on large object 4444 is e'a "comment"\\n\\t\\\\.';
     grant select on large object 4444 to public, pg_monitor;
     create materialized view a_before as select count(*) as c from totals; create table log (tag text);
     create function log() returns event_trigger language plpgsql as $$ begin insert into public.log values (tg_tag); end $$;
     create event trigger log on ddl_command_end execute function log(); comment on event trigger log is 'late';`,
  );
  const place = ["--url", source.url, "--repository", repository.path];
  const backup = jsonOf(await runCli(["backup", "odd", "--kind", "snapshot", "--json", ...place]));
  const target = uniqueName("by_hand");
  try {
    const { stdout } = await runByHand(
      await snapshotScript(join(repository.path, "odd"), String(backup["id"]), target),
    );
    // What is printed last: tables with another number of rows. Those of a hash of an enum may be.
    expect(stdout.split("\n").filter((line) => line.includes(" | ") && !line.includes("by_mood_"))).toEqual(
      [],
    );
    await copyWithStockTools(source.url, stock.url);
    const [ours, copied, original] = [
      await dumpText(clusterUrl(target)),
      await dumpText(stock.url),
      await dumpText(source.url),
    ];
    expect(ours.definitions).toEqual(copied.definitions);
    // Stock tools run REFRESH while the event trigger that writes it is there already.
    const log = "COPY public.log (tag) FROM stdin;";
    expect(ours.rows[log]).toEqual(original.rows[log]);
    expect({ ...ours.rows, [log]: [] }).toEqual({ ...copied.rows, [log]: [] });
    expect(await runSql(clusterUrl(target), PROPERTIES)).toEqual(await source.query(PROPERTIES));
  } finally {
    await runSql(clusterUrl(), `drop database if exists "${target}" with (force)`);
  }
});

test("the lines for a snapshot restore chosen schemas, and what they need of others", async () => {
  await using source = await freshDatabase({
    sql: `create schema tools; create extension citext schema tools; create extension pg_trgm;
          create schema "my sch"; create table "my sch".t (id serial primary key, title tools.citext);
          insert into "my sch".t (title) values ('A'), ('b'); create index on "my sch".t using gin ((title::text) gin_trgm_ops);
          create table public.p as select 1 as one; create schema other; create table other.o as select 1 as one;`,
  });
  await using repository = await temporaryFolder();
  const place = ["--url", source.url, "--repository", repository.path];
  const chosen = ["--schema", "my sch", "--schema", "public"];
  const backup = jsonOf(await runCli(["backup", "odd", "--kind", "snapshot", "--json", ...chosen, ...place]));
  const target = uniqueName("by_hand");
  try {
    await runByHand(await snapshotScript(join(repository.path, "odd"), String(backup["id"]), target));
    const schemas = ["-n", '"my sch"', "-n", "public"];
    expect(await dumpText(clusterUrl(target), schemas)).toEqual(await dumpText(source.url, schemas));
    expect(await runSql(clusterUrl(target), "select to_regclass('other.o') as other")).toEqual([
      { other: null },
    ]);
  } finally {
    await runSql(clusterUrl(), `drop database if exists "${target}" with (force)`);
  }
});

test("a part that was changed stops the lines before any row is loaded", async () => {
  await using source = await freshDatabase({ sql: "create table t as select generate_series(1, 1000) as n" });
  await using repository = await temporaryFolder();
  const place = ["--url", source.url, "--repository", repository.path];
  const backup = jsonOf(await runCli(["backup", "odd", "--kind", "snapshot", "--json", ...place]));
  const parts = join(repository.path, "odd", "parts");
  const [part = ""] = (await readdir(parts, { recursive: true })).filter((name) => name.includes("-"));
  const bytes = await readFile(join(parts, part));
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(join(parts, part), bytes);
  const target = uniqueName("by_hand");
  try {
    const script = await snapshotScript(join(repository.path, "odd"), String(backup["id"]), target);
    await expect(runByHand(script)).rejects.toThrow(/sha256sum: WARNING: 1 computed checksum did NOT match/);
    expect(await runSql(clusterUrl(target), "select count(*)::int as rows from t")).toEqual([{ rows: 0 }]);
  } finally {
    await runSql(clusterUrl(), `drop database if exists "${target}" with (force)`);
  }
});

test.for([
  { format: "plain", ending: ".sql.gz" },
  { format: "custom", ending: ".dump" },
])("the line for an archive ending in $ending restores it", async ({ format, ending }) => {
  await using source = await freshDatabase({
    sql: "create table t as select g as id, 'row ' || g as title from generate_series(1, 100) g; select lo_from_bytea(7, 'x')",
  });
  await using repository = await temporaryFolder();
  const place = ["--url", source.url, "--repository", repository.path];
  const backup = jsonOf(await runCli(["backup", "data", "--format", format, "--json", ...place]));
  const file = String(backup["location"]);
  const target = uniqueName("by_hand");
  const lines = (await blocks("archive"))
    .split("\n")
    .filter((line) => line.endsWith(`# ${ending}`) || line.startsWith("createdb"));
  expect(lines).toHaveLength(2);
  const script = `set -euo pipefail\n${lines.join("\n")}`
    .replaceAll("data_restored", target)
    .replaceAll(`handled_data_20241211_143022${ending}`, file);
  try {
    await runByHand(script);
    expect(await dumpText(clusterUrl(target))).toEqual(await dumpText(source.url));
  } finally {
    await runSql(clusterUrl(), `drop database if exists "${target}" with (force)`);
  }
});

describe("of an encrypted repository", () => {
  const SQL = "create table t as select g as id, 'row ' || g as title from generate_series(1, 5000) g";

  /** Takes a backup, and opens the copy by the page's own lines; returns the copy's folder and the backup. */
  async function opened(
    url: string,
    folder: string,
    args: readonly string[],
  ): Promise<{ readonly copy: string; readonly backup: Record<string, unknown> }> {
    const { file, recipient } = identityIn(folder);
    const [repository, copy] = [join(folder, "repository"), join(folder, "copy/data")];
    const env = { HOME: folder, XDG_CONFIG_HOME: "" };
    const place = ["--url", url, "--repository", repository, "--recipient", recipient];
    const result = await runCli(["--json", "backup", "data", ...args, ...place], { env });
    expect(result.code, result.stderr).toBe(0);
    const script = replaceOnce(
      await blocks("sealed"),
      "identity=~/identity.txt from=/mnt/backups/data to=/var/tmp/data ",
      `identity='${file}' from='${repository}/data' to='${copy}' `,
    );
    await runByHand(script);
    return { copy, backup: jsonOf(result) };
  }

  test("the lines open a copy, from which those for a snapshot restore it", async () => {
    await using source = await freshDatabase({ sql: SQL });
    await using folder = await temporaryFolder();
    const { copy, backup } = await opened(source.url, folder.path, ["--kind", "snapshot"]);
    const target = uniqueName("by_hand");
    try {
      await runByHand(await snapshotScript(copy, String(backup["id"]), target));
      expect(await dumpText(clusterUrl(target))).toEqual(await dumpText(source.url));
    } finally {
      await runSql(clusterUrl(), `drop database if exists "${target}" with (force)`);
    }
  });

  test("and that for an archive restores it", async () => {
    await using source = await freshDatabase({ sql: SQL });
    await using folder = await temporaryFolder();
    const { copy, backup } = await opened(source.url, folder.path, []);
    const file = join(
      copy,
      String(backup["location"])
        .split("/")
        .at(-1)
        ?.replace(/\.age$/, "") ?? "",
    );
    const target = uniqueName("by_hand");
    const lines = (await blocks("archive"))
      .split("\n")
      .filter((line) => line.endsWith("# .sql.gz") || line.startsWith("createdb"));
    const script = `set -euo pipefail\n${lines.join("\n")}`
      .replaceAll("data_restored", target)
      .replaceAll("handled_data_20241211_143022.sql.gz", file);
    try {
      await runByHand(script);
      expect(await dumpText(clusterUrl(target))).toEqual(await dumpText(source.url));
    } finally {
      await runSql(clusterUrl(), `drop database if exists "${target}" with (force)`);
    }
  });
});
