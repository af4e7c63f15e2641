import { createHash } from "node:crypto";
import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DrillJson, DrillListJson, DrillNoteJson } from "../src/json/drill.ts";
import { HistoryJson } from "../src/json/history.ts";
import { type CliOptions, type CliResult, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";

const APPLICATION = join(import.meta.dirname, "support/trial-application-main.ts");

let live: FreshDatabase;
beforeAll(async () => {
  live = await freshDatabase({
    sql: `create schema shop; create table shop.orders (id int primary key, name text);
          insert into shop.orders select id, 'order ' || id from generate_series(1, 500) as id`,
  });
});
afterAll(async () => await live[Symbol.asyncDispose]());

/** A strategy with an application whose commands would leave a trace, its `.env`, and a place for throw-away servers. */
async function openSite({ manner = "serve" } = {}) {
  const there = await temporaryFolder();
  const temporary = await temporaryFolder();
  await chmod(temporary.path, 0o755);
  await writeFile(join(there.path, ".env"), `# of the shop\nPORT=3000\nDATA_DATABASE_URL="${live.url}"\n`);
  await writeFile(join(there.path, "app.log"), "started\n");
  const strategy = (how: string): string => `version: 1
timezone: UTC
repositories: { local: { url: backups } }
application: { stop: "echo stopped >> ${there.path}/app.log", start: "echo started >> ${there.path}/app.log", envFile: .env }
databases:
  data:
    url: "${live.url}"
    variable: DATA_DATABASE_URL
    objectives: { rpo: 24h, rto: 4h }
    backups: [{ name: nightly, kind: snapshot }]
    drills: [{ name: quarterly, scenario: server-lost, schedule: "0 3 1 1,4,7,10 *" }]
    trial: { start: "exec ${process.execPath} ${APPLICATION} ${how} ${there.path}/tried.json", health: /health, healthTimeout: 60s }
`;
  const write = async (how: string): Promise<void> =>
    await writeFile(join(there.path, "handled.yaml"), strategy(how), { mode: 0o600 });
  await write(manner);
  const at = {
    cwd: there.path,
    env: { XDG_STATE_HOME: join(there.path, "state"), TMPDIR: temporary.path },
  };
  const cli = async (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
    await runCli(args, { ...at, ...options });
  expect(await cli(["backup"])).toMatchObject({ code: 0 });
  return {
    path: there.path,
    temporary: temporary.path,
    at,
    cli,
    write,
    drill: async (...args: string[]) => await cli(["drill", "server-lost", "data", "--json", ...args]),
    list: async () => DrillListJson.parse(jsonOf(await cli(["drill", "list", "data", "--json"]))).drills,
    [Symbol.asyncDispose]: async () => {
      await there[Symbol.asyncDispose]();
      await temporary[Symbol.asyncDispose]();
    },
  };
}

/** Digests of all that is production's: the rows, the application's files, and the repository but for its records. */
async function production({ path }: { readonly path: string }): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  const digest = (data: Buffer | string): string => createHash("sha256").update(data).digest("hex");
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (!entry.isFile() || /\/(records|state)\/|tried\.json$/.test(file)) continue;
    digests[file] = digest(await readFile(file));
  }
  digests["live"] = digest(JSON.stringify(await contentsOf(live.url)));
  return digests;
}

