import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { RecoverJson } from "../src/json/recover.ts";
import type { Emulator } from "../src/demo/digitalocean/emulator.ts";
import { type CliOptions, type CliResult, jsonOf } from "./support/cli.ts";
import {
  ask,
  clustersBeside,
  runWithService,
  type SaidCluster,
  serviceEnvironment,
  testEmulator,
} from "./support/emulator.ts";
import { clusterUrl, runSql } from "./support/postgres.ts";
import { ENTER, typeInto } from "./support/terminal.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

// One service for all. Its cluster `shop` has order 1 in our backup, 2 in the service's backup too, and 3 only in its log.

const ESCAPE = "recover_provider_escape";

let emulator: Emulator;
let folder: TemporaryFolder;
let live: string;
let serviceBackup: Date;

beforeAll(async () => {
  emulator = await testEmulator({ firstBackup: false });
  folder = await temporaryFolder();
  ({ url: live } = await emulator.makeCluster("shop"));
  await runSql(live, "create table orders (id int primary key); insert into orders values (1)");
  await writeStrategy();
  await writeEnv();
  const backedUp = await handled(["backup", "primary"], { clock: emulator.clock });
  expect(backedUp, backedUp.stderr).toMatchObject({ code: 0 });
  await runSql(live, "insert into orders values (2)");
  serviceBackup = await emulator.takeBackup("shop");
  await emulator.passTime(2000);
  await runSql(live, "insert into orders values (3)");
  await emulator.passTime(2000);
});

afterAll(async () => {
  await runSql(clusterUrl(), `drop database if exists ${ESCAPE} with (force)`);
  await emulator[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

beforeEach(async () => await startAgain());

async function startAgain(): Promise<void> {
  emulator.faults.clear();
  emulator.rules.arbitrarySeconds = "accept";
  emulator.rules.maxClusters = 10;
  await removeMade();
  await runSql(clusterUrl(), `drop database if exists ${ESCAPE} with (force)`);
  await rm(join(folder.path, "state"), { recursive: true, force: true });
  await rm(join(folder.path, "app.log"), { force: true });
  await rm(join(folder.path, "broken"), { force: true });
  await writeStrategy();
  await writeEnv();
}

async function writeStrategy({
  deadline = "1m",
  database = "defaultdb",
  assertions = "",
} = {}): Promise<void> {
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: ./backups } }
application: { stop: "true", start: "true", restart: "cd ${folder.path} && echo restarted >> app.log && test ! -e broken", envFile: .env }
databases:
  primary:
    url: \${SHOP_URL}
    variable: PRIMARY_DATABASE_URL
    backups: [{ name: nightly, kind: snapshot }]
    assertions: [${assertions}]
    provider:
      kind: digitalocean
      cluster: shop
      database: ${database}
      token: \${DIGITALOCEAN_TOKEN}
      endpoint: ${emulator.url}
      statusPage: ${emulator.url}
      price: 15 dollars a month
      deadline: ${deadline}
`,
    { mode: 0o600 },
  );
}

async function writeEnv(text = envText(live)): Promise<void> {
  await writeFile(join(folder.path, ".env"), text);
}

function envText(url: string): string {
  return `# of the shop\nPORT=3000\nPRIMARY_DATABASE_URL="${url}"\n`;
}

async function handled(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const env = { SHOP_URL: live, ...options.env };
  return await runWithService(emulator, folder.path, args, { ...options, env });
}

async function recover(args: readonly string[] = [], options: CliOptions = {}): Promise<CliResult> {
  return await handled(["recover", "provider-down", "primary", "--yes", ...args], options);
}

const TO = ["--to", clusterUrl(ESCAPE)];

async function made(): Promise<SaidCluster[]> {
  return await clustersBeside(emulator, "shop");
}

async function removeMade(): Promise<void> {
  for (const { id } of await made()) await ask(emulator, "DELETE", `/v2/databases/${id}`);
}

/** Where the application's variable leads to now. */
async function pointed(): Promise<string> {
  return parseEnv(await readFile(join(folder.path, ".env"), "utf8"))["PRIMARY_DATABASE_URL"] ?? "";
}

/** The orders that the application sees. */
async function orders(): Promise<number[]> {
  const rows = await runSql<{ id: number }>(await pointed(), "select id from orders order by id");
  return rows.map(({ id }) => id);
}

test("the newest moment comes back in a new cluster, and the application works on it", async () => {
  emulator.status.report("No connections in FRA1", new Date());
  const result = await recover(["--json"]);
  emulator.status.resolve();
  expect(result, result.stderr).toMatchObject({ code: 0 });
  const report = RecoverJson.parse(jsonOf(result));
  expect(report.steps.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
    "status done",
    "source done",
    "fork done",
    "choose done",
    "server done",
    "restore done",
    "switch done",
    "restart done",
  ]);
  expect(result.stderr).toContain("No connections in FRA1");
  expect(result.stderr).toMatch(/the account has 1 cluster[\s\S]*15 dollars/);
  // To the second: what was written within the last one may be lost.
  expect(await orders()).toEqual([1, 2, 3]);
  expect(await pointed()).not.toBe(live);
  expect(await readFile(join(folder.path, ".env"), "utf8")).toBe(envText(await pointed()));
  expect(await readFile(join(folder.path, "app.log"), "utf8")).toBe("restarted\n");
  expect(await made()).toHaveLength(1);
  expect(result.stderr + result.stdout).not.toContain(new URL(await pointed()).password);
  // Once more, because its end was not heard: what was written since is not lost for it.
  const again = await recover();
  expect(again).toMatchObject({ code: 2 });
  expect(again.stderr).toContain("the application works on shop-handled-");
  expect(await made()).toHaveLength(1);
});

