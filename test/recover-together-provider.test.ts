import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Emulator } from "../src/demo/digitalocean/emulator.ts";
import { RecoverJson } from "../src/json/recover.ts";
import { type CliOptions, type CliResult, jsonOf, spawnCli } from "./support/cli.ts";
import {
  ask,
  clustersBeside,
  runWithService,
  type SaidCluster,
  serviceEnvironment,
  testEmulator,
} from "./support/emulator.ts";
import { refuseEach } from "./support/refuse-each.ts";
import { clusterUrl, freshDatabase, runSql } from "./support/postgres.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

// `primary` is in the service's cluster `shop`: order 1 is in our backup, 2 only in its log, 3 in the service's second backup, too.
// `stock` is in no service, and has one backup. Backups of ours are of the servers' time, from which the service's runs ahead.

let emulator: Emulator;
let folder: TemporaryFolder;
let stock: Awaited<ReturnType<typeof freshDatabase>>;
let live: string;
/** Orders 1 and 2 are there. */
let at: Date;
let firstBackup: Date;
let secondBackup: Date;

beforeAll(async () => {
  emulator = await testEmulator({ firstBackup: false });
  folder = await temporaryFolder();
  stock = await freshDatabase({ sql: "create table stock as select 7 as n" });
  ({ url: live } = await emulator.makeCluster("shop"));
  await runSql(live, "create table orders (id int primary key); insert into orders values (1)");
  await writeStrategy();
  firstBackup = await emulator.takeBackup("shop");
  await backUp("primary");
  await emulator.passTime(60_000);
  await runSql(live, "insert into orders values (2)");
  await emulator.passTime(2000);
  at = new Date(Math.floor(emulator.clock.now().getTime() / 1000) * 1000);
  await emulator.passTime(1000);
  await backUp("stock");
  await emulator.passTime(20_000);
  await runSql(live, "insert into orders values (3)");
  secondBackup = await emulator.takeBackup("shop");
  await emulator.passTime(1000);
});

