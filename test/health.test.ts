import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { StatusJson } from "../src/json/status.ts";
import { systemClock } from "../src/lib/clock.ts";
import { backedUp } from "./support/backed-up.ts";
import { type CliOptions, jsonOf, runCli } from "./support/cli.ts";
import { freshPlace } from "./support/fresh-place.ts";
import { freshCluster, freshDatabase, runSql, uniqueName } from "./support/postgres.ts";
import { pauseSql, stuckRestore } from "./support/stuck-restore.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

test("a table that is emptied, one that is dropped and a backup that fails are found, and found no more once mended", async () => {
  await using place = await freshPlace();
  await using live = await freshDatabase({
    sql: `create table product as select n as id, md5(n::text) as name from generate_series(1, 2000) n;
          create table note as select 1 as id`,
  });
  const look = async () => {
    const result = await runCli(["status", "data", "--repository", place.url, "--json"]);
    const [status] = StatusJson.parse(jsonOf(result)).databases;
    const found = [...(status?.problems ?? []), ...(status?.notices ?? [])];
    return { code: result.code, found: found.map(({ id, subject }) => `${id} ${subject}`), status };
  };
  const backUp = async (...args: string[]) =>
    await runCli(["backup", "data", "--url", live.url, "--repository", place.url, ...args]);
  for (let night = 0; night < 6; night++) expect((await backUp()).code).toBe(0);
  expect(await look()).toMatchObject({ code: 0, found: [] });

  await live.query("truncate product; drop table note");
  expect((await backUp()).code).toBe(0);
  expect((await backUp("--schema", "nowhere")).code).not.toBe(0);
  const broken = await look();
  expect(broken).toMatchObject({
    code: 4,
    found: ["table-shrunk public.product", "table-vanished public.note", "run-failed backup"],
  });
  expect(broken.status?.problems[0]?.message).toContain(
    "100 % fewer rows than the median of the 6 backups before",
  );
  const text = await runCli(["status", "data", "--repository", place.url]);
  expect(text.stdout).toContain("✗ data: public.product has 100 % fewer rows");
  expect(text.stdout).toContain("✗ data: backup failed on ");

  // What the hint says brings it back.
  const good = /handled restore data (\S+) --table/.exec(broken.status?.problems[0]?.hint ?? "")?.[1] ?? "";
  const back = `${live.name}_look`;
  const table = ["--table", "public.product", "--url", live.url, "--repository", place.url];
  const restored = await runCli(["restore", "data", good, "--new-database", back, ...table]);
  expect(restored, restored.stderr).toMatchObject({ code: 0 });
  await live.query(`drop database "${back}"`);
  await live.query(
    "insert into product select n, md5(n::text) from generate_series(1, 2000) n; create table note as select 1 as id",
  );
  expect((await backUp()).code).toBe(0);
  expect(await look()).toMatchObject({ code: 0, found: [] });
});

test("a server that does not answer, a role that may not read all any more, and a clock that is wrong are found by asking", async () => {
  await using place = await freshPlace();
  await using live = await freshDatabase({ sql: "create table item as select 1 as id" });
  const from = ["--url", live.url, "--repository", place.url];
  expect((await runCli(["backup", ...from])).code).toBe(0);
  const look = async (url: string, options: CliOptions = {}) => {
    const args = ["status", live.name, "--connect", "--url", url, "--repository", place.url, "--json"];
    const { databases } = StatusJson.parse(jsonOf(await runCli(args, options)));
    return databases[0]?.problems.map(({ id, subject }) => `${id} ${subject}`.trim());
  };
  expect(await look(live.url)).toEqual([]);
  const reader = uniqueName();
  await using _ = {
    [Symbol.asyncDispose]: async () =>
      void (await live.query(`drop owned by "${reader}"; drop role "${reader}"`)),
  };
  const elsewhere = new URL(live.url);
  elsewhere.searchParams.set("host", "127.0.0.1");
  elsewhere.searchParams.set("port", "1");
  expect(await look(elsewhere.toString())).toEqual(["server-unreachable"]);
  await live.query(`create role "${reader}" login; grant select on item to "${reader}"`);
  const asReader = new URL(live.url);
  asReader.username = reader;
  expect(await look(asReader.toString())).toEqual([]);
  await live.query(`revoke select on item from "${reader}"`);
  expect(await look(asReader.toString())).toEqual(["privilege-missing privileges"]);
  await live.query(`grant select on item to "${reader}"; alter table item enable row level security`);
  expect(await look(asReader.toString())).toEqual(["privilege-missing row-security"]);
  await live.query("alter table item disable row level security");
  expect(await look(asReader.toString())).toEqual([]);
  const ahead = { ...systemClock, now: () => new Date(systemClock.now().getTime() + 30_000) };
  expect(await look(live.url, { clock: ahead })).toEqual(["clock-skew"]);
});