test("the sweep leaves alone what the application works on, whatever the strategy's url leads to", async () => {
  expect(await recover()).toMatchObject({ code: 0 });
  await rename(join(folder.path, ".env"), join(folder.path, ".env.kept"));
  const unknown = await handled(["provider", "sweep", "primary", "--all", "--yes"]);
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.stderr).toContain("see what the application of primary works on");
  await rename(join(folder.path, ".env.kept"), join(folder.path, ".env"));
  const swept = await handled(["provider", "sweep", "primary", "--all", "--yes"]);
  expect(swept).toMatchObject({ code: 0 });
  expect(swept.stdout).toContain("kept: a database of the strategy is in shop-handled-");
  expect(await orders()).toEqual([1, 2, 3]);
});

test("after a move to the new cluster, what else was made from the old one is still told of", async () => {
  await handled(["restore", "primary", "--provider", "--new-cluster", "shop-left", "--yes"]);
  expect(await recover()).toMatchObject({ code: 0 });
  const name = (await made()).find((one) => one.name !== "shop-left")?.name ?? "";
  const strategy = join(folder.path, "handled.yaml");
  await writeFile(
    strategy,
    (await readFile(strategy, "utf8")).replace("cluster: shop\n", `cluster: ${name}\n`),
  );
  const swept = await handled(["provider", "sweep", "primary", "--all", "--yes"], {
    env: { SHOP_URL: await pointed() },
  });
  expect(swept).toMatchObject({ code: 0 });
  expect(swept.stdout).toMatch(/kept: shop-left was made from shop, which is not the cluster of primary/);
  expect(await orders()).toEqual([1, 2, 3]);
});

test("each source in its turn, and why the one before was of no use", async () => {
  emulator.rules.arbitrarySeconds = "refuse";
  const fromBackup = await recover();
  expect(fromBackup, fromBackup.stderr).toMatchObject({ code: 0 });
  expect(fromBackup.stderr).toContain("there is no backup of that time");
  expect(await orders()).toEqual([1, 2]);
  expect(await made()).toHaveLength(1);

  const refusals: [string, () => void | Promise<void>, CliOptions?][] = [
    ["answered 401", () => {}, { env: { DIGITALOCEAN_TOKEN: "dop_v1_wrong_token" } }],
    ["DIGITALOCEAN_TOKEN", () => {}, { env: { DIGITALOCEAN_TOKEN: "" } }],
    ["answered 500", () => emulator.faults.failNext({ status: 500, times: 1000 })],
    ["may have 1 database clusters", () => void (emulator.rules.maxClusters = 1)],
    [
      "still creating",
      async () => {
        await writeStrategy({ deadline: "1s" });
        emulator.nextCluster("never-online");
      },
    ],
    ["the service says error", () => emulator.nextCluster("error")],
    ["connection refused", () => emulator.nextCluster("refuses-connections")],
  ];
  for (const [reason, spoil, options] of refusals) {
    await startAgain();
    emulator.rules.arbitrarySeconds = "refuse";
    await spoil();
    const result = await recover(TO, options);
    expect(result, `${reason}: ${result.stderr}`).toMatchObject({ code: 0 });
    expect(result.stderr).toContain(reason);
    expect(result.stderr).toContain("the service is of no use");
    expect(await pointed()).toBe(clusterUrl(ESCAPE));
    expect(await orders()).toEqual([1]);
    emulator.faults.clear();
    expect(await made(), reason).toEqual([]);
  }
});

