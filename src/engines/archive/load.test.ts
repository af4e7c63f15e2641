import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { beforeAll, describe, expect, test } from "vitest";
import { newestClient, childNamed, makeArchive, opens } from "../../../test/support/archives.ts";
import {
  freshCluster,
  freshDatabase,
  type FreshDatabase,
  runSql,
  uniqueName,
} from "../../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { type Progress, type Runtime, silentReporter } from "../../lib/runtime.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import { type ConnectionSettings, pinnedTo, resolveConnection } from "../../postgres/connection.ts";
import { loadArchive, type LoadRequest, type LoadResult } from "./load.ts";

let client: PostgresClient;
beforeAll(async () => {
  client = await newestClient();
});

const HEADER = "--\n-- PostgreSQL database dump\n--\n\n";
const END = "\n--\n-- PostgreSQL database dump complete\n--\n\n";

/** Loads the text of a dump. */
async function load(
  target: { readonly settings: ConnectionSettings },
  text: string | Buffer,
  parts: Partial<LoadRequest> = {},
  runtime: Runtime = testRuntime(),
): Promise<LoadResult> {
  const bytes = typeof text === "string" ? Buffer.from(HEADER + text + END) : text;
  const request = {
    format: "plain",
    compression: "none",
    client,
    open: opens(bytes, 50),
    settings: target.settings,
    singleTransaction: false,
  } as const;
  return await loadArchive(runtime, { ...request, ...parts }, noAbort());
}

async function tablesOf(database: FreshDatabase): Promise<string[]> {
  const rows = await database.query<{ name: string }>(
    "select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1",
  );
  return rows.map((row) => row.name);
}

describe("an SQL error", () => {
  test("ends the load and is told with line, SQLSTATE and the server's words", async () => {
    await using target = await freshDatabase();
    const text = "create table a (id int);\ncreate table a (id int);\ncreate table never (id int);\n";
    await expect(load(target, text)).rejects.toMatchObject({
      code: "query_failed",
      message: 'load the archive: line 6: relation "a" already exists',
      details: { sqlState: "42P07", line: 6 },
    });
    expect(await tablesOf(target)).toEqual(["a"]);
  });

  test("in rows names the table and the row, and not what is in it", async () => {
    await using target = await freshDatabase();
    const text = "create table a (id int);\nCOPY public.a (id) FROM stdin;\n1\nsecret data\n\\.\n";
    const error = await load(target, text).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      details: { sqlState: "22P02" },
      message: expect.stringContaining("(COPY a, line 2)") as string,
    });
  });

  test.each([
    ["53100", "space_missing"],
    ["42501", "privilege_missing"],
    ["57P01", "database_unreachable"],
    ["55P03", "lock_timeout"],
    ["22012", "query_failed"],
  ])("with SQLSTATE %s is %s", async (sqlState, code) => {
    await using target = await freshDatabase();
    const raise = `do $$ begin raise warning 'not this'; raise exception 'no: %', 'x' using errcode = '${sqlState}', hint = 'h'; end $$;`;
    await expect(load(target, raise)).rejects.toMatchObject({ code, details: { sqlState } });
  });

  test("is found in what pg_restore gives, too", async () => {
    await using source = await freshDatabase({ sql: "create table a (id int); create table b (id int)" });
    const { bytes } = await makeArchive(source.settings, { format: "custom", compression: "gzip" });
    await expect(load(source, bytes, { format: "custom" })).rejects.toMatchObject({
      details: { sqlState: "42P07" },
    });
  });
});