test("what a restore that was killed has left on the server is found until it is gone, and not what one is making", async () => {
  // On a server that others share, their restores would drop it first.
  await using cluster = await freshCluster();
  const server = cluster.url();
  await using shop = await backedUp({
    cluster: server,
    sql: `create schema data; ${pauseSql("data", 1000)}
      create table data.item as select g as id from generate_series(1, 1000) g;
      alter table data.item add check (data.pause(id))`,
  });
  const look = async () => {
    const from = ["--url", shop.live.url, "--repository", shop.repository];
    const result = await runCli(["status", shop.live.name, "--connect", ...from, "--json"]);
    const [status] = StatusJson.parse(jsonOf(result)).databases;
    return status?.problems.filter(({ id }) => id === "database-half-made") ?? [];
  };
  await using beside = await stuckRestore(shop, { args: ["--new-database", uniqueName()], server });
  await using swap = await stuckRestore(shop, { args: ["--swap", "--yes"], server });
  expect(await look()).toEqual([]);
  process.kill(beside.running.pid, "SIGKILL");
  await beside.running.result;
  const [found, ...others] = await look();
  expect(others).toEqual([]);
  expect(found).toMatchObject({
    subject: beside.making,
    severity: "warning",
    message: expect.stringContaining("the restore that made it was killed"),
    evidence: { startedAt: expect.stringMatching(/^20/), bytes: expect.any(Number) },
  });
  process.kill(swap.running.pid, "SIGKILL");
  await swap.running.result;
  const subjects = async () => (await look()).map(({ subject }) => subject);
  expect((await subjects()).toSorted()).toEqual([beside.making, swap.making].toSorted());
  // What the hint says. Their loads may not have noticed yet.
  const drop = /`(drop database [^`]*)`/.exec(found?.hint ?? "")?.[1] ?? "";
  await runSql(server, `${drop} with (force)`);
  expect(await subjects()).toEqual([swap.making]);
  await using other = await backedUp({ cluster: server, sql: "create table t ()" });
  expect(await other.restore(["latest", "--new-database", uniqueName()])).toMatchObject({ code: 0 });
  expect(await subjects()).toEqual([]);
});

test("sources that a database can be made from: what backups recorded of them tells that one has shrunk, or is gone", async () => {
  await using place = await freshPlace();
  await using folder = await temporaryFolder();
  await using live = await freshDatabase({ sql: "create table item as select 1 as id" });
  const config = join(folder.path, "handled.yaml");
  const source = join(folder.path, "in.csv");
  await writeFile(
    config,
    stringify({
      version: 1,
      repositories: { local: { url: place.url } },
      databases: {
        data: {
          url: live.url,
          backups: [{ name: "nightly" }],
          rebuild: { sources: ["in.csv"], commands: [{ name: "import", run: "true" }] },
        },
      },
    }),
  );
  const handled = async (...args: string[]) => await runCli([...args, "--config", config, "--json"]);
  const look = async () =>
    StatusJson.parse(jsonOf(await handled("status"))).databases[0]?.problems.map(({ id, evidence }) => ({
      id,
      ...evidence,
    }));
  await writeFile(source, "a".repeat(1000));
  expect((await handled("backup")).code).toBe(0);
  expect(await look()).toEqual([]);
  await writeFile(source, "a".repeat(400));
  expect(await look()).toEqual([{ id: "source-shrunk", of: "bytes", now: 400, median: 1000, backups: 1 }]);
  await rm(source);
  expect((await handled("backup")).code).toBe(0);
  expect(await look()).toEqual([{ id: "source-missing", lastFiles: 1, lastBytes: 1000 }]);
  await writeFile(source, "a".repeat(1000));
  expect(await look()).toEqual([]);
});
