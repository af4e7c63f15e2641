import { copyFile, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Cluster } from "../../src/postgres/cluster.ts";
import { databasesLike } from "../support/backed-up.ts";
import { runCli } from "../support/cli.ts";
import { clustersBeside, testEmulator } from "../support/emulator.ts";
import { identityIn } from "../support/keys.ts";
import {
  type FreshDatabase,
  freshCluster,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "../support/postgres.ts";
import { killChain } from "./kill-chain.ts";

// The real program recovers, and dies without a word again and again, each time an operation later; then the same is typed again.
// What a restore, a backup of its kind and an undo do by themselves is killed at each of its own moments in the tests beside this one,
// and each write of the journal in those of the plans, so a few stand for many here; HANDLED_TEST_KILLS=every tries all.

const FEW =
  /^before (sql (CREATE|COPY|INSERT) #1|sql COMMIT #[23]|child sh #1|switch the variable #1|write the (journal #1|strategy)|remove the journal|storage put new [^ ]*recoveries|provider (POST|PUT|DELETE)).* in step/;
const ALL =
  /^before (child|storage (put|delete)|sql (CREATE|COMMENT|ALTER|DROP|COPY|INSERT|COMMIT|ANALYZE)|write the|remove the|switch the|provider (POST|PUT|DELETE))/;
const CHOSEN = process.env["HANDLED_TEST_KILLS"] === "every" ? ALL : FEW;
const LONGEST_MS = 400_000;

let cluster: Cluster;
beforeAll(async () => {
  cluster = await freshCluster({ settings: { autovacuum: "off", shared_buffers: "16MB" } });
});
afterAll(async () => await cluster[Symbol.asyncDispose]());

const SQL = `create table item (id int primary key, name text);
insert into item select id, 'item ' || id from generate_series(1, 40) as id`;
const SUM = "select count(*)::int as rows, sum(hashtext(item::text))::text as hash from item";

/** An application that works while it was started, and the `.env` it was started with leads to its rows. */
async function openApplication(folder: string, variables: readonly string[]) {
  const [file, running] = [join(folder, ".env"), join(folder, "running.env")];
  const ask = async (): Promise<void> => {
    const found = parseEnv(await readFile(running, "utf8"));
    for (const name of variables) await runSql(found[name] ?? "", "select id from item limit 1");
  };
  const server = createServer((_, response) => {
    ask().then(
      () => response.end(),
      () => response.writeHead(503).end(),
    );
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const health = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  return {
    strategy: { stop: `rm -f '${running}'`, start: `cp '${file}' '${running}'`, health, envFile: file },
    running,
    isUp: async () => (await fetch(health)).ok,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Two databases that are backed up, the application that works on both, and a place for what is temporary. */
async function openSite({ sealed = false } = {}) {
  const owned = new AsyncDisposableStack();
  const folder = owned.use(await temporaryFolder()).path;
  const [site, temporary, home] = ["site", "tmp", "home"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [site, temporary, home]) await mkdir(path);
  const databases: Record<"data" | "primary", FreshDatabase> = {
    data: owned.use(await freshDatabase({ sql: SQL, cluster: cluster.url() })),
    primary: owned.use(await freshDatabase({ sql: SQL, cluster: cluster.url() })),
  };
  const { data, primary } = databases;
  const app = owned.use(await openApplication(site, ["DATA_URL", "PRIMARY_URL"]));
  const envText = (dataUrl: string, primaryUrl: string): string =>
    `PORT=3000\r\nDATA_URL='${dataUrl}'\r\nexport PRIMARY_URL=${primaryUrl} # live\r\n`;
  await writeFile(join(site, ".env"), envText(data.url, primary.url));
  const identity = identityIn(folder);
  const backups = [{ name: "nightly", kind: "snapshot" }];
  const place = join(folder, "backups");
  const strategy = {
    version: 1,
    timezone: "UTC",
    repositories: { local: { url: place, ...(sealed ? { recipients: [identity.recipient] } : {}) } },
    application: app.strategy,
    databases: {
      data: { url: "${DATA_URL}", variable: "DATA_URL", backups },
      primary: { url: "${PRIMARY_URL}", variable: "PRIMARY_URL", criticality: "critical", backups },
    },
  };
  await writeFile(join(site, "handled.yaml"), JSON.stringify(strategy), { mode: 0o600 });
  const keys = sealed ? { HANDLED_IDENTITY: identity.file } : {};
  await copyFile(app.strategy.envFile, app.running);
  const env = { HOME: home, XDG_STATE_HOME: join(home, "state"), TMPDIR: temporary };
  const urls = { DATA_URL: data.url, PRIMARY_URL: primary.url };
  const at = { cwd: site, env: { ...env, ...urls, ...keys } };
  const taken = await runCli(["backup", "--json"], at);
  expect(taken, taken.stderr).toMatchObject({ code: 0 });
  const besides = async (): Promise<string[]> => {
    const all = await databasesLike("%", cluster.url());
    return all.filter((name) => !["postgres", "template0", "template1"].includes(name)).toSorted();
  };
  const before = await besides();
  const url = (name: string): string => {
    const changed = new URL(data.url);
    changed.pathname = `/${name}`;
    return changed.href;
  };
  owned.defer(async () => {
    for (const name of (await besides()).filter((one) => !before.includes(one)))
      await runSql(cluster.url(), `drop database "${name}" with (force)`);
  });
  return {
    ...databases,
    site,
    home,
    place,
    identity,
    env,
    at,
    url,
    envText,
    rows: await data.query(SUM),
    envNow: async () => await readFile(join(site, ".env"), "utf8"),
    isUp: app.isUp,
    /** The databases that are there now and were not before. */
    made: async () => (await besides()).filter((one) => !before.includes(one)),
    /** What is left of the work itself. The marks of killed readers are a later `handled prune`'s to remove. */
    left: async () => {
      const journals = await readdir(env.XDG_STATE_HOME, { recursive: true });
      return [
        ...(await readdir(temporary)),
        ...journals.filter((path) => /recoveries\/.*\.json$/.test(path)),
        ...(await readdir(place, { recursive: true })).filter((path) => /begun\/./.test(path)),
      ];
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

test("server lost: killed at any operation, the rows are back in the end, and the application works on them", {
  timeout: LONGEST_MS,
}, async () => {
  await using there = await openSite();
  const { data, primary, rows } = there;
  const to = there.url(`${data.name}_back`);
  const kills = await killChain({
    ...there.at,
    args: ["recover", "server-lost", "data", "--to", to, "--jobs", "1", "--yes"],
    chosen: CHOSEN,
  });
  expect(kills.length).toBeGreaterThan(10);
  expect(await runSql(to, SUM)).toEqual(rows);
  expect(await data.query(SUM)).toEqual(rows);
  expect(await there.envNow()).toBe(there.envText(to, primary.url));
  expect(await there.isUp()).toBe(true);
  expect(await there.made()).toEqual([`${data.name}_back`]);
  expect(await there.left()).toEqual([]);
});

test("data deleted: killed at any operation, each row that was missing is back once, and no other has changed", {
  timeout: LONGEST_MS,
}, async () => {
  await using there = await openSite();
  const { data, rows } = there;
  await data.query(
    "delete from item where id between 10 and 19; update item set name = 'changed' where id = 7",
  );
  const changed = await data.query("select * from item where id = 7");
  const kills = await killChain({
    ...there.at,
    args: ["recover", "data-deleted", "data", "--table", "public.item", "--yes"],
    chosen: CHOSEN,
  });
  expect(kills.length).toBeGreaterThan(5);
  expect(await data.query("select * from item where id = 7")).toEqual(changed);
  await data.query("update item set name = 'item 7' where id = 7");
  expect(await data.query(SUM)).toEqual(rows);
  expect(await there.made()).toEqual([]);
  expect(await there.left()).toEqual([]);
});

test("together: killed at any operation, both are back beside the live ones, and these are as they were", {
  timeout: LONGEST_MS,
}, async () => {
  await using there = await openSite();
  const { data, primary, rows } = there;
  const kills = await killChain({
    ...there.at,
    args: ["recover", "together", "--at", "2024-12-10T14:05:00Z", "--jobs", "1", "--yes"],
    chosen: CHOSEN,
  });
  expect(kills.length).toBeGreaterThan(10);
  const names = ["data", "primary"].map((name) => `${name}_together_20241210_140500`);
  expect(await there.made()).toEqual(names);
  for (const url of [data.url, primary.url, ...names.map(there.url)])
    expect(await runSql(url, SUM)).toEqual(rows);
  expect(await there.envNow()).toBe(there.envText(data.url, primary.url));
  expect(await there.left()).toEqual([]);
});

test("everything lost: killed at any operation, a machine with nothing but the identity has all of it back", {
  timeout: LONGEST_MS,
}, async () => {
  await using there = await openSite({ sealed: true });
  const { data, primary, home, rows } = there;
  const [dataTo, primaryTo] = [there.url(`${data.name}_back`), there.url(`${primary.name}_back`)];
  const kills = await killChain({
    cwd: home,
    env: there.env,
    args: [
      "recover",
      "everything-lost",
      "--repository",
      there.place,
      "--identity",
      there.identity.file,
      "--to",
      `data=${dataTo}`,
      "--to",
      `primary=${primaryTo}`,
      "--jobs",
      "1",
      "--yes",
    ],
    chosen: CHOSEN,
  });
  expect(kills.length).toBeGreaterThan(13);
  for (const url of [dataTo, primaryTo]) expect(await runSql(url, SUM)).toEqual(rows);
  expect(await there.envNow()).toBe(there.envText(dataTo, primaryTo));
  expect(await there.isUp()).toBe(true);
  expect(await readFile(join(home, "handled.yaml"), "utf8")).toBe(
    await readFile(join(there.site, "handled.yaml"), "utf8"),
  );
  expect(await there.made()).toEqual([`${data.name}_back`, `${primary.name}_back`].toSorted());
  expect(await there.left()).toEqual([]);
});

test("provider down: killed at any operation, one new cluster is there, and the application works on it", {
  timeout: LONGEST_MS,
}, async () => {
  await using emulator = await testEmulator();
  await using there = await temporaryFolder();
  const [site, temporary] = [join(there.path, "site"), join(there.path, "tmp")];
  for (const path of [site, temporary]) await mkdir(path);
  const { url: live } = await emulator.makeCluster("shop");
  await runSql(live, SQL);
  const rows = await runSql(live, SUM);
  await using app = await openApplication(site, ["PRIMARY_URL"]);
  const envText = (url: string): string => `PORT=3000\nPRIMARY_URL="${url}"\n`;
  await writeFile(join(site, ".env"), envText(live));
  const provider = {
    kind: "digitalocean",
    cluster: "shop",
    database: "defaultdb",
    endpoint: emulator.url,
    token: "${DIGITALOCEAN_TOKEN}",
  };
  const primary = {
    url: "${SHOP_URL}",
    variable: "PRIMARY_URL",
    provider,
    backups: [{ name: "nightly", kind: "snapshot" }],
  };
  const strategy = {
    version: 1,
    timezone: "UTC",
    repositories: { local: { url: "backups" } },
    application: app.strategy,
    databases: { primary },
  };
  await writeFile(join(site, "handled.yaml"), JSON.stringify(strategy), { mode: 0o600 });
  const state = join(there.path, "state");
  const at = {
    cwd: site,
    env: {
      DIGITALOCEAN_TOKEN: emulator.token,
      SHOP_URL: live,
      XDG_STATE_HOME: state,
      TMPDIR: temporary,
    },
  };
  const taken = await runCli(["backup"], at);
  expect(taken, taken.stderr).toMatchObject({ code: 0 });
  const kills = await killChain({
    ...at,
    args: ["recover", "provider-down", "primary", "--yes"],
    chosen: CHOSEN,
  });
  expect(kills.length).toBeGreaterThan(10);
  const made = await clustersBeside(emulator, "shop");
  expect(made).toMatchObject([{ status: "online" }]);
  const to = parseEnv(await readFile(join(site, ".env"), "utf8"))["PRIMARY_URL"] ?? "";
  expect(to).not.toBe(live);
  expect(new URL(to).port).toBe(String(made[0]?.connection.port));
  expect(await readFile(join(site, ".env"), "utf8")).toBe(envText(to));
  expect(await runSql(to, SUM)).toEqual(rows);
  expect(await app.isUp()).toBe(true);
  expect(await readdir(temporary)).toEqual([]);
});
