import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Emulator } from "../src/demo/digitalocean/emulator.ts";
import { DrillJson } from "../src/json/drill.ts";
import { RecoverJson } from "../src/json/recover.ts";
import { type CliOptions, type CliResult, jsonOf, spawnCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import {
  ask,
  clustersBeside,
  runWithService,
  type SaidCluster,
  serviceEnvironment,
  testEmulator,
} from "./support/emulator.ts";
import { runSql } from "./support/postgres.ts";
import { refuseEach } from "./support/refuse-each.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

// Order 1 is in our backup, 2 in the service's backup too, 3 only in its log. Then all are deleted.

let emulator: Emulator;
let folder: TemporaryFolder;
let live: string;
/** All three were there. */
let at: string;
let serviceBackup: Date;

beforeAll(async () => {
  emulator = await testEmulator({ firstBackup: false });
  folder = await temporaryFolder();
  ({ url: live } = await emulator.makeCluster("shop"));
  await runSql(live, "create table orders (id int primary key, name text); insert into orders values (1)");
  await writeStrategy();
  const backedUp = await handled(["backup", "primary"], { clock: emulator.clock });
  expect(backedUp, backedUp.stderr).toMatchObject({ code: 0 });
  await runSql(live, "insert into orders values (2)");
  serviceBackup = await emulator.takeBackup("shop");
  await emulator.passTime(2000);
  await runSql(live, "insert into orders values (3)");
  await emulator.passTime(2000);
  at = new Date(Math.floor(emulator.clock.now().getTime() / 1000) * 1000).toISOString();
  await emulator.passTime(2000);
});

afterAll(async () => {
  await emulator[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

beforeEach(async () => await strike());

async function strike(): Promise<void> {
  emulator.faults.clear();
  emulator.rules.arbitrarySeconds = "accept";
  emulator.rules.maxClusters = 10;
  emulator.rules.onlineAfter = 0;
  for (const { id } of await made()) await ask(emulator, "DELETE", `/v2/databases/${id}`);
  await rm(join(folder.path, "state"), { recursive: true, force: true });
  await deleteOrders();
}

async function deleteOrders(): Promise<void> {
  await runSql(live, "delete from orders; insert into orders values (9, 'written since')");
}

async function writeStrategy(deadline = "1m", application = ""): Promise<void> {
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
    provider: { kind: digitalocean, cluster: shop, database: defaultdb, token: "\${DIGITALOCEAN_TOKEN}", endpoint: "${emulator.url}", deadline: ${deadline} }
`,
    { mode: 0o600 },
  );
}

async function handled(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return await runWithService(emulator, folder.path, args, options);
}

async function recover(args: readonly string[] = [], options: CliOptions = {}): Promise<CliResult> {
  const what = ["recover", "data-deleted", "primary", "--table", "public.orders", "--yes"];
  return await handled([...what, ...args], options);
}

async function made(): Promise<SaidCluster[]> {
  return await clustersBeside(emulator, "shop");
}

async function orders(): Promise<number[]> {
  return (await runSql<{ id: number }>(live, "select id from orders order by id")).map(({ id }) => id);
}

test("rows deleted since any backup come back from the service's log, and the cluster they came from is gone again", async () => {
  const dry = await recover(["--at", at, "--dry-run"]);
  expect(dry, dry.stderr).toMatchObject({ code: 0 });
  expect(dry.stderr).toContain("a new cluster for as long as this runs");
  expect(await orders()).toEqual([9]);
  const done = await recover(["--at", at, "--json"]);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  const report = RecoverJson.parse(jsonOf(done));
  expect(report.steps.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
    "find done",
    "fork done",
    "look done",
    "insert done",
  ]);
  expect(report.outputs).toMatchObject({ source: "provider", missing: 3, inserted: 3, snapshotAt: at });
  expect(done.stderr).toMatch(/our own: snapshot .* before the moment/);
  expect(await orders()).toEqual([1, 2, 3, 9]);
  expect(await made()).toEqual([]);
  const state = await readdir(join(folder.path, "state"), { recursive: true });
  expect(state.filter((path) => path.endsWith(".sql"))).toHaveLength(1);
});

test("either can be chosen, and what loses less is proposed", async () => {
  const own = await recover(["--at", at, "--from", "backup"]);
  expect(own, own.stderr).toMatchObject({ code: 0 });
  expect(await orders()).toEqual([1, 9]);
  await strike();
  // As many came as went: our backups cannot tell when.
  const when = await recover(["--from", "provider"]);
  expect(when).toMatchObject({ code: 1 });
  expect(when.stderr).toContain("nothing says at which moment all was still there");
  const service = await recover(["--from", "provider", "--at", at, "--where", "id <= 2"]);
  expect(service, service.stderr).toMatchObject({ code: 0 });
  expect(await orders()).toEqual([1, 2, 9]);
  const refused = await recover(["--from", "provider", "--backup", "latest"]);
  expect(refused).toMatchObject({ code: 2 });
  expect(await made()).toEqual([]);
});

test("where the service takes no arbitrary second its backup is next, and then our own; each says why", async () => {
  emulator.rules.arbitrarySeconds = "refuse";
  const fallen = await recover(["--at", at]);
  expect(fallen, fallen.stderr).toMatchObject({ code: 0 });
  expect(fallen.stderr).toContain("there is no backup of that time");
  expect(await orders()).toEqual([1, 2, 9]);
  expect(await made()).toEqual([]);
  const refusals: [string, () => void | Promise<void>][] = [
    ["answered 429", () => emulator.faults.failNext({ status: 429, times: 1000 })],
    ["answered 500", () => emulator.faults.failNext({ status: 500, times: 1000 })],
    ["may have 1 database clusters", () => void (emulator.rules.maxClusters = 1)],
    ["the service says error", () => emulator.nextCluster("error")],
    [
      "still creating",
      async () => {
        await writeStrategy("1s");
        emulator.nextCluster("never-online");
      },
    ],
  ];
  for (const [reason, spoil] of refusals) {
    await strike();
    emulator.rules.arbitrarySeconds = "refuse";
    await spoil();
    const result = await recover(["--at", at]);
    expect(result, `${reason}: ${result.stderr}`).toMatchObject({ code: 0 });
    expect(result.stderr).toContain(reason);
    expect(result.stderr).toContain("the service is of no use");
    expect(await orders()).toEqual([1, 9]);
    emulator.faults.clear();
    expect(await made(), reason).toEqual([]);
  }
  await writeStrategy();
});

test("whichever of the service's answers is a refusal, what is not as good says why, and no cluster is forgotten", async () => {
  let last: CliResult;
  await refuseEach(emulator, {
    journals: join(folder.path, "state"),
    strike: deleteOrders,
    run: async (observer, signal) => {
      last = await recover(["--at", serviceBackup.toISOString(), "--json"], { observer, signal });
      return last.stderr;
    },
    check: async (told, call) => {
      expect(last, `${call}: ${told}`).toMatchObject({ code: 0 });
      const isOwn = RecoverJson.parse(jsonOf(last)).outputs["source"] !== "provider";
      expect(await orders(), call).toEqual(isOwn ? [1, 9] : [1, 2, 9]);
      // Whether it is destroyed in the end costs no row.
      expect(isOwn, call).toBe(call !== undefined && !call.startsWith("step insert"));
      if (isOwn) expect(told, call).toContain("answered 422");
    },
  });
});

test("killed while the cluster is there it goes on with it, and leaves none", async () => {
  for (const moment of ["before step fork", "after step fork", "before sql COMMIT", "after step insert"]) {
    await strike();
    const ended = new AbortController();
    let begun = false;
    const killed = await recover(["--at", at], {
      signal: ended.signal,
      // What the process would have done next it no longer does.
      observer: (phase, operation) => {
        begun ||= operation === "step insert";
        if (`${phase} ${operation}` === moment && (begun || !moment.includes("COMMIT")))
          ended.abort(new Error("killed"));
        if (ended.signal.aborted) throw new Error("killed");
      },
    });
    expect(killed.code, moment).not.toBe(0);
    const done = await recover(["--at", at]);
    expect(done, `${moment}: ${done.stderr}`).toMatchObject({ code: 0 });
    expect(done.stderr).toContain("going on with the recovery");
    expect(await orders(), moment).toEqual([1, 2, 3, 9]);
    expect(await made(), moment).toEqual([]);
  }
});

test("the way back of one that was killed takes the rows out again, and its cluster goes", async () => {
  const env = serviceEnvironment(emulator, folder.path);
  // A moment that is past for a process of its own, too; and what holds it up once its cluster is there and the rows are in.
  const past = ["--at", new Date(serviceBackup.getTime() + 1000).toISOString()];
  emulator.faults.slow({ method: "DELETE", ms: 600_000 });
  const args = ["recover", "data-deleted", "primary", "--table", "public.orders", "--yes", ...past];
  const running = spawnCli(args, { cwd: folder.path, env });
  const isIn = async (): Promise<boolean> => running.ended() || (await orders()).length > 1;
  await expect.poll(isIn, { timeout: 45_000, interval: 50 }).toBe(true);
  process.kill(running.pid, "SIGKILL");
  const { stderr } = await running.result;
  expect(await made(), stderr).toHaveLength(1);
  emulator.faults.clear();
  const back = await recover([...past, "--back"]);
  expect(back, back.stderr).toMatchObject({ code: 0 });
  expect(await orders()).toEqual([9]);
  expect(await made()).toEqual([]);
});

test("drills through the service leave all of production as it was, and no cluster", async () => {
  const log = join(folder.path, "app.log");
  await writeStrategy(
    "1m",
    `application: { stop: "echo stop >> ${log}", start: "echo start >> ${log}", envFile: .env }`,
  );
  await writeFile(join(folder.path, ".env"), `PORT=3000\nPRIMARY_DATABASE_URL="${live}"\n`);
  const production = async (): Promise<unknown> => {
    const { body } = await ask(emulator, "GET", "/v2/databases");
    const files = (await readdir(folder.path)).filter((name) => name !== "backups" && name !== "state");
    const texts = await Promise.all(
      files.map(async (name) => await readFile(join(folder.path, name), "utf8")),
    );
    const clusters = (body.databases as { id: string; tags: unknown }[]).map(({ id, tags }) => ({
      id,
      tags,
    }));
    return { files, texts, clusters, contents: await contentsOf(live) };
  };
  const before = await production();
  for (const [scenario, more] of [
    ["data-deleted", ["--table", "public.orders"]],
    ["provider-down", []],
  ] as const) {
    const drill = ["drill", scenario, "primary", "--from", "provider", "--at", at, ...more, "--json"];
    const done = await handled(drill);
    expect(done, done.stderr).toMatchObject({ code: 0 });
    expect(DrillJson.parse(jsonOf(done))).toMatchObject({ outcome: "done", scenario });
    expect(done.stderr).toContain("is destroyed");
    if (scenario === "data-deleted") expect(done.stderr).toContain("3 rows inserted");
    expect(await production()).toEqual(before);
  }
  // One cluster that cannot be destroyed keeps no drill from its end, and is told.
  emulator.faults.failNext({ method: "DELETE", status: 500, times: 1000 });
  const left = await handled(["drill", "provider-down", "primary", "--from", "provider", "--at", at]);
  expect(left, left.stderr).toMatchObject({ code: 0 });
  expect(left.stderr).toContain("may be there and cost money");
  expect(await made()).toHaveLength(1);
  await writeStrategy();
});

test("the cluster of a drill that was killed the next drill destroys, or the sweep; that of one that runs, or of another machine, nobody", async () => {
  const env = serviceEnvironment(emulator, folder.path);
  const drill = ["drill", "provider-down", "primary", "--from", "provider", "--at", at];
  // Where each is held up: before its cluster is online, and after.
  const held = {
    creating: () => emulator.nextCluster("never-online"),
    online: () => emulator.faults.slow({ method: "PUT", path: /firewall$/, ms: 600_000 }),
  };
  const begin = async (where: keyof typeof held) => {
    const others = (await made()).map(({ id }) => id);
    held[where]();
    const running = spawnCli(drill, { cwd: folder.path, env });
    const isThere = async (): Promise<boolean> => {
      const found = (await made()).find(({ id, status }) => !others.includes(id) && status === where);
      return running.ended() || found !== undefined;
    };
    await expect.poll(isThere, { timeout: 45_000, interval: 50 }).toBe(true);
    if (running.ended()) throw new Error((await running.result).stderr);
    const kill = async (): Promise<void> => {
      process.kill(running.pid, "SIGKILL");
      await running.result;
    };
    const [cluster] = (await made()).filter(({ id }) => !others.includes(id));
    return { name: cluster?.name ?? "", kill };
  };
  const first = await begin("creating");
  const second = await begin("online");
  const tags = (await made()).find(({ name }) => name === first.name)?.tags ?? [];
  const tag = tags.find((one) => one.startsWith("handled-drill:"));
  expect(tag).toMatch(/^handled-drill:[0-9a-f]{16}-\d+-\d+$/);
  const elsewhere = tags.map((one) => (one === tag ? one.replace(/:.*?-/, ":0123456789abcdef-") : one));
  await emulator.makeCluster("elsewhere", { tags: elsewhere });
  const names = async (): Promise<string[]> => (await made()).map(({ name }) => name).toSorted();
  const all = await names();
  const swept = await handled(["provider", "sweep", "primary", "--yes"]);
  expect(swept, swept.stderr).toMatchObject({ code: 0 });
  expect(swept.stdout).toContain("nothing to remove");
  await first.kill();
  const next = await handled(drill);
  expect(next, next.stderr).toMatchObject({ code: 0 });
  expect(next.stderr).toContain(`cluster ${first.name}, of a drill that was killed, is destroyed`);
  expect(await names()).toEqual(all.filter((name) => name !== first.name));
  await second.kill();
  const after = await handled(["provider", "sweep", "primary", "--yes"]);
  expect(after, after.stderr).toMatchObject({ code: 0 });
  expect(after.stderr).toContain(`made for a drill: ${second.name}, online`);
  expect(await names()).toEqual(["elsewhere"]);
});