describe("a single transaction", () => {
  test("leaves nothing of a load that failed", async () => {
    await using target = await freshDatabase();
    const text = "create table a (id int);\nCOPY public.a (id) FROM stdin;\n1\n\\.\nselect 1/0;\n";
    await expect(load(target, text, { singleTransaction: true })).rejects.toMatchObject({
      details: { sqlState: "22012", line: 9 },
    });
    expect(await tablesOf(target)).toEqual([]);
    await load(target, text.replace("select 1/0", "select 1"), { singleTransaction: true });
    expect(await target.query("select id from a")).toEqual([{ id: 1 }]);
  });

  const rows = Array.from({ length: 20_000 }, (_, n) => `${n * 7919}\n`).join("");
  const whole = Buffer.from(
    `${HEADER}create table a (id int);\nCOPY public.a (id) FROM stdin;\n${rows}\\.\n${END}`,
  );
  test.each([
    ["a dump without its end", whole.subarray(0, 100_000), "none"],
    ["a cut gzip file", gzipSync(whole).subarray(0, -5), "gzip"],
    ["a zstd file with a wrong checksum", spoilEnd(zstdWithChecksum(whole)), "zstd"],
  ] as const)("leaves nothing of %s", async (_, bytes, compression) => {
    await using target = await freshDatabase();
    const loading = load(target, bytes, { compression, singleTransaction: true, open: opens(bytes) });
    await expect(loading).rejects.toMatchObject({ code: "backup_damaged" });
    expect(await tablesOf(target)).toEqual([]);
  });

  test("holds although the dump's own large objects begin and end transactions", async () => {
    await using source = await freshDatabase({
      sql: "select lo_from_bytea(4711, 'large'); create table a (id int)",
    });
    for (const format of ["plain", "custom"] as const) {
      const { bytes } = await makeArchive(source.settings, { format, compression: "gzip" });
      await using target = await freshDatabase();
      const parts = { format, compression: "gzip", singleTransaction: true, open: opens(bytes) } as const;
      const { leftOut } = await load(target, bytes, parts);
      expect(leftOut).toEqual([]);
      expect(await target.query("select encode(lo_get(4711), 'escape') as text")).toEqual([
        { text: "large" },
      ]);
      await using occupied = await freshDatabase({ sql: "create view a as select 1" });
      await expect(load(occupied, bytes, parts)).rejects.toMatchObject({ details: { sqlState: "42P07" } });
      expect(await occupied.query("select oid from pg_largeobject_metadata")).toEqual([]);
    }
  });

  test("refuses a dump that rolls back by itself", async () => {
    await using target = await freshDatabase();
    await expect(
      load(target, "create table a ();\nROLLBACK;\ncreate table b ();", { singleTransaction: true }),
    ).rejects.toMatchObject({ code: "not_an_archive" });
    expect(await tablesOf(target)).toEqual([]);
  });
});

test("a command to psql is never run", async () => {
  await using folder = await temporaryFolder();
  await using target = await freshDatabase();
  const trace = join(folder.path, "trace");
  const text = `create table a (id int);\nselect 1 \\! touch ${trace}\n`;
  await expect(load(target, text)).rejects.toMatchObject({ code: "not_an_archive" });
  expect(existsSync(trace)).toBe(false);
});

test("a dump that uses \\restrict asks for a client that knows it", async () => {
  await using target = await freshDatabase();
  const text = "\\restrict Key1\n\ncreate table a ();\n\\unrestrict Key1\n";
  const old = { ...client, version: 150_013, label: "pg_dump (PostgreSQL) 15.13" };
  await expect(load(target, text, { client: old })).rejects.toMatchObject({ code: "client_missing" });
  expect(await tablesOf(target)).toEqual([]);
});

describe("a role that is no superuser", () => {
  test("gets what it may do, and is told what was left out", async () => {
    const [owner, other, loader] = [uniqueName("owner"), uniqueName("other"), uniqueName("loader")];
    await using target = await freshDatabase({
      sql: `create role ${owner}; create role ${other}; create role ${loader} login in role ${owner};
        create extension pg_trgm; grant all on schema public to ${loader}, ${owner};`,
    });
    const dump = `create table mine (id int);
ALTER TABLE mine OWNER TO ${owner};
create table theirs (id int);
ALTER TABLE theirs OWNER TO ${other};
ALTER TABLE theirs
  OWNER TO ${other};
COMMENT ON EXTENSION pg_trgm IS 'a
long; comment';
COMMENT ON TABLE theirs IS 'COMMENT ON EXTENSION pg_trgm';
SET SESSION AUTHORIZATION ${other};
GRANT SELECT ON TABLE theirs TO ${owner};
RESET SESSION AUTHORIZATION;
ALTER DEFAULT PRIVILEGES FOR ROLE ${other} GRANT SELECT ON TABLES TO ${loader};
`;
    const settings = { ...target.settings, user: loader };
    try {
      const { leftOut } = await load({ settings }, dump);
      expect(leftOut).toEqual([
        expect.stringMatching(`^ownership of role ${other} .*2 statements`),
        expect.stringMatching("^comment on extension pg_trgm"),
        expect.stringMatching(`^grants in the name of role ${other}`),
        expect.stringMatching(`^default privileges of role ${other}`),
      ]);
      const owners = await target.query(
        "select relname as name, relowner::regrole::text as owner from pg_class where relname in ('mine', 'theirs') order by 1",
      );
      expect(owners).toEqual([
        { name: "mine", owner },
        { name: "theirs", owner: loader },
      ]);
      // The line numbers are those of the dump although statements are missing.
      const failing = load(
        { settings },
        `${dump.replaceAll("create table", "create table if not exists")}select 1/0;\n`,
      );
      await expect(failing).rejects.toMatchObject({ details: { sqlState: "22012", line: 18 } });
    } finally {
      await target.query(
        `drop owned by ${loader}, ${owner}, ${other}; drop role ${loader}, ${owner}, ${other}`,
      );
    }
  });
});

