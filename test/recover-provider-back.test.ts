import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Emulator } from "../src/demo/digitalocean/emulator.ts";
import { type CliOptions, type CliResult } from "./support/cli.ts";
import { ask, clustersBeside, runWithService, type SaidCluster, testEmulator } from "./support/emulator.ts";
import { runSql } from "./support/postgres.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

// The way back after the service has made a cluster: whether it goes, or stays because only it may have something.

let emulator: Emulator;
let folder: TemporaryFolder;
let live: string;

beforeAll(async () => {
  emulator = await testEmulator({ firstBackup: false });
  folder = await temporaryFolder();
  ({ url: live } = await emulator.makeCluster("shop"));
  await runSql(live, "create table orders (id int primary key); insert into orders values (1)");
  await writeStrategy();
  const backedUp = await handled(["backup", "primary"], { clock: emulator.clock });
  expect(backedUp, backedUp.stderr).toMatchObject({ code: 0 });
  await emulator.takeBackup("shop");
  await emulator.passTime(2000);
});

afterAll(async () => {
  await emulator[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

beforeEach(async () => {
  emulator.faults.clear();
  for (const { id } of await made()) await ask(emulator, "DELETE", `/v2/databases/${id}`);
  await rm(join(folder.path, "state"), { recursive: true, force: true });
  await rm(join(folder.path, "broken"), { force: true });
  await writeStrategy();
  await pointAt(live);
});

async function writeStrategy(url = live): Promise<void> {
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: ./backups } }
application: { stop: "true", start: "true", restart: "test ! -e ${folder.path}/broken", envFile: .env }
databases:
  primary:
    url: "${url}"
    variable: PRIMARY_DATABASE_URL
    backups: [{ name: nightly, kind: snapshot }]
    provider: { kind: digitalocean, cluster: shop, database: defaultdb, token: "\${DIGITALOCEAN_TOKEN}", endpoint: "${emulator.url}", statusPage: "${emulator.url}", price: 15 dollars a month }
`,
    { mode: 0o600 },
  );
}

async function handled(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return await runWithService(emulator, folder.path, args, options);
}

async function recover(args: readonly string[] = [], options: CliOptions = {}): Promise<CliResult> {
  return await handled(["recover", "provider-down", "primary", "--yes", ...args], options);
}

async function made(): Promise<SaidCluster[]> {
  return await clustersBeside(emulator, "shop");
}

async function pointAt(url: string): Promise<void> {
  await writeFile(join(folder.path, ".env"), `PRIMARY_DATABASE_URL="${url}"\n`);
}

async function pointed(): Promise<string> {
  return parseEnv(await readFile(join(folder.path, ".env"), "utf8"))["PRIMARY_DATABASE_URL"] ?? "";
}

/** The application is pointed at the new cluster, and does not come up there. @returns the cluster, and the URL of the database in it */
async function failedAfterSwitch(): Promise<{ readonly cluster: SaidCluster; readonly url: string }> {
  await writeFile(join(folder.path, "broken"), "");
  const failed = await recover();
  expect(failed, failed.stderr).toMatchObject({ code: 1 });
  expect(failed.stderr).toContain("--back");
  await rm(join(folder.path, "broken"));
  const [cluster, ...others] = await made();
  expect(others).toEqual([]);
  return { cluster: cluster as SaidCluster, url: await pointed() };
}

test("the way back destroys the cluster, into which nobody has written", async () => {
  await failedAfterSwitch();
  const back = await recover(["--back"]);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(back.stderr).toMatch(/cluster shop-handled-\S+ is destroyed/);
  expect(back.stdout).toMatch(/2 steps undone: .*new cluster/);
  expect(await made()).toEqual([]);
  expect(await pointed()).toBe(live);
});

test("a cluster into which somebody has written since stays, and what it costs and how it goes is told", async () => {
  const { cluster, url } = await failedAfterSwitch();
  await runSql(url, "insert into orders values (2)");
  const other = await emulator.makeCluster("shop-of-another-recovery", { tags: [...cluster.tags] });
  const back = await recover(["--back"]);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(await pointed()).toBe(live);
  expect(back.stdout).toMatch(/^1 step undone: Point/);
  const told = back.stderr.split("\n").find((line) => line.includes("stays")) ?? "";
  expect(told).toContain(`cluster ${cluster.name} stays, and costs money (15 dollars a month)`);
  expect(told).toContain("written into it since it was made");
  expect(told).toMatch(/from \d{4}-\d\d-\d\dT\S+Z on `handled provider sweep primary`/);
  expect(await runSql(url, "select id from orders order by id")).toEqual([{ id: 1 }, { id: 2 }]);
  const [, command = ""] = /`(handled provider sweep primary --cluster \S+)`/.exec(told) ?? [];
  const swept = await handled([...command.split(" ").slice(1), "--yes"]);
  expect(swept, swept.stderr).toMatchObject({ code: 0 });
  expect((await made()).map(({ id }) => id)).toEqual([other.id]);
  const unknown = await handled(["provider", "sweep", "primary", "--cluster", cluster.name, "--yes"]);
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.stderr).toContain(`Handled made no ${cluster.name} from shop`);
});

test("killed before the application was pointed at it, it goes; with other options than it began with, it is not forgotten", async () => {
  const ended = new AbortController();
  const killed = await recover([], {
    signal: ended.signal,
    observer: (phase, operation) => {
      if (`${phase} ${operation}` === "before step switch") ended.abort(new Error("killed"));
      if (ended.signal.aborted) throw new Error("killed");
    },
  });
  expect(killed.code).not.toBe(0);
  expect(await made()).toHaveLength(1);
  const other = await recover(["--from", "provider", "--back"]);
  expect(other).toMatchObject({ code: 2 });
  expect(other.stderr).toContain("a recovery with another aim was begun");
  const back = await recover(["--back"]);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(await made()).toEqual([]);
});

test("one that people work on stays, and no sweep removes it", async () => {
  const { cluster, url } = await failedAfterSwitch();
  await writeStrategy(url);
  const back = await recover(["--back"]);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(back.stderr).toContain(`cluster ${cluster.name} stays`);
  expect(back.stderr).toContain("leads to it by now");
  await writeStrategy();
  await pointAt(url);
  for (const which of [["--all"], ["--cluster", cluster.name]]) {
    const swept = await handled(["provider", "sweep", "primary", "--yes", ...which]);
    expect(swept, swept.stderr).toMatchObject({ code: 0 });
    expect(swept.stdout).toContain("nothing to remove");
  }
  await rm(join(folder.path, ".env"));
  const unknown = await handled(["provider", "sweep", "primary", "--yes", "--all"]);
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.stderr).toContain("sweep: see what the application of primary works on");
  expect(await made()).toEqual([cluster]);
});

test("one that cannot be looked into stays, and one that may be all that is left", async () => {
  const { cluster } = await failedAfterSwitch();
  await emulator.stopServer(cluster.name);
  const unseen = await recover(["--back"]);
  expect(unseen, unseen.stderr).toMatchObject({ code: 0 });
  expect(unseen.stderr).toMatch(/stays, .*whether something was written into it is not known/);
  await ask(emulator, "DELETE", `/v2/databases/${cluster.id}`);
  const last = await failedAfterSwitch();
  const { body } = await ask(emulator, "GET", "/v2/databases");
  const shop = body.databases.find(({ name }: SaidCluster) => name === "shop");
  await ask(emulator, "DELETE", `/v2/databases/${shop.id}`);
  const orphan = await recover(["--back"]);
  expect(orphan, orphan.stderr).toMatchObject({ code: 0 });
  expect(orphan.stderr).toContain("may be all that is left of it");
  expect(await made()).toEqual([last.cluster]);
});
