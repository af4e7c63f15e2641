import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { RecoverJson } from "../src/json/recover.ts";
import { type CliOptions, type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder } from "./support/postgres.ts";

test("two databases come back beside the live ones as of the backups nearest to a moment, and the skew is told", async () => {
  await using orders = await freshDatabase({ sql: "create table orders as select 1 as n" });
  await using stock = await freshDatabase({ sql: "create table stock as select 1 as n" });
  await using there = await temporaryFolder();
  await writeFile(
    join(there.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases:
  ${orders.name}: { url: "${orders.url}", heartbeat: true, backups: [{ name: nightly, kind: snapshot }] }
  ${stock.name}: { url: "${stock.url}", heartbeat: true, backups: [{ name: nightly, kind: snapshot }] }
`,
    { mode: 0o600 },
  );
  const cli = async (args: readonly string[], options: CliOptions = {}): Promise<CliResult> => {
    const done = await runCli(args, {
      cwd: there.path,
      env: { XDG_STATE_HOME: join(there.path, "state") },
      ...options,
    });
    return done;
  };
  const both = [orders, stock];
  // Orders, stock, stock, orders: the second and third are nearest to each other.
  const snapshots: string[] = [];
  for (const live of [orders, stock, stock, orders]) {
    const made = await cli(["backup", live.name, "--json"]);
    expect(made, made.stderr).toMatchObject({ code: 0 });
    await live.query(`update ${live === orders ? "orders" : "stock"} set n = n + 1`);
    const listed = jsonOf(await cli(["list", live.name, "--json"])) as {
      databases: { backups: { snapshotAt: string }[] }[];
    };
    snapshots.push(listed.databases[0]?.backups[0]?.snapshotAt ?? "");
  }
  const at = snapshots[0] ?? "";
  const together = async (args: readonly string[] = [], options: CliOptions = {}) =>
    await cli(["recover", "together", "--at", at, "--json", ...args], options);
  const time = at.slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "_");
  const beside = ({ name }: { name: string }): string => clusterUrl(`${name}_together_${time}`);
  try {
    const dry = await together(["--dry-run"]);
    expect(dry.stderr).toContain("made anew; what is live stays as it is");
    expect(RecoverJson.parse(jsonOf(dry)).outputs).toMatchObject({
      [`${orders.name}.snapshotAt`]: snapshots[0],
      [`${stock.name}.snapshotAt`]: snapshots[1],
      skewMs: Date.parse(snapshots[1] ?? "") - Date.parse(snapshots[0] ?? ""),
    });
    const ended = await together([], {
      observer: (phase, operation) => {
        if (`${phase} ${operation}` === `after step restore-${orders.name}`) throw new Error("killed");
      },
    });
    expect(ended.code).not.toBe(0);
    const done = await together();
    expect(done.code, done.stderr).toBe(0);
    const { outputs } = RecoverJson.parse(jsonOf(done));
    expect(outputs).toMatchObject({
      [`${orders.name}.snapshotAt`]: snapshots[0],
      [`${stock.name}.snapshotAt`]: snapshots[1],
      skewMs: Date.parse(snapshots[1] ?? "") - Date.parse(snapshots[0] ?? ""),
    });
    // The heartbeat is written a moment before.
    expect(outputs["measuredSkewMs"]).toBeGreaterThan(0);
    expect(done.stderr).toContain("measured by their heartbeats");
    expect(done.stderr).toContain(` apart: ${orders.name} is the oldest, ${stock.name} the newest`);
    expect(await runSql(beside(orders), "select n from orders")).toEqual([{ n: 1 }]);
    expect(await runSql(beside(stock), "select n from stock")).toEqual([{ n: 1 }]);
    expect(await orders.query("select n from orders")).toEqual([{ n: 3 }]);
    // What is there already stays, and is found to be right.
    expect(await together()).toMatchObject({ code: 0 });
    const refused = await together(["--table", "public.stock"]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain("`--table` is not for it");
  } finally {
    for (const live of both)
      await runSql(
        clusterUrl(),
        `drop database if exists "${new URL(beside(live)).pathname.slice(1)}" with (force)`,
      );
  }
});

test("the heartbeat is no news in a diff or a finding, and a role that may not write it is backed up all the same", async () => {
  await using live = await freshDatabase({ sql: "create table stock as select 1 as n" });
  await using there = await temporaryFolder();
  const reader = `${live.name}_reader`;
  await live.query(`create role ${reader} login; grant pg_read_all_data to ${reader}`);
  try {
    const write = async (url: string, heartbeat: boolean): Promise<void> =>
      await writeFile(
        join(there.path, "handled.yaml"),
        `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases:
  stock: { url: "${url}", heartbeat: ${heartbeat}, backups: [{ name: nightly, kind: snapshot }] }
`,
        { mode: 0o600 },
      );
    const cli = async (...args: string[]): Promise<CliResult> => await runCli(args, { cwd: there.path });
    const asReader = new URL(live.url);
    asReader.username = reader;
    await write(live.url, false);
    expect(await cli("backup")).toMatchObject({ code: 0 });
    await write(asReader.href, true);
    const refused = await cli("backup");
    expect(refused.code, refused.stderr).toBe(0);
    expect(refused.stderr).toContain("heartbeat of stock is not written");
    await write(live.url, true);
    const first = await cli("backup");
    expect(first.code, first.stderr).toBe(0);
    expect(first.stderr).not.toContain("heartbeat");
    expect(await cli("backup")).toMatchObject({ code: 0 });
    expect((await cli("status", "--json")).stdout).not.toContain("heartbeat");
    const listed = jsonOf(await cli("list", "stock", "--json")) as {
      databases: { backups: { id: string }[] }[];
    };
    const [newest, before] = listed.databases[0]?.backups ?? [];
    const diff = await cli("diff", "stock", before?.id ?? "", newest?.id ?? "");
    expect(diff.stdout + diff.stderr).not.toContain("heartbeat");
    // The role that only reads goes on reading it.
    await write(asReader.href, false);
    expect(await cli("backup")).toMatchObject({ code: 0 });
  } finally {
    await live.query(`drop owned by ${reader}; drop role ${reader}`);
  }
});
