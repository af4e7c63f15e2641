import { mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RecoverJson } from "../src/json/recover.ts";
import { type CliOptions, type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { identityIn } from "./support/keys.ts";
import {
  clusterUrl,
  type FreshDatabase,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "./support/postgres.ts";

const SQL = "create table item as select id from generate_series(1, 40) as id";
let primary: FreshDatabase;
let data: FreshDatabase;
beforeAll(async () => {
  [primary, data] = await Promise.all([freshDatabase({ sql: SQL }), freshDatabase({ sql: SQL })]);
});
afterAll(async () => {
  await Promise.all([primary[Symbol.asyncDispose](), data[Symbol.asyncDispose]()]);
});

let sites = 0;

/**
 * Backups of two databases in a folder that is sealed, and a machine that has nothing but the identity.
 * @param url of `data` in the strategy
 */
async function openSite({ url = "${DATA_URL}", sealed = true } = {}) {
  const there = await temporaryFolder();
  const [old, bare, app] = ["old", "bare", "app"].map((name) => join(there.path, name));
  if (old === undefined || bare === undefined || app === undefined) throw new Error("no folders");
  for (const folder of [old, bare, app]) await mkdir(folder);
  const identity = identityIn(there.path);
  const envFile = join(app, ".env");
  const env = "PRIMARY_URL=gone\nPORT=3000\nDATA_URL=gone\n";
  await writeFile(envFile, env);
  const backups = [{ name: "nightly", kind: "snapshot" }];
  const strategy = {
    version: 1,
    timezone: "UTC",
    repositories: {
      local: { url: "../backups", ...(sealed ? { recipients: [identity.recipient] } : {}) },
    },
    application: {
      stop: `cd '${app}' && echo stopped >> app.log`,
      start: `cd '${app}' && echo started >> app.log`,
      envFile,
    },
    databases: {
      data: { url, criticality: "low", variable: "DATA_URL", backups },
      primary: { url: "${PRIMARY_URL}", criticality: "critical", variable: "PRIMARY_URL", backups },
    },
  };
  await writeFile(join(old, "handled.yaml"), JSON.stringify(strategy), { mode: 0o600 });
  const urls = { PRIMARY_URL: primary.url, DATA_URL: data.url };
  const keys = { HANDLED_IDENTITY: identity.file, XDG_CONFIG_HOME: join(there.path, "config") };
  const taken = await runCli(["backup"], { cwd: old, env: { ...urls, ...keys } });
  expect(taken, taken.stderr).toMatchObject({ code: 0 });
  const n = sites++;
  const names = { primary: `${primary.name}_back_${n}`, data: `${data.name}_back_${n}` };
  const place = join(there.path, "backups");
  const args = ["recover", "everything-lost", "--repository", place, "--identity", identity.file, "--yes"];
  const to = Object.entries(names).flatMap(([name, at]) => ["--to", `${name}=${clusterUrl(at)}`]);
  const cli = async (asked: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
    await runCli(asked, { cwd: bare, env: { HOME: bare }, ...options });
  const drop = async (): Promise<void> => {
    for (const name of Object.values(names))
      await runSql(clusterUrl(), `drop database if exists "${name}" with (force)`);
  };
  return {
    old,
    bare,
    place,
    names,
    args,
    to,
    cli,
    drop,
    env,
    envFile,
    backedUp: taken,
    recover: async (more: readonly string[] = [], options: CliOptions = {}) =>
      await cli([...args, ...to, ...more], options),
    counts: async () => {
      const count = "select count(*)::int as n from item";
      const of = async (name: string) => (await runSql<{ n: number }>(clusterUrl(name), count))[0]?.n;
      return [await of(names.primary), await of(names.data)];
    },
    log: async () => await readFile(join(app, "app.log"), "utf8"),
    changed: env
      .replace("PRIMARY_URL=gone", `PRIMARY_URL=${clusterUrl(names.primary)}`)
      .replace("DATA_URL=gone", `DATA_URL=${clusterUrl(names.data)}`),
    [Symbol.asyncDispose]: async () => {
      await drop();
      await there[Symbol.asyncDispose]();
    },
  };
}

test("whoever is to work with another login is told with the plan, before the restore, and at the end", async () => {
  await using site = await openSite();
  await writeFile(
    site.envFile,
    site.env.replace("DATA_URL=gone", "DATA_URL=postgresql://shop:secret@db.example/data"),
  );
  const given = new URL(clusterUrl(site.names.data)).username;
  const warning = `the application works as shop now, and as ${given} once DATA_URL leads to the restored database: give shop a login there, and write it into ${site.envFile} afterwards`;
  const dry = await site.recover(["--dry-run"]);
  expect(dry, dry.stderr).toMatchObject({ code: 0 });
  expect(dry.stderr.split(warning)).toHaveLength(2);
  const done = await site.recover();
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(done.stderr.split(warning)).toHaveLength(2);
  expect(done.stderr).toMatch(
    new RegExp(`DATA_URL leads to ${site.names.data} on \\S+ now, with the login of ${given}; `),
  );
});

test("a machine with nothing but the identity has everything back: by criticality, the strategy too", async () => {
  await using site = await openSite();
  const dry = await site.recover(["--dry-run"]);
  expect(dry, dry.stderr).toMatchObject({ code: 0 });
  await expect(stat(join(site.bare, "handled.yaml"))).rejects.toThrow("ENOENT");
  const done = await site.recover(["--json"]);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  const report = RecoverJson.parse(jsonOf(done));
  expect(report.steps.map(({ id, outcome, budgetMs }) => [id, outcome, budgetMs / 60_000])).toEqual([
    ["provision", "done", 30],
    ["install", "done", 15],
    ["restore primary", "done", 30],
    ["restore data", "done", 30],
    ["deploy", "done", 15],
    ["test", "done", 30],
  ]);
  expect(await site.counts()).toEqual([40, 40]);
  expect(await readFile(site.envFile, "utf8")).toBe(site.changed);
  expect(await site.log()).toBe("stopped\nstarted\n");
  const [kept, own] = [join(site.bare, "handled.yaml"), join(site.old, "handled.yaml")];
  expect(await readFile(kept, "utf8")).toBe(await readFile(own, "utf8"));
  // What lies in the repository is sealed.
  expect(await readFile(join(site.place, "system/strategy.yaml"), "latin1")).not.toContain("PRIMARY_URL");
});

test("one that was ended at any of its steps goes on when the same is typed again", async () => {
  await using site = await openSite();
  const moments: string[] = [];
  const observer = (phase: string, operation: string): void => void moments.push(`${phase} ${operation}`);
  expect(await site.recover([], { observer })).toMatchObject({ code: 0 });
  const last = (moment: string): number => moments.lastIndexOf(moment);
  const ours = [last("after step restore primary"), last("after switch the variable")];
  expect(ours).not.toContain(-1);
  for (const end of ours) {
    await site.drop();
    await rm(join(site.bare, "handled.yaml"));
    await writeFile(site.envFile, site.env);
    const ended = new AbortController();
    let count = 0;
    const killing = (): void => {
      if (count++ === end) ended.abort(new Error("killed"));
      if (ended.signal.aborted) throw new Error("killed");
    };
    await site.recover([], { observer: killing, signal: ended.signal });
    const again = await site.recover();
    expect(again, `${moments[end]}: ${again.stderr}`).toMatchObject({ code: 0 });
    expect(await site.counts(), moments[end]).toEqual([40, 40]);
    expect(await readFile(site.envFile, "utf8"), moments[end]).toBe(site.changed);
    expect(await readFile(join(site.bare, "handled.yaml"), "utf8")).toContain("PRIMARY_URL");
  }
});

test("what cannot be meant, a server that is not there and a wrong one are told, and nothing is changed", async () => {
  await using site = await openSite();
  await using other = await freshDatabase({ sql: "create table precious as select 1 as id" });
  const [primaryTo = "", dataTo = ""] = site.to.filter((word) => word !== "--to");
  const cases: [readonly string[], string][] = [
    [["--to", primaryTo, "--to", `data=${clusterUrl(site.names.primary)}`], "would both become"],
    [["--to", primaryTo, "--to", primaryTo], "two `--to` for primary"],
    [["--to", "date=postgresql:///x"], "names none of the databases"],
    [[...site.to, "--backup", "latest"], "--backup"],
    [["--to", primaryTo], "DATA_URL"],
    [["--to", primaryTo, "--to", "data=postgresql://127.0.0.1:1/x"], "127.0.0.1:1"],
    [["--to", `primary=${other.url}`, "--to", dataTo, "--restart"], "not empty"],
  ];
  for (const [more, words] of cases) {
    const { code, stderr } = await site.cli([...site.args, ...more]);
    expect(code, more.join(" ")).not.toBe(0);
    expect(stderr).toContain(words);
  }
  // An earlier call has come so far as to write it.
  await rm(join(site.bare, "handled.yaml"));
  const nothing = await site.cli(["recover", "everything-lost"]);
  expect(nothing.code).toBe(2);
  expect(nothing.stderr).toContain("the recovery kit");
  const alone = await site.cli([
    "recover",
    "everything-lost",
    "--repository",
    site.place,
    "--yes",
    ...site.to,
  ]);
  expect(alone, alone.stderr).toMatchObject({ code: 12 });
  expect(await runSql(other.url, "select id from precious")).toEqual([{ id: 1 }]);
  expect(await readFile(site.envFile, "utf8")).toBe(site.env);
});

test("a strategy with a password in it is kept nowhere in the clear; then each database needs its `--to`", async () => {
  const url = new URL(data.url);
  url.password = "secret";
  await using site = await openSite({ url: url.href, sealed: false });
  expect(site.backedUp.stderr).toContain("the strategy is not kept in");
  await expect(stat(join(site.place, "system/strategy.yaml"))).rejects.toThrow("ENOENT");
  const lacking = await site.cli([...site.args, ...site.to.slice(0, 2)]);
  expect(lacking.stderr).toContain("nobody says where data goes");
  const done = await site.recover(["--json"]);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(RecoverJson.parse(jsonOf(done)).steps.map(({ id }) => id)).toEqual([
    "provision",
    "install",
    "restore data",
    "restore primary",
    "test",
  ]);
  expect(await site.counts()).toEqual([40, 40]);
});
