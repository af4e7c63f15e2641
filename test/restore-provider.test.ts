import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { BackupsJson } from "../src/api/contract/answers.ts";
import { HistoryJson } from "../src/json/history.ts";
import { ListJson } from "../src/json/look.ts";
import {
  ProviderListJson,
  ProviderRestoreJson,
  ProviderShowJson,
  ProviderSweepJson,
} from "../src/json/provider.ts";
import { StatusJson } from "../src/json/status.ts";
import type { Emulator } from "../src/demo/digitalocean/emulator.ts";
import { restoreFromProvider } from "../src/operations/provider/restore.ts";
import { asUser } from "./support/api-access.ts";
import { type CliResult, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { ask, impatient, testEmulator } from "./support/emulator.ts";
import { runSql } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { serve } from "./support/serve.ts";
import { shopRestore } from "./support/shop-restore.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

// One service for all: `shop` has an order before its backup, and one after it.

const ONE_CLUSTER = /^\/v2\/databases\/[0-9a-f-]+$/;

let emulator: Emulator;
let folder: TemporaryFolder;
let backup: Date;
let live: string;

beforeAll(async () => {
  emulator = await testEmulator({ firstBackup: false });
  folder = await temporaryFolder();
  const { id, url } = await emulator.makeCluster("shop");
  await ask(emulator, "PUT", `/v2/databases/${id}/firewall`, {
    rules: [{ type: "ip_addr", value: "192.0.2.7" }],
  });
  await ask(emulator, "POST", `/v2/databases/${id}/pools`, {
    name: "web-pool",
    mode: "transaction",
    size: 5,
    db: "defaultdb",
    user: "doadmin",
  });
  live = url;
  await runSql(url, "create table orders (id int primary key); insert into orders values (1)");
  backup = await emulator.takeBackup("shop");
  await runSql(url, "insert into orders values (2)");
  await writeStrategy("");
});

afterAll(async () => {
  await emulator[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

beforeEach(async () => {
  emulator.faults.clear();
  await handled("provider", "sweep", "shop", "--all", "--yes");
});

async function writeStrategy(more: string, cluster = "shop"): Promise<void> {
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
repositories: { local: { url: ./backups } }
databases:
  shop:
    url: \${SHOP_URL}
    provider:
      kind: digitalocean
      cluster: ${cluster}
      database: defaultdb
      token: \${DIGITALOCEAN_TOKEN}
      endpoint: ${emulator.url}
      price: 15 dollars a month
${more}`,
  );
}

async function handled(...args: string[]): Promise<CliResult> {
  return await handledAt(live, ...args);
}

/** With the live database there. */
async function handledAt(url: string, ...args: string[]): Promise<CliResult> {
  const env = { DIGITALOCEAN_TOKEN: emulator.token, ...(url === "" ? {} : { SHOP_URL: url }) };
  return await runCli(args, { cwd: folder.path, clock: impatient(emulator), env });
}

async function made(): Promise<string[]> {
  const { body } = await ask(emulator, "GET", "/v2/databases?tag_name=handled");
  return (body.databases ?? []).map(({ name }: { name: string }) => name);
}

test("a backup comes back in a new cluster, with trusted sources and pools; the password is only in the file", async () => {
  const urlFile = join(folder.path, "new-url");
  const result = await handled("restore", "shop", "--provider", "--yes", "--json", "--url-file", urlFile);
  expect(result).toMatchObject({ code: 0 });
  const { id, url } = ProviderRestoreJson.parse(jsonOf(result));
  const whole = (await readFile(urlFile, "utf8")).trim();
  expect(await runSql(whole, "select id from orders")).toEqual([{ id: 1 }]);
  expect((await stat(urlFile)).mode & 0o777).toBe(0o600);
  expect(url).toContain("/defaultdb");
  const password = new URL(whole).password;
  for (const text of [result.stdout, result.stderr]) {
    expect(text).not.toContain(password);
    expect(text).not.toContain(emulator.token);
  }
  const { body: firewall } = await ask(emulator, "GET", `/v2/databases/${String(id)}/firewall`);
  expect(firewall.rules).toMatchObject([{ type: "ip_addr", value: "192.0.2.7" }]);
  const { body: pools } = await ask(emulator, "GET", `/v2/databases/${String(id)}/pools`);
  expect(pools.pools).toMatchObject([{ name: "web-pool" }]);
  // Price and number of clusters were told before.
  expect(result.stderr).toMatch(/the account has 1 cluster[\s\S]*15 dollars/);
});

test("a dry run, and a refusal to confirm, make nothing", async () => {
  expect(await handled("restore", "shop", "--provider", "--dry-run")).toMatchObject({ code: 0 });
  expect(await handled("restore", "shop", "--provider")).toMatchObject({ code: 2 });
  expect(await handled("restore", "shop", "--at", backup.toISOString())).toMatchObject({ code: 2 });
  expect(await made()).toEqual([]);
});

test("a cluster that is destroyed afterwards is gone", async () => {
  const at = backup.toISOString();
  const result = await handled(
    "restore",
    "shop",
    "--provider",
    "--at",
    at,
    "--destroy-after",
    "--yes",
    "--json",
  );
  expect(jsonOf(result)).toMatchObject({ exact: true, destroyed: true, filledTables: 1 });
  expect(await made()).toEqual([]);
});

test("tables that the administrator may not read are named, and cost nobody the new cluster", async () => {
  const { body } = await ask(emulator, "GET", "/v2/databases");
  const { id } = body.databases[0];
  const { body: app } = await ask(emulator, "POST", `/v2/databases/${id}/users`, { name: "app" });
  await runSql(live, "grant create on schema public to app");
  const asApp = new URL(live);
  asApp.username = "app";
  asApp.password = app.user.password;
  await runSql(asApp.href, "create table private_notes (id int)");
  const at = (await emulator.takeBackup("shop")).toISOString();
  const result = await handled("restore", "shop", "--provider", "--at", at, "--yes", "--json");
  expect(result).toMatchObject({ code: 3 });
  expect(jsonOf(result)).toMatchObject({ filledTables: 1, unreadTables: ["public.private_notes"] });
  expect(await made()).toHaveLength(1);
  await runSql(asApp.href, "drop table private_notes");
  await emulator.takeBackup("shop");
});

test("a lost answer to the request for a cluster makes no second one", async () => {
  emulator.faults.failNext({ method: "POST", path: "/v2/databases", status: "cut", carriedOut: true });
  expect(await handled("restore", "shop", "--provider", "--yes")).toMatchObject({ code: 0 });
  expect(await made()).toHaveLength(1);
});

test("what fails on the way destroys the new cluster", async () => {
  emulator.faults.failNext({ method: "PUT", path: /\/firewall$/, status: 422 });
  const result = await handled("restore", "shop", "--provider", "--yes");
  expect(result).toMatchObject({ code: 1 });
  expect(result.stderr).toContain("answered 422");
  expect(await made()).toEqual([]);
});

test("a service that cannot be asked while the cluster is made ends nothing: the wait goes on", async () => {
  const running = handled("restore", "shop", "--provider", "--yes");
  await expect.poll(made, { timeout: 45_000, interval: 20 }).toHaveLength(1);
  // Longer than anybody waits for an answer: the question fails for good.
  emulator.faults.failNext({ method: "GET", path: ONE_CLUSTER, status: 429, resetAfter: 600_000 });
  expect(await running).toMatchObject({ code: 0 });
});

test("a request for a cluster that fails, and makes one all the same, leaves none", async () => {
  const runtime = testRuntime({ clock: emulator.clock });
  const request = shopRestore(runtime, emulator, {
    lifetimeMs: 60_000,
    deadlineMs: 60_000,
    confirm: async () => {
      emulator.faults.failNext({ method: "POST", path: "/v2/databases", status: "cut", carriedOut: true });
      emulator.faults.failNext({ method: "GET", path: "/v2/databases", status: 429, resetAfter: 600_000 });
      await Promise.resolve();
    },
    useUrl: async () => await Promise.reject(new Error("there is none")),
  });
  await expect(restoreFromProvider(runtime, request, noAbort())).rejects.toMatchObject({
    code: "provider_unreachable",
  });
  expect(runtime.notes.at(-1)).toContain("destroyed again");
  expect(await made()).toEqual([]);
});

test("a kill leaves a cluster that the sweep finds; others are never touched", async () => {
  // The program sees a cluster that is never online.
  emulator.nextCluster("never-online");
  const killed = spawnCli(["restore", "shop", "--provider", "--yes"], {
    cwd: folder.path,
    env: { DIGITALOCEAN_TOKEN: emulator.token },
  });
  await expect.poll(made, { timeout: 45_000 }).toHaveLength(1);
  process.kill(killed.pid, "SIGKILL");
  await killed.result;
  const [name] = await made();
  expect((await handled("provider", "list")).stdout).toContain(name);
  expect((await handled("provider", "sweep", "shop", "--yes")).stdout).toContain("within their lifetime");
  expect(await made()).toEqual([name]);
  await emulator.passTime(25 * 3_600_000);
  expect(
    ProviderSweepJson.parse(jsonOf(await handled("provider", "sweep", "shop", "--yes", "--json"))),
  ).toMatchObject({
    removed: [{ name }],
  });
  const { body } = await ask(emulator, "GET", "/v2/databases");
  expect(body.databases).toMatchObject([{ name: "shop" }]);
});

test("a killed restore with a name of its own is gone on with by the same command, however often", async () => {
  const more = ["--provider", "--new-cluster", "shop-again", "--keep-on-failure", "--yes", "--json"];
  emulator.faults.slow({ method: "PUT", ms: 600_000 });
  const killed = spawnCli(["restore", "shop", ...more], {
    cwd: folder.path,
    env: { DIGITALOCEAN_TOKEN: emulator.token },
  });
  await expect.poll(made, { timeout: 45_000 }).toEqual(["shop-again"]);
  process.kill(killed.pid, "SIGKILL");
  await killed.result;
  emulator.faults.clear();
  emulator.faults.failNext({ method: "PUT", status: 422 });
  const failed = await handled("restore", "shop", ...more);
  expect(failed).toMatchObject({ code: 1 });
  expect(failed.stderr).toContain("shop-again is kept");
  const again = await handled("restore", "shop", ...more);
  expect(again).toMatchObject({ code: 0 });
  expect(jsonOf(again)).toMatchObject({ cluster: "shop-again", adopted: true, exact: true, filledTables: 1 });
  expect(await made()).toEqual(["shop-again"]);
  const other = new Date(backup.getTime() - 3_600_000).toISOString();
  const another = await handled("restore", "shop", ...more, "--at", other);
  expect(another).toMatchObject({ code: 2 });
  expect(another.stderr).toContain("shop-again already, of another moment");
  const foreign = await handled("restore", "shop", "--provider", "--new-cluster", "shop", "--yes");
  expect(foreign).toMatchObject({ code: 2 });
  expect(foreign.stderr).toContain("Handled did not make it");
  expect(await made()).toEqual(["shop-again"]);
});

test("what was made from a cluster that is gone is named by the sweep, and never destroyed", async () => {
  const gone = "3f0c6f1e-7a55-4b8e-9d3e-0b1f6d1f2a11";
  const tags = ["handled", `handled-from:${gone}`, "handled-until:20200101T000000Z"];
  const { id } = await emulator.makeCluster("all-that-is-left", { tags });
  const swept = await handled("provider", "sweep", "shop", "--all", "--yes");
  expect(swept).toMatchObject({ code: 0 });
  expect(swept.stdout).toContain(`all-that-is-left was made from is gone (${gone})`);
  expect(await made()).toEqual(["all-that-is-left"]);
  await ask(emulator, "DELETE", `/v2/databases/${id}`);
});

test("what became the live cluster after a recovery is never swept; where that is not known, nothing is", async () => {
  const urlFile = join(folder.path, "recovered-url");
  expect(await handled("restore", "shop", "--provider", "--yes", "--url-file", urlFile)).toMatchObject({
    code: 0,
  });
  const url = (await readFile(urlFile, "utf8")).trim();
  const unknown = await handledAt("", "provider", "sweep", "shop", "--all", "--yes");
  expect(unknown).toMatchObject({ code: 2 });
  expect(unknown.stderr).toContain("SHOP_URL");
  const swept = await handledAt(url, "provider", "sweep", "shop", "--all", "--yes");
  expect(swept).toMatchObject({ code: 0 });
  expect(swept.stdout).toContain("kept: a database of the strategy is in shop-handled-");
  expect(await runSql(url, "select id from orders")).toContainEqual({ id: 1 });
});

test("questions are asked again where the service is out of order; a token that is not taken is told as such", async () => {
  emulator.faults.failNext({ method: "GET", status: 500 });
  emulator.faults.failNext({ method: "GET", status: 429, resetAfter: 10 });
  const listed = await handled("provider", "list", "--json");
  expect(listed).toMatchObject({ code: 0 });
  expect(() => ProviderListJson.parse(jsonOf(listed))).not.toThrow();
  const refused = await runCli(["provider", "list"], {
    cwd: folder.path,
    env: { DIGITALOCEAN_TOKEN: "dop_v1_wrong_token" },
  });
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.stderr).toContain("answered 401");
  expect(refused.stderr).not.toContain("dop_v1_wrong_token");
});

test("the service's status page tells of an outage, also while the service cannot be asked", async () => {
  const said = "the service says: Partial System Outage: No connections in FRA1 (major, investigating)";
  await writeStrategy(`      statusPage: ${emulator.url}\n`);
  expect((await handled("provider", "list")).stdout).not.toContain("the service says");
  emulator.status.report("No connections in FRA1", new Date());
  const [listed, asJson] = [await handled("provider", "list"), await handled("provider", "list", "--json")];
  emulator.faults.failNext({ status: 500, times: 10 });
  const down = await handled("provider", "list");
  emulator.status.resolve();
  await writeStrategy("");
  expect(listed.stdout).toContain(said);
  expect(ProviderListJson.parse(jsonOf(asJson)).databases).toMatchObject([
    {
      statusPage: {
        indicator: "major",
        problem: null,
        incidents: [{ name: "No connections in FRA1", databases: true }],
        components: [{ name: "Managed Databases", status: "major_outage" }],
      },
    },
  ]);
  expect(down).toMatchObject({ code: 1 });
  expect(down.stderr).toContain(said);
});

test("moments that cannot be there are refused with the nearest backup", async () => {
  const early = await handled("restore", "shop", "--provider", "--at", "2001-01-01T00:00:00Z", "--yes");
  expect(early).toMatchObject({ code: 1 });
  expect(early.stderr).toContain("the oldest: `--at");
  expect(await made()).toEqual([]);
});

test("a restore is in the history and proves that backup; in place is refused, naming what was proven", async () => {
  // Before the first backup of our own there is nothing to record in.
  expect(await handled("backup", "shop", "--kind", "snapshot")).toMatchObject({ code: 0 });
  const refused = async (): Promise<string> => {
    const result = await handled("restore", "shop", "--provider", "--swap", "--yes");
    expect(result).toMatchObject({ code: 1 });
    return result.stderr;
  };
  expect(await refused()).toMatch(/in place is refused unless.*proven within a day.*none was proven/);
  const at = backup.toISOString();
  const restored = await handled("restore", "shop", "--provider", "--at", at, "--yes", "--json");
  expect(restored).toMatchObject({ code: 0 });
  const { cluster, at: moment } = ProviderRestoreJson.parse(jsonOf(restored));
  expect(await refused()).toContain(`proven: ${cluster}, from shop as of`);
  const { runs } = HistoryJson.parse(jsonOf(await handled("history", "shop", "--json")));
  expect(runs[0]).toMatchObject({ operation: "restore", outcome: "done" });
  expect(runs[0]?.summary).toContain(`cluster ${cluster} made from shop as of ${moment}`);
});

test("the service's backups stand beside our own, and which of them was proven", async () => {
  const id = `provider:${backup.toISOString().slice(0, 19)}Z`;
  const listed = ListJson.parse(jsonOf(await handled("list", "shop", "--json"))).databases[0];
  expect(listed?.backups).toHaveLength(1);
  expect(listed?.provider?.backups.find((one) => one.id === id)).toMatchObject({
    provenAt: expect.any(String) as string,
  });
  expect((await handled("list", "shop")).stdout).toMatch(new RegExp(`${id}.*provider.*restored`));
  const shown = await handled("show", "shop", id, "--json");
  expect(ProviderShowJson.parse(jsonOf(shown))).toMatchObject({ id, restores: [{ filledTables: 1 }] });
  expect((await handled("show", id)).stdout).toContain(
    `handled restore shop --provider --at ${id.slice(9, 28)}`,
  );
  expect(await handled("show", "shop", "provider:2001-01-01T00:00:00Z")).toMatchObject({ code: 1 });
  const status = StatusJson.parse(jsonOf(await handled("status", "--json"))).databases[0];
  expect(status).toMatchObject({ provenPoint: { kind: "provider", id } });
  expect((await handled("status")).stdout).toMatch(/the managed service's[\s\S]*is assumed/);
  const dry = await handled("restore", "shop", id, "--provider", "--dry-run", "--json");
  expect(jsonOf(dry)).toMatchObject({ exact: true, at: backup.toISOString().replace(/\.\d+/, ".000") });
});

test("the API tells of the service's backups what the commands do", async () => {
  const id = `provider:${backup.toISOString().slice(0, 19)}Z`;
  const env = { DIGITALOCEAN_TOKEN: emulator.token, SHOP_URL: live };
  await using served = serve(folder.path, { env });
  const headers = await asUser(folder.path, "viewer", { env });
  const asked = async (path: string): Promise<Response> =>
    await fetch(`${await served.url()}/api/${path}`, { headers });
  const answer = await asked(`backups/shop/${id}`);
  expect(answer.status).toBe(200);
  const shown = ProviderShowJson.parse(await answer.json());
  expect(shown).toMatchObject({ id, restores: [{ filledTables: 1 }] });
  // The emulated service has a clock of its own.
  const { assumedWindowFrom: _now, ...rest } = shown;
  expect(jsonOf(await handled("show", "shop", id, "--json"))).toMatchObject(rest);
  const listed = BackupsJson.parse(await (await asked("databases/shop/backups")).json());
  expect(listed.databases[0]?.provider?.backups.map((one) => one.id)).toContain(id);
  const missing = await asked("backups/shop/provider:2001-01-01T00:00:00Z");
  expect([missing.status, await missing.json()]).toMatchObject([404, { error: { code: "backup_missing" } }]);
  expect(await served.stop("SIGTERM")).toBe(0);
});

test("a service that cannot be asked hides none of our own backups", async () => {
  emulator.faults.failNext({ status: 401, times: 9 });
  const listed = await handled("list", "--json");
  expect(listed).toMatchObject({ code: 0 });
  expect(listed.stderr).toContain("the managed service's backups cannot be listed");
  const [shop] = ListJson.parse(jsonOf(listed)).databases;
  expect(shop).toMatchObject({ backups: [{ kind: "snapshot" }], provider: { backups: [] } });
  expect(shop?.provider?.error).toContain("answered 401");
});

test("a limit of clusters is kept to before anything is made", async () => {
  await writeStrategy("      clusterLimit: 1\n");
  const result = await handled("restore", "shop", "--provider", "--yes");
  await writeStrategy("");
  expect(result.stderr).toContain("1 clusters of at most 1");
  expect(await made()).toEqual([]);
});

test("a cluster that cannot be made is given up at once, without waiting for the deadline", async () => {
  emulator.nextCluster("error");
  const result = await handled("restore", "shop", "--provider", "--yes");
  expect(result).toMatchObject({ code: 1 });
  expect(result.stderr).toContain("the service says error");
  expect(await made()).toEqual([]);
});

test("a file that cannot take the URL is told before anything is made, and costs nobody a checked cluster", async () => {
  const urlFile = join(folder.path, "late-url");
  const args = ["restore", "shop", "--provider", "--yes", "--url-file"];
  const early = await handled(...args, join(folder.path, "none", "url"));
  expect(early).toMatchObject({ code: 2 });
  expect(early.stderr).not.toContain("a new cluster");
  emulator.faults.failNext({ method: "POST", path: "/v2/databases", status: 403 });
  expect(await handled(...args, urlFile)).toMatchObject({ code: 1 });
  await expect(stat(urlFile)).rejects.toThrow("ENOENT");
  const running = handled(...args, urlFile);
  await expect.poll(made, { timeout: 45_000, interval: 20 }).toHaveLength(1);
  await rm(urlFile);
  await mkdir(urlFile);
  const result = await running;
  expect(result).toMatchObject({ code: 3 });
  expect(result.stderr).toContain("the cluster is there all the same");
  expect(await made()).toHaveLength(1);
  await handled("provider", "sweep", "shop", "--all", "--yes");
});

test("a cluster that is gone cannot be restored by its name, and that is said", async () => {
  await writeStrategy("", "shop-of-old");
  const result = await handled("restore", "shop", "--provider", "--yes");
  await writeStrategy("");
  expect(result).toMatchObject({ code: 1 });
  expect(result.stderr).toMatch(/it has shop\..*name of an existing cluster/);
});

test("a cluster that does not come online in time is destroyed", async () => {
  await writeStrategy("      deadline: 2s\n");
  emulator.nextCluster("never-online");
  const result = await handled("restore", "shop", "--provider", "--yes");
  await writeStrategy("");
  expect(result).toMatchObject({ code: 1 });
  expect(result.stderr).toContain("it is still creating");
  expect(await made()).toEqual([]);
});

test("a second that the service refuses is answered with the nearest backup", async () => {
  emulator.faults.failNext({ method: "POST", path: "/v2/databases", status: 422 });
  const at = new Date(backup.getTime() + 2000).toISOString();
  await emulator.passTime(10_000);
  const result = await handled("restore", "shop", "--provider", "--at", at, "--yes");
  expect(result).toMatchObject({ code: 1 });
  expect(result.stderr).toContain(`--at ${backup.toISOString()}`);
});

test("the status tells of backups that the service no longer has", async () => {
  emulator.setDailyBackups("shop", false);
  await emulator.passTime(40 * 3_600_000);
  expect((await handled("status")).stdout).toContain("newest backup is 1 d");
});