test("a recovery is rehearsed to its end, timed and recorded, and nothing of production is touched", async () => {
  await using site = await openSite();
  const before = await production(site);
  const drill = DrillJson.parse(jsonOf(await site.drill("--note", "the first one")));
  expect(drill).toMatchObject({
    outcome: "done",
    entry: "quarterly",
    notes: ["the first one"],
    kind: "drill",
  });
  expect(drill.steps.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
    "choose done",
    "server done",
    "restore done",
    "switch done",
    "check done",
  ]);
  expect(drill.rtoMs).toBeGreaterThan(0);
  expect(drill.dataLostMs).toBeGreaterThan(0);
  expect(drill).toMatchObject({ objectiveRtoMs: 4 * 3_600_000, objectiveRpoMs: 24 * 3_600_000 });
  expect(await production(site)).toEqual(before);
  expect(await readdir(site.temporary)).toEqual([]);
  // The application was tried on the copy, and knew nothing of the live database.
  const tried = await readFile(join(site.path, "tried.json"), "utf8");
  expect(JSON.parse(tried)).toMatchObject({ DATABASE_URL: expect.stringContaining("@127.0.0.1:") });
  expect(tried).not.toContain(live.url);

  const note = await site.cli(["drill", "note", drill.id, "the safe was locked", "--json"]);
  expect(DrillNoteJson.parse(jsonOf(note))).toEqual({ id: drill.id, unrecorded: [] });
  expect(await site.list()).toEqual([{ ...drill, notes: ["the first one", "the safe was locked"] }]);
  const history = HistoryJson.parse(jsonOf(await site.cli(["history", "data", "--json"])));
  expect(history.runs.map(({ operation, outcome }) => `${operation} ${outcome}`)).toContain("drill done");
  const runbook = await site.cli(["runbook"]);
  expect(runbook.stdout).toMatch(/Measured in the drill of .* Noted: the first one; the safe was locked\./);
  const checklist = await site.cli(["checklist", "--json"]);
  expect(jsonOf(checklist)).toMatchObject({ duties: [{ name: "drill quarterly", state: "done" }] });
});

test("also that everything is lost is rehearsed with one of the databases, and nothing of production is touched", async () => {
  await using site = await openSite();
  const before = await production(site);
  const drill = DrillJson.parse(jsonOf(await site.cli(["drill", "everything-lost", "data", "--json"])));
  expect(drill).toMatchObject({ outcome: "done", scenario: "everything-lost", entry: null });
  expect(drill.steps.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
    "provision done",
    "install done",
    "restore data done",
    "deploy done",
    "test done",
  ]);
  expect(await production(site)).toEqual(before);
  expect(await readdir(site.temporary)).toEqual([]);
});

test("that everything is lost is rehearsed with all databases at once: one plan, one record, the stricter objectives", async () => {
  await using site = await openSite();
  await using second = await freshDatabase({
    sql: "create schema shop; create table shop.orders as select id from generate_series(1, 9) as id",
  });
  const text = await readFile(join(site.path, "handled.yaml"), "utf8");
  const more = `  primary:
    url: "${second.url}"
    criticality: critical
    variable: PRIMARY_DATABASE_URL
    objectives: { rpo: 1h, rto: 8h }
    backups: [{ name: nightly, kind: snapshot }]
    trial: { start: "exec ${process.execPath} ${APPLICATION} serve", health: /health, healthTimeout: 60s }
`;
  await writeFile(join(site.path, "handled.yaml"), `${text}${more}`);
  const env = await readFile(join(site.path, ".env"), "utf8");
  await writeFile(join(site.path, ".env"), `${env}PRIMARY_DATABASE_URL='${second.url}'\n`);
  expect(await site.cli(["backup"])).toMatchObject({ code: 0 });
  const before = { ...(await production(site)), second: await contentsOf(second.url) };
  const result = await site.cli(["drill", "everything-lost", "--json"]);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  const drill = DrillJson.parse(jsonOf(result));
  expect(drill).toMatchObject({ outcome: "done", databases: ["primary", "data"] });
  expect(drill.steps.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
    "provision done",
    "install done",
    "restore primary done",
    "restore data done",
    "deploy done",
    "test done",
  ]);
  expect(drill).toMatchObject({ objectiveRtoMs: 4 * 3_600_000, objectiveRpoMs: 3_600_000 });
  expect(drill.dataLostMs).toBeGreaterThan(0);
  expect(drill.from?.split(", ")).toHaveLength(2);
  expect({ ...(await production(site)), second: await contentsOf(second.url) }).toEqual(before);
  expect(await readdir(site.temporary)).toEqual([]);
  // Both know of it.
  for (const name of ["data", "primary"]) {
    const { drills } = DrillListJson.parse(jsonOf(await site.cli(["drill", "list", name, "--json"])));
    expect(drills.map(({ id }) => id)).toEqual([drill.id]);
  }
  const several = await site.cli(["drill", "server-lost", "data", "primary"]);
  expect(several.code).toBe(2);
  expect(several.stderr).toContain("it takes one database");
});