test("where only our own backup is left and nothing says where to, it says so; named, it goes on", async () => {
  emulator.faults.failNext({ status: 500, times: 1000 });
  const stuck = await recover();
  expect(stuck).toMatchObject({ code: 1 });
  expect(stuck.stderr).toContain("answered 500");
  expect(stuck.stderr).toContain("`--to postgresql://");
  expect(await pointed()).toBe(live);
  const on = await recover(TO);
  expect(on, on.stderr).toMatchObject({ code: 0 });
  expect(on.stderr).toContain("going on with the recovery");
  expect(await orders()).toEqual([1]);
});

// What is only asked leaves all as it was, but for a cluster that comes online meanwhile: each state that a kill can leave.
const CHANGED = /^before step|^after (write the journal|.*variable|provider (?!GET)|provider GET \S+\/ID,)/;

test("killed wherever it is, it goes on with the one cluster that it has made", async () => {
  const seen = new Set<string>();
  let result: CliResult;
  let runs = 0;
  do {
    const ended = new AbortController();
    let place = "";
    // What the process would have done next it no longer does.
    const observer = (phase: string, operation: string): void => {
      if (operation.startsWith("step ")) place = operation;
      const moment = `${phase} ${operation.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "ID")}, ${place}`;
      if (!ended.signal.aborted && !seen.has(moment) && CHANGED.test(moment)) {
        seen.add(moment);
        ended.abort(new Error("killed"));
      }
      if (ended.signal.aborted) throw new Error("killed");
    };
    result = await recover([], { observer, signal: ended.signal });
    const forks = await made();
    expect(
      forks.length,
      `${[...seen].at(-1)} ${forks.map(({ name }) => name).join()} ${result.stderr}`,
    ).toBeLessThan(2);
    for (const { tags } of forks) expect(tags).toContain("handled");
  } while (result.code !== 0 && runs++ < 100);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  expect(seen.size).toBeGreaterThan(20);
  expect(await orders()).toEqual([1, 2, 3]);
  expect(await readFile(join(folder.path, ".env"), "utf8")).toBe(envText(await pointed()));
});

test("an `.env` that cannot be changed is told before anything is made; quotes and line ends stay", async () => {
  for (const [text, words] of [
    ["PORT=3000\n", "no line"],
    [`${envText(live)}PRIMARY_DATABASE_URL=again\n`, "several lines"],
  ] as const) {
    await writeEnv(text);
    const refused = await recover();
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain(words);
    expect(await readFile(join(folder.path, ".env"), "utf8")).toBe(text);
  }
  expect(await made()).toEqual([]);
  const odd = (url: string): string => `A=1\r\nexport PRIMARY_DATABASE_URL='${url}' # live\r\nB="x y"\r\n`;
  await writeEnv(odd(live));
  const done = await recover(["--from", "backup", ...TO]);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(await readFile(join(folder.path, ".env"), "utf8")).toBe(odd(clusterUrl(ESCAPE)));
});

test("an application that does not come up again is pointed back where it was", async () => {
  await writeFile(join(folder.path, "broken"), "");
  const failed = await recover(["--from", "backup", ...TO]);
  expect(failed).toMatchObject({ code: 1 });
  expect(failed.stderr).toContain("--back");
  await rm(join(folder.path, "broken"));
  const back = await recover(["--from", "backup", ...TO, "--back"]);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(await readFile(join(folder.path, ".env"), "utf8")).toBe(envText(live));
});