afterAll(async () => {
  await dropBeside();
  await stock[Symbol.asyncDispose]();
  await emulator[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

beforeEach(async () => await startAgain());

async function startAgain(): Promise<void> {
  emulator.faults.clear();
  emulator.rules.arbitrarySeconds = "accept";
  emulator.rules.onlineAfter = 0;
  for (const { id } of await made()) await ask(emulator, "DELETE", `/v2/databases/${id}`);
  await rm(join(folder.path, "state"), { recursive: true, force: true });
  await dropBeside();
  await writeStrategy();
}

async function writeStrategy(application = ""): Promise<void> {
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: ./backups } }
${application}
databases:
  primary:
    ${application === "" ? "" : "variable: PRIMARY_DATABASE_URL"}
    url: "${live}"
    backups: [{ name: nightly, kind: snapshot }]
    provider: { kind: digitalocean, cluster: shop, database: defaultdb, token: "\${DIGITALOCEAN_TOKEN}", endpoint: "${emulator.url}", deadline: 1m, price: 15 dollars a month }
  stock: { url: "${stock.url}", backups: [{ name: nightly, kind: snapshot }] }
`,
    { mode: 0o600 },
  );
}

async function backUp(database: string): Promise<void> {
  const done = await handled(["backup", database], { clock: emulator.clock });
  expect(done, done.stderr).toMatchObject({ code: 0 });
}

async function handled(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return await runWithService(emulator, folder.path, args, options);
}

async function together(args: readonly string[] = [], options: CliOptions = {}): Promise<CliResult> {
  return await handled(
    ["recover", "together", "--at", at.toISOString(), "--yes", "--json", ...args],
    options,
  );
}

async function made(): Promise<SaidCluster[]> {
  return await clustersBeside(emulator, "shop");
}

function besideName(database: string, moment = at): string {
  const time = moment.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "_");
  return `${database}_together_${time}`;
}

async function dropBeside(): Promise<void> {
  await runSql(clusterUrl(), `drop database if exists "${besideName("stock")}" with (force)`);
  const admin = emulator.adminUrl("shop");
  for (const moment of [at, firstBackup, secondBackup])
    await runSql(admin, `drop database if exists "${besideName("primary", moment)}" with (force)`);
}

async function ordersAt(url: string): Promise<number[]> {
  return (await runSql<{ id: number }>(url, "select id from orders order by id")).map(({ id }) => id);
}

/** The cluster that is there, with its orders. */
async function madeOrders(): Promise<number[]> {
  const [one, ...others] = await made();
  expect(others).toEqual([]);
  return await ordersAt(emulator.adminUrl(one?.name ?? ""));
}

test("the service's moment is taken where it is nearer than any backup, and its cluster stays", async () => {
  const dry = await together(["--dry-run"]);
  expect(dry, dry.stderr).toMatchObject({ code: 0 });
  expect(dry.stderr).toContain("which costs money (15 dollars a month)");
  const refused = await handled(["recover", "together", "--at", at.toISOString()]);
  expect(refused.stderr).toContain("which costs money until it is destroyed: nobody is there to confirm it");
  expect(await made()).toEqual([]);
  const done = await together();
  expect(done, done.stderr).toMatchObject({ code: 0 });
  const { outputs } = RecoverJson.parse(jsonOf(done));
  expect(outputs).toMatchObject({
    "primary.source": "provider",
    "primary.snapshotAt": at.toISOString(),
    "stock.source": "backup",
  });
  const skew = at.getTime() - Date.parse(String(outputs["stock.snapshotAt"]));
  expect(outputs["skewMs"]).toBe(skew);
  expect(done.stderr).toContain("apart: stock is the oldest, primary the newest");
  expect(await madeOrders()).toEqual([1, 2]);
  const tags = (await made())[0]?.tags ?? [];
  expect(tags.some((tag) => tag.startsWith("handled-until:"))).toBe(true);
  expect(await runSql(clusterUrl(besideName("stock")), "select n from stock")).toEqual([{ n: 7 }]);
  expect(await ordersAt(live)).toEqual([1, 2, 3]);
  const listed = await handled(["drill", "list", "primary", "--json"]);
  expect(listed.stdout).toContain(`cluster ${String(outputs["primary.fork"])} as of ${at.toISOString()}`);
});

test("where the service takes no arbitrary second its nearest backup is next, and then our own; each says why", async () => {
  emulator.rules.arbitrarySeconds = "refuse";
  const after = await together();
  expect(after, after.stderr).toMatchObject({ code: 0 });
  expect(after.stderr).toContain("there is no backup of that time");
  const { outputs } = RecoverJson.parse(jsonOf(after));
  expect(outputs["primary.snapshotAt"]).toBe(secondBackup.toISOString());
  expect(after.stderr).toContain(`data as of ${secondBackup.toISOString()}`);
  expect(await madeOrders()).toEqual([1, 2, 3]);
  for (const refusal of ["no service", "no cluster", "--from backup"]) {
    await startAgain();
    if (refusal === "no service") emulator.faults.failNext({ status: 500, times: 1000 });
    if (refusal === "no cluster")
      emulator.faults.failNext({ method: "POST", path: "/v2/databases", status: 422, times: 1000 });
    if (refusal !== "--from backup") {
      const only = await together(["--from", "provider"]);
      expect(only.code, only.stderr).not.toBe(0);
      expect(only.stderr).toContain("The same command goes on from here");
      await rm(join(folder.path, "state"), { recursive: true, force: true });
    }
    const own = await together(refusal.startsWith("--") ? refusal.split(" ") : []);
    expect(own, own.stderr).toMatchObject({ code: 0 });
    if (!refusal.startsWith("--")) expect(own.stderr).toContain("primary: the service is of no use");
    expect(await ordersAt(emulator.adminUrl("shop", besideName("primary"))), refusal).toEqual([1]);
    expect(RecoverJson.parse(jsonOf(own)).outputs["skewMs"], refusal).toBeLessThan(30_000);
    emulator.faults.clear();
    expect(await made(), refusal).toEqual([]);
  }
  for (const [args, message] of [
    [["stock", "--from", "provider"], "none of them is in a managed service"],
    [["--from", "rebuild"], "`--from rebuild` is not for it"],
    [["--at", "2199-01-01T00:00:00Z"], "is still to come"],
  ] as const) {
    const refused = await together(args);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain(message);
  }
});

/** One that is gone at a moment: what it would have done next it no longer does. */
async function killedAt(moment: string): Promise<void> {
  const ended = new AbortController();
  const killed = await together([], {
    signal: ended.signal,
    observer: (phase, operation) => {
      if (`${phase} ${operation}` === moment) ended.abort(new Error("killed"));
      if (ended.signal.aborted) throw new Error("killed");
    },
  });
  expect(killed.code, killed.stderr).not.toBe(0);
}

test("one that was killed goes on with its cluster, or goes back and leaves none", async () => {
  // A moment that is past for a process of its own, too, whose time is the machine's.
  const past = ["--at", new Date(firstBackup.getTime() + 2000).toISOString()];
  // Long enough to be killed before it is online.
  emulator.rules.onlineAfter = 3000;
  const env = serviceEnvironment(emulator, folder.path);
  const running = spawnCli(["recover", "together", ...past, "--yes"], { cwd: folder.path, env });
  await expect
    .poll(async () => running.ended() || (await made()).length > 0, { timeout: 45_000, interval: 50 })
    .toBe(true);
  process.kill(running.pid, "SIGKILL");
  await running.result;
  const [before] = await made();
  expect(before?.status).not.toBe("online");
  const done = await together(past);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(done.stderr).toContain(`cluster ${before?.name} is there already`);
  expect((await made()).map(({ id }) => id)).toEqual([before?.id]);
  expect(await madeOrders()).toEqual([1]);
  await startAgain();
  await killedAt("before step restore-stock");
  expect(await made()).toHaveLength(1);
  const back = await together(["--back"]);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(back.stderr).toContain("is destroyed");
  expect(await made()).toEqual([]);
  await startAgain();
  await killedAt("before step restore-stock");
  const [used] = await made();
  // Somebody has pointed the application at it by hand.
  await writeFile(
    join(folder.path, ".env"),
    `PRIMARY_DATABASE_URL="${emulator.adminUrl(used?.name ?? "")}"\n`,
  );
  await writeStrategy("application: { stop: 'true', start: 'true', envFile: .env }");
  const kept = await together(["--back"]);
  expect(kept, kept.stderr).toMatchObject({ code: 0 });
  expect(kept.stderr).toContain("leads to it by now");
  expect(await made()).toEqual([used]);
});

test("a name that somebody else has taken is theirs, and the error says so", async () => {
  await runSql(clusterUrl(), `create database "${besideName("stock")}"`);
  const theirs = clusterUrl(besideName("stock"));
  await runSql(theirs, "create table stock (n int); insert into stock values (1), (2)");
  const refused = await together();
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toContain("it is not empty, and not what the backup has");
  expect(refused.stderr).toContain("rename that database or drop it, and go on");
  expect(refused.stderr).not.toMatch(/hint: .*--to/);
  expect(await runSql(theirs, "select n from stock order by n")).toEqual([{ n: 1 }, { n: 2 }]);
  await runSql(clusterUrl(), `alter database "${besideName("stock")}" rename to "${stock.name}_theirs"`);
  const gone = await together();
  await runSql(clusterUrl(), `drop database "${stock.name}_theirs"`);
  expect(gone, gone.stderr).toMatchObject({ code: 0 });
  expect(await made()).toHaveLength(1);
  await startAgain();
  await killedAt("before step fork-primary");
  const name = await plannedName();
  await emulator.makeCluster(name);
  const taken = await together();
  expect(taken, taken.stderr).toMatchObject({ code: 0 });
  expect(taken.stderr).toContain(`there is a cluster ${name} already, and Handled did not make it`);
  expect(taken.stderr).toContain("going on with");
  expect((await made()).map((one) => one.name)).toEqual([name]);
});

/** The cluster that the recovery under way is about to make. */
async function plannedName(): Promise<string> {
  const state = join(folder.path, "state");
  const files = await readdir(state, { recursive: true });
  const journal = files.find((path) => path.endsWith(".json")) ?? "";
  return /"primary\.fork":\s*"([^"]+)"/.exec(await readFile(join(state, journal), "utf8"))?.[1] ?? "";
}

test("whichever of the service's answers is a refusal, what comes back is told as what it is, and no cluster is forgotten", async () => {
  const args = ["recover", "together", "primary", "--at", secondBackup.toISOString(), "--yes", "--json"];
  let last: CliResult;
  await refuseEach(emulator, {
    journals: join(folder.path, "state"),
    strike: dropBeside,
    run: async (observer, signal) => {
      last = await handled(args, { observer, signal });
      return last.stderr;
    },
    check: async (told, call) => {
      expect(last, `${call}: ${told}`).toMatchObject({ code: 0 });
      const { outputs } = RecoverJson.parse(jsonOf(last));
      const isOwn = outputs["primary.source"] === "backup";
      expect(told.includes("the service is of no use"), call).toBe(isOwn);
      expect(isOwn, call).toBe(call !== undefined);
      if (isOwn)
        expect(await ordersAt(emulator.adminUrl("shop", besideName("primary", secondBackup)))).toEqual([1]);
      else expect(await madeOrders(), call).toEqual([1, 2, 3]);
    },
  });
});
