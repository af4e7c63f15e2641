import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, test } from "vitest";
import { VerifyJson } from "../src/json/restore.ts";
import { StatusJson } from "../src/json/status.ts";
import { backedUp, type BackedUp, databasesLike } from "./support/backed-up.ts";
import { jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { ODD_DATABASE_SQL } from "./support/odd-database.ts";
import { clusterUrl, runSql, uniqueName } from "./support/postgres.ts";
import { rewriteManifest } from "./support/rewrite-manifest.ts";
import { noAbort } from "./support/runtime.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const SQL = `
  create schema shop;
  create table shop.orders (id int primary key, status varchar(10) check (status in ('new', 'done')), note text);
  insert into shop.orders select g, 'new', md5(g::text) from generate_series(1, 20000) g;
  create table shop.items (id serial primary key, title text);
  insert into shop.items (title) select 'item ' || g from generate_series(1, 500) g;
`;

/** A folder for throw-away servers, which another user has to reach. */
async function serverFolder() {
  const folder = await temporaryFolder();
  await chmod(folder.path, 0o711);
  return {
    ...folder,
    servers: async () => (await readdir(folder.path)).filter((name) => name.startsWith("handled-verify-")),
  };
}

/** Waits for a throw-away server to accept connections; its process id. */
async function runningServer(folder: Awaited<ReturnType<typeof serverFolder>>): Promise<number> {
  let pid = 0;
  const look = async (): Promise<number> => {
    for (const name of await folder.servers()) {
      const path = join(folder.path, name, "server/data/postmaster.pid");
      const text = await readFile(path, "utf8").catch(() => "");
      // The last line comes when connections are accepted.
      if (text.includes("ready")) pid = Number(text.split("\n")[0]);
    }
    return pid;
  };
  await expect.poll(look, { timeout: 45_000, interval: 20 }).toBeGreaterThan(0);
  return pid;
}

async function verify(subject: BackedUp, args: readonly string[], env: Record<string, string> = {}) {
  const place = ["--repository", subject.repository, "--json"];
  const result = await runCli(["verify", subject.name, ...args, ...place], { env });
  return { code: result.code, stderr: result.stderr, output: jsonOf(result) };
}

const SNAPSHOT = { sql: SQL, backup: ["--kind", "snapshot"] };

describe("without a live server", () => {
  test("a snapshot of everything odd is proven to its content, and nothing of the server stays", async () => {
    await using folder = await serverFolder();
    await using subject = await backedUp({ sql: ODD_DATABASE_SQL, backup: ["--kind", "snapshot"] });
    const { code, output, stderr } = await verify(subject, [], { TMPDIR: folder.path });
    expect(code, stderr).toBe(0);
    const report = VerifyJson.parse(output);
    expect(report).toMatchObject({
      outcome: "proven",
      proven: "content",
      problems: [],
      server: { kind: "throw-away" },
      notCompared: [{ what: "1 materialized view" }],
    });
    const { tables, digests, sequences, definitions } = report.compared;
    expect(digests).toBe(tables);
    expect(sequences).toBeGreaterThan(10);
    expect(definitions).toBeGreaterThan(100);
    expect(report.durations.restoreMs).toBeGreaterThan(0);
    expect(await folder.servers()).toEqual([]);
    const look = await runCli(["status", subject.name, "--repository", subject.repository, "--json"]);
    expect(StatusJson.parse(jsonOf(look)).databases[0]).toMatchObject({
      newestProven: subject.id,
      timeToRecover: { measuredMs: report.durations.restoreMs, basis: expect.stringContaining("throw-away") },
    });
    const shown = await runCli(["show", subject.id, "--repository", subject.repository]);
    expect(shown.stdout).toMatch(/proven \S+ \S+: content, .* rows, restored in/);
  });

  test("an archive is proven by its rows", async () => {
    await using folder = await serverFolder();
    await using subject = await backedUp({ sql: SQL, backup: ["--format", "custom"] });
    const { code, output } = await verify(subject, ["--level", "content"], { TMPDIR: folder.path });
    expect(code).toBe(0);
    expect(output).toMatchObject({ proven: "content", compared: { tables: 2, rows: 20_500 } });
    expect(await folder.servers()).toEqual([]);
  });

  /** A snapshot whose restore stays in its middle for as long as a file is there. */
  async function stuckIn(folder: { readonly path: string }) {
    const flag = join(folder.path, "stay");
    await writeFile(flag, "");
    const sql = `${SQL} create function shop.stay() returns boolean language plpgsql as $$ begin
        if current_database() like 'handled\\_%' and (pg_stat_file('${flag}', true)).size is not null then
          perform pg_sleep(1000); end if; return true; end $$;
      create table shop.last (id int check (shop.stay())); insert into shop.last values (1)`;
    return {
      subject: await backedUp({ sql, backup: ["--kind", "snapshot"] }),
      goOn: async () => await rm(flag),
    };
  }

  test("an interrupted check leaves neither server nor proof", async () => {
    await using folder = await serverFolder();
    const { subject: stuck } = await stuckIn(folder);
    await using subject = stuck;
    const env = { TMPDIR: folder.path };
    const child = spawnCli(["verify", subject.name, "--repository", subject.repository], { env });
    const pid = await runningServer(folder);
    process.kill(child.pid, "SIGINT");
    expect((await child.result).code).toBe(130);
    expect(await isRunning(pid)).toBe(false);
    expect(await folder.servers()).toEqual([]);
    const keys = await subject.storage.keys("", "all", noAbort());
    expect(keys.filter((key) => /\/(proofs|readers)\//.test(key))).toEqual([]);
  });

  test("what a killed check left is found and removed by the next one", async () => {
    await using folder = await serverFolder();
    const { subject: stuck, goOn } = await stuckIn(folder);
    await using subject = stuck;
    const env = { TMPDIR: folder.path };
    const child = spawnCli(["verify", subject.name, "--repository", subject.repository], { env });
    const pid = await runningServer(folder);
    process.kill(child.pid, "SIGKILL");
    await child.result;
    expect(await isRunning(pid)).toBe(true);
    expect(await folder.servers()).toHaveLength(1);

    await goOn();
    const { code, stderr } = await verify(subject, [], env);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain("left behind by a process that was killed");
    expect(await isRunning(pid)).toBe(false);
    expect(await folder.servers()).toEqual([]);
  });

  test("a damaged part fails the check, all of them are named, and nothing stays", async () => {
    await using folder = await serverFolder();
    await using subject = await backedUp(SNAPSHOT);
    const files = await subject.storage.keys(`${subject.name}/parts/`, "all", noAbort());
    for (const key of files) {
      const data = await subject.storage.get(key, noAbort());
      data.writeUInt8(data.readUInt8(20) ^ 1, 20);
      await subject.storage.put(key, data, noAbort());
    }
    const { code, output } = await verify(subject, ["--level", "restore"], { TMPDIR: folder.path });
    expect(code).toBe(13);
    expect(output).toMatchObject({
      outcome: "failed",
      level: "restore",
      problems: expect.arrayContaining([
        expect.objectContaining({ object: "part", table: "shop.items" }),
        expect.objectContaining({ object: "part", table: "shop.orders" }),
      ]),
    });
    const named = (output["problems"] as { part: string }[]).map(({ part }) => part);
    expect(named.toSorted()).toEqual(files.map((file) => basename(file)).toSorted());
    expect(await folder.servers()).toEqual([]);
    const listed = await runCli(["list", "--repository", subject.repository]);
    expect(listed.stdout).toContain("FAILED");
  });
});

test("on a given server a scratch database and missing roles come and go", async () => {
  const role = `verify_role_${process.pid}`;
  await runSql(clusterUrl(), `create role ${role}`);
  await using subject = await backedUp({
    ...SNAPSHOT,
    sql: `${SQL} alter table shop.items owner to ${role};`,
  });
  await runSql(subject.live.url, "alter table shop.items owner to postgres");
  await runSql(clusterUrl(), `drop role ${role}`);
  const { code, output, stderr } = await verify(subject, ["--to", clusterUrl()]);
  expect(code, stderr).toBe(0);
  expect(output).toMatchObject({ proven: "content", server: { kind: "given" } });
  const made = await databasesLike("handled\\_restoring\\_%");
  expect(made.filter((name) => name.includes(`_${process.pid}_`))).toEqual([]);
  expect(await runSql(clusterUrl(), "select from pg_roles where rolname = $1", [role])).toEqual([]);
});

describe("a manifest that lies", () => {
  test("about the digest of a table is found before anything is restored", async () => {
    await using subject = await backedUp(SNAPSHOT);
    await rewriteManifest(subject, (manifest) => ({
      ...manifest,
      tables: manifest.tables.map((table) =>
        table.name === "orders" ? { ...table, digest: "0".repeat(31).concat("7") } : table,
      ),
    }));
    const { code, output } = await verify(subject, []);
    expect(code).toBe(13);
    expect(output).toMatchObject({ problems: [{ object: "part list", table: "shop.orders" }], server: null });
  });

  test("about a sequence is not proven", async () => {
    await using subject = await backedUp(SNAPSHOT);
    await rewriteManifest(subject, (manifest) => {
      const [sequence] = manifest.content.sequences;
      if (sequence === undefined) throw new Error("no sequence");
      // The restore obeys the second.
      const sequences = [{ ...sequence, value: "77" }, sequence];
      return { ...manifest, content: { ...manifest.content, sequences } };
    });
    const { code, output } = await verify(subject, []);
    expect(code).toBe(4);
    expect(output).toMatchObject({
      outcome: "failed",
      proven: null,
      problems: [{ object: "sequence", reason: "sequence shop.items_id_seq is at 500 instead of 77" }],
    });
  });
});

describe("what says nothing about the backup is an error, and no proof", () => {
  const nothingRecorded = async (subject: BackedUp): Promise<void> => {
    const keys = await subject.storage.keys("", "all", noAbort());
    expect(keys.filter((key) => /\/(proofs|readers)\//.test(key))).toEqual([]);
  };

  test("no server of its version, or a newer one, is installed", async () => {
    await using subject = await backedUp(SNAPSHOT);
    await rewriteManifest(subject, (manifest) => ({
      ...manifest,
      head: { ...manifest.head, server: { ...manifest.head.server, versionNumber: 990_001 } },
    }));
    const { code, output } = await verify(subject, []);
    expect(code).toBe(21);
    expect(output).toMatchObject({ error: { code: "client_missing" } });
    await nothingRecorded(subject);
  });

  test("an extension is not installed: the package is named", async () => {
    await using subject = await backedUp(SNAPSHOT);
    await rewriteManifest(subject, (manifest) => ({
      ...manifest,
      content: {
        ...manifest.content,
        extensions: [{ name: "postgis", schema: "public", version: "3.3.2" }],
      },
    }));
    const { code, output } = await verify(subject, []);
    expect(code).toBe(21);
    expect(output).toMatchObject({
      error: {
        message: expect.stringContaining("does not have the extension postgis") as string,
        hint: expect.stringMatching(/apt-get install postgresql-\d+-postgis-3/) as string,
      },
    });
    await nothingRecorded(subject);
  });

  test.each(["snapshot", "archive"])(
    "the module that security labels of a %s belong to is not loaded",
    async (kind) => {
      await using subject = await backedUp({
        // As a module would have written it: none is packaged with which that could be done.
        sql: `${SQL} set allow_system_table_mods = on;
        insert into pg_seclabel values ('shop.items'::regclass, 'pg_class'::regclass, 0, 'dummy', 'secret')`,
        backup: ["--kind", kind],
      });
      const { code, output } = await verify(subject, []);
      expect(code).toBe(21);
      expect(output).toMatchObject({
        error: {
          code: "client_missing",
          message: expect.stringContaining('"dummy"') as string,
          hint: expect.stringContaining("shared_preload_libraries") as string,
        },
      });
      await nothingRecorded(subject);
      const restored = await subject.restore(["latest", "--new-database", uniqueName()]);
      expect(restored.code, restored.stderr).toBe(21);
      expect(restored.stderr).toContain("security labels need the module");
    },
  );
});

test("on another major version what can be compared is, and the content is not called proven", async () => {
  await using subject = await backedUp(SNAPSHOT);
  await rewriteManifest(subject, (manifest) => ({
    ...manifest,
    head: { ...manifest.head, server: { ...manifest.head.server, versionNumber: 140_005 } },
  }));
  const strongest = await verify(subject, []);
  expect(strongest.code).toBe(0);
  expect(strongest.output).toMatchObject({
    outcome: "proven",
    level: "content",
    proven: "restore",
    compared: { digests: 2 },
    notCompared: [{ what: "definitions" }],
  });
  expect((await verify(subject, ["--level", "content"])).code).toBe(4);
});

/** False also for a process that has ended and whom nobody has waited for yet: that has no command line. */
async function isRunning(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")) !== "";
}