test("at a terminal the way back is offered as soon as a step fails", async () => {
  await writeFile(join(folder.path, "broken"), "");
  const { code, stdout } = await typeInto(
    ["recover", "provider-down", "primary", "--from", "backup", ...TO],
    [
      ["at the restored primary", `primary${ENTER}`],
      ["undo: Point", `primary${ENTER}`],
    ],
    {
      cwd: folder.path,
      env: { ...serviceEnvironment(emulator, folder.path), SHOP_URL: live },
    },
  );
  expect(code, stdout).not.toBe(0);
  expect(await readFile(join(folder.path, ".env"), "utf8"), stdout).toBe(envText(live));
});

test("another database behind the service's address is refused before anything is replaced", async () => {
  const { body } = await ask(emulator, "GET", "/v2/databases");
  await ask(emulator, "POST", `/v2/databases/${body.databases[0].id}/dbs`, { name: "other" });
  const other = new URL(live);
  other.pathname = "/other";
  await runSql(other.href, "create table if not exists foreign_thing as select 1 as id");
  await emulator.passTime(2000);
  await writeStrategy({ database: "other" });
  const refused = await recover(["--from", "provider"]);
  expect(refused).toMatchObject({ code: 4 });
  expect(refused.stderr).toContain("public.orders");
  expect(await pointed()).toBe(live);
  expect(await made(), refused.stderr).toEqual([]);
});

test("what cannot be meant is told", async () => {
  const cases: [readonly string[], string][] = [
    [["--from", "backup"], "nothing says where to restore it"],
    [["--from", "provider", ...TO], "no use for `--to`"],
    [["--at", "2999-01-01T00:00:00Z"], "still to come"],
    [["--from", "elsewhere"], "elsewhere"],
  ];
  for (const [args, words] of cases) {
    const { code, stderr } = await recover(args);
    expect(code, args.join(" ")).toBe(2);
    expect(stderr).toContain(words);
  }
  expect(await made()).toEqual([]);
});

test("a moment of the service's, and one of which only our own backup is left", async () => {
  const at = serviceBackup.toISOString();
  const done = await recover(["--at", at, "--from", "provider"]);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(await orders()).toEqual([1, 2]);
  await startAgain();
  const before = new Date(serviceBackup.getTime() - 60_000).toISOString();
  const none = await recover(["--at", before, ...TO]);
  expect(none).toMatchObject({ code: 1 });
  expect(none.stderr).toContain("no backup is as old as");
  expect(none.stderr).toContain(`it has no backup from ${before} or before`);
  expect(await pointed()).toBe(live);
});

test("a database of somebody else's behind `--to` stays as it is, and nothing is pointed at it", async () => {
  await runSql(clusterUrl(), `create database ${ESCAPE}`);
  const [, theirs = ""] = TO;
  await runSql(theirs, "create table orders (id int primary key); insert into orders values (7), (8)");
  for (const _ of ["the first time", "again"]) {
    const refused = await recover(["--from", "backup", ...TO]);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain("it is not empty, and not what the backup has");
    expect(refused.stderr).toContain("name a new database with `--to`");
    expect(await runSql(theirs, "select id from orders order by id")).toEqual([{ id: 7 }, { id: 8 }]);
    expect(await pointed()).toBe(live);
  }
  await runSql(clusterUrl(), `alter database ${ESCAPE} rename to ${ESCAPE}_theirs`);
  const done = await recover(["--from", "backup", ...TO]);
  await runSql(clusterUrl(), `drop database ${ESCAPE}_theirs with (force)`);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(await orders()).toEqual([1]);
});

test("what must be true of the cluster is asked before the application is pointed at it", async () => {
  await writeStrategy({ assertions: '{ expect: "select count(*) = 4 from orders" }' });
  const stopped = await recover();
  expect(stopped).toMatchObject({ code: 4 });
  expect(stopped.stderr).toContain("`select count(*) = 4 from orders`: it is false");
  expect(await pointed()).toBe(live);
  const [cluster] = await made();
  await runSql(emulator.adminUrl(cluster?.name ?? ""), "insert into orders values (4)");
  const done = await recover();
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(await orders()).toEqual([1, 2, 3, 4]);
  expect(await made()).toEqual([cluster]);
});