test("an application that does not work fails the drill, which says where; the next that works is told from it", async () => {
  await using site = await openSite({ manner: "die" });
  const before = await production(site);
  const failed = await site.cli(["drill", "server-lost", "data"]);
  expect(failed.code).toBe(4);
  expect(failed.stdout).toContain("at: Ask the application whether it works");
  expect(failed.stdout).toContain("no licence");
  expect(await production(site)).toEqual(before);
  expect(await readdir(site.temporary)).toEqual([]);
  await site.write("serve");
  expect(await site.drill()).toMatchObject({ code: 0 });
  const { stdout } = await site.cli(["drill", "list"]);
  expect(stdout).toContain("failed at check");
  expect(stdout).toMatch(/server-lost: 1 of 2 drills done/);
});

test("a drill that is killed leaves nothing that the next does not remove, and is recorded as interrupted", async () => {
  await using site = await openSite({ manner: "hang" });
  const before = await production(site);
  const running = spawnCli(["drill", "server-lost", "data"], site.at);
  // The application hangs, so the drill stays at its last step.
  await expect
    .poll(async () => await readFile(join(site.path, "tried.json"), "utf8").catch(() => ""))
    .toContain("pid");
  const pid = Number(JSON.parse(await readFile(join(site.path, "tried.json"), "utf8")).pid);
  process.kill(running.pid, "SIGKILL");
  await running.result;
  expect(await readdir(site.temporary)).not.toEqual([]);
  expect(await site.list()).toMatchObject([{ outcome: "interrupted" }]);
  await site.write("serve");
  expect(await site.drill()).toMatchObject({ code: 0 });
  expect((await site.list()).map(({ outcome }) => outcome)).toEqual(["done", "interrupted"]);
  expect(await readdir(site.temporary)).toEqual([]);
  expect(await readdir(join(site.path, "backups/data/records/recoveries"))).not.toContain("begun");
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  // All but the strategy, which this test has changed.
  const after = await production(site);
  delete after[join(site.path, "handled.yaml")];
  delete before[join(site.path, "handled.yaml")];
  expect(after).toEqual(before);
});

test("rows that were deleted come back in a copy that has lost them; the live ones stay", async () => {
  await using site = await openSite();
  const before = await production(site);
  const lost = ["--table", "shop.orders", "--where", "id <= 40"];
  const result = await site.cli(["drill", "data-deleted", "data", "--json", ...lost]);
  const drill = DrillJson.parse(jsonOf(result));
  expect(drill.steps.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
    "find done",
    "look done",
    "insert done",
    "check done",
  ]);
  expect(drill).toMatchObject({ outcome: "done", entry: null, scenario: "data-deleted" });
  expect(result.stderr).toContain("40 rows inserted");
  expect(await production(site)).toEqual(before);
  expect(await readdir(site.temporary)).toEqual([]);
});

test("what cannot be meant is told before anything is made", async () => {
  await using site = await openSite();
  const cases: [readonly string[], string][] = [
    [["drill", "server-last", "data"], "there is no scenario server-last"],
    [["drill", "server-lost", "date"], "date"],
    [["drill", "server-lost", "data", "--entry", "quartely"], "did you mean `quarterly`"],
    [["drill", "note", "20241212T020000.112Z-5c0e9d41", "x"], "no drill or recovery"],
  ];
  for (const [args, words] of cases) {
    const { code, stderr } = await site.cli(args);
    expect(code, args.join(" ")).toBe(2);
    expect(stderr).toContain(words);
  }
  expect(await readdir(site.temporary)).toEqual([]);
  expect(await site.list()).toEqual([]);
});