describe("what breaks in the middle", () => {
  // Larger than all pipes together, so that everybody is at work when it happens.
  const rows = `${"x".repeat(99)}\n`.repeat(40_000);
  const text = `create table a (x text);\nCOPY public.a (x) FROM stdin;\n${rows}\\.\n`;
  const bytes = Buffer.from(HEADER + text + END);

  test.each([
    ["psql", "plain", "none"],
    ["zstd", "plain", "zstd"],
    ["pg_restore", "custom", "none"],
  ] as const)("a killed %s fails the load", async (tool, format, compression) => {
    await using source = await freshDatabase({
      sql: "create table a as select repeat('x', 99) from generate_series(1, 40000)",
    });
    const archive =
      format === "custom"
        ? (await makeArchive(source.settings, { format, compression: "gzip" })).bytes
        : bytes;
    const stored = compression === "zstd" ? zstdCompressSync(bytes) : archive;
    await using target = await freshDatabase();
    const loading = load(
      target,
      stored,
      { format, compression, open: opens(stored) },
      killingAtFirstTable(tool),
    );
    await expect(loading).rejects.toMatchObject({
      code: "tool_failed",
      details: { tool, signal: "SIGKILL" },
    });
  });

  test("a server that goes away is told as such", async () => {
    await using cluster = await freshCluster();
    await using target = await freshDatabase({ cluster: cluster.url() });
    let stopping: Promise<void> | undefined;
    const progress = ({ tables }: Progress): void => {
      if (tables === 1) stopping ??= cluster.stop("immediate");
    };
    const runtime = testRuntime({ reporter: { ...silentReporter, progress } });
    const loading = load(target, bytes, { open: opens(bytes) }, runtime);
    await expect(loading).rejects.toMatchObject({ code: "database_unreachable", exitCode: 20 });
    await stopping;
    await cluster.start();
  });

  test("an abort ends it with its reason", async () => {
    await using target = await freshDatabase();
    const controller = new AbortController();
    const reason = new Error("enough");
    const runtime = testRuntime({
      reporter: { ...silentReporter, progress: () => controller.abort(reason) },
    });
    const request = {
      format: "plain",
      compression: "none",
      client,
      open: opens(bytes),
      settings: target.settings,
      singleTransaction: false,
    } as const;
    await expect(loadArchive(runtime, request, controller.signal)).rejects.toBe(reason);
  });
});

test("a wrong password is told as such", async () => {
  await using cluster = await freshCluster({ password: "right horse" });
  const settings = await resolveConnection(testRuntime(), cluster.url(), noAbort());
  const [host] = settings.hosts;
  if (host === undefined) throw new Error("no host");
  await runSql(cluster.url(), "select 1");
  const wrong = pinnedTo(settings, { ...host, password: "wrong horse" });
  await expect(load({ settings: wrong }, "select 1;")).rejects.toMatchObject({ code: "login_refused" });
});

/** Kills our child when the first table's rows begin: it cannot have ended, for we have not given it all. */
function killingAtFirstTable(tool: string): Runtime {
  let killed = false;
  const progress = ({ tables }: Progress): void => {
    if (tables !== 1 || killed) return;
    killed = true;
    process.kill(childNamed(tool), "SIGKILL");
  };
  return testRuntime({ reporter: { ...silentReporter, progress } });
}

function zstdWithChecksum(bytes: Buffer): Buffer {
  return spawnSync("zstd", ["--stdout", "--quiet", "--check"], { input: bytes }).stdout;
}

function spoilEnd(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
  return changed;
}
