import { cp, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RecoverJson } from "../src/json/recover.ts";
import { type CliOptions, type CliResult, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { clusterUrl, type FreshDatabase, freshDatabase, runSql } from "./support/postgres.ts";
import { type TemporaryFolder, temporaryFolder } from "./support/temporary-folder.ts";

let live: FreshDatabase;
/** A repository with its backup, as soon as one was taken. */
let backups: string | undefined;
let kept: TemporaryFolder;
beforeAll(async () => {
  live = await freshDatabase({
    sql: "create table item (id int, name text); insert into item select id, 'item ' || id from generate_series(1, 50) as id",
  });
  kept = await temporaryFolder();
});
afterAll(async () => {
  await live[Symbol.asyncDispose]();
  await kept[Symbol.asyncDispose]();
});

let sites = 0;
const LOAD = `psql -qv ON_ERROR_STOP=1 "$SHOP_URL" -c "\\\\copy item from items.csv csv"`;

/** A strategy whose database is made from a file by two commands. */
async function openSite({ load = LOAD } = {}) {
  const there = await temporaryFolder();
  const name = `${live.name}_rebuilt_${sites++}`;
  const items = Array.from({ length: 50 }, (_, at) => `${at + 1},item ${at + 1}\n`).join("");
  await writeFile(join(there.path, "items.csv"), items);
  const commands = [
    {
      name: "create",
      run: `test -z "$LIVE_URL" && psql -q "$SHOP_URL" -c "create table item (id int, name text)"`,
    },
    { name: "load", run: load },
  ];
  const strategy = {
    version: 1,
    timezone: "UTC",
    repositories: { local: { url: "backups" } },
    databases: {
      data: {
        url: live.url,
        backups: [{ name: "nightly", kind: "snapshot" }],
        rebuild: { sources: ["items.csv"], databaseVariable: "SHOP_URL", commands },
      },
    },
  };
  await writeFile(join(there.path, "handled.yaml"), JSON.stringify(strategy), { mode: 0o600 });
  const env = { XDG_STATE_HOME: join(there.path, "state"), LIVE_URL: live.url };
  const cli = async (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
    await runCli(args, { cwd: there.path, env, ...options });
  const repository = join(there.path, "backups");
  if (backups === undefined) {
    expect(await cli(["backup"])).toMatchObject({ code: 0 });
    backups = join(kept.path, "backups");
    await cp(repository, backups, { recursive: true });
  } else await cp(backups, repository, { recursive: true });
  const args = ["recover", "server-lost", "data", "--to", clusterUrl(name), "--yes"];
  const dropCopy = async () => await runSql(clusterUrl(), `drop database if exists "${name}" with (force)`);
  return {
    path: there.path,
    name,
    items,
    cli,
    args,
    env,
    recover: async (more: readonly string[] = ["--from", "rebuild"], options: CliOptions = {}) =>
      await cli([...args, ...more], options),
    count: async () =>
      (await runSql<{ n: number }>(clusterUrl(name), "select count(*)::int as n from item"))[0]?.n,
    made: async () =>
      await runSql<{ datname: string }>(
        clusterUrl(),
        `select datname from pg_database where datname = '${name}'
         or shobj_description(oid, 'pg_database') like '%restoring%"target":"${name}"%'`,
      ),
    dropCopy,
    [Symbol.asyncDispose]: async () => {
      await dropCopy();
      await there[Symbol.asyncDispose]();
    },
  };
}

test("it is made from its sources, its rate is known from then on, and without one a backup is taken", async () => {
  await using site = await openSite();
  const before = RecoverJson.parse(jsonOf(await site.recover(["--dry-run", "--json"])));
  expect(before.estimates.map(({ what, ms }) => [what.split(" ")[0], ms])).toEqual([
    ["restore", null],
    ["rebuild", null],
  ]);
  expect(before.steps.map(({ id }) => id)).toEqual(["choose", "server", "restore"]);
  const done = await site.recover(["--from", "rebuild", "--json"]);
  const report = RecoverJson.parse(jsonOf(done));
  expect(report.steps.map(({ id, outcome }) => `${id} ${outcome}`)).toEqual([
    "server done",
    "sources done",
    "rebuild done",
  ]);
  expect(report.outputs).toMatchObject({ rows: 50, tables: 1, differences: 0 });
  expect(await site.count()).toBe(50);
  const after = await site.recover(["--dry-run"]);
  expect(after.stderr).toMatch(/rebuild data from its sources: about .* by the rebuild of/);
  const history = jsonOf(await site.cli(["history", "data", "--operation", "rebuild", "--json"]));
  expect(history["runs"]).toMatchObject([{ operation: "rebuild", outcome: "done", rows: 50 }]);
});

test("a rebuild that was ended before or after any of its operations goes on when the same is typed again", async () => {
  await using site = await openSite();
  const moments: string[] = [];
  const observer = (phase: string, operation: string): void => void moments.push(`${phase} ${operation}`);
  expect(await site.recover(undefined, { observer })).toMatchObject({ code: 0 });
  // The journal's own moments are those of every plan.
  const ours = ["after step sources", "after rebuild command load", "after step rebuild"].map((moment) =>
    moments.indexOf(moment),
  );
  ours.push(moments.findLastIndex((moment) => /^after sql commit/i.test(moment)));
  expect(ours).not.toContain(-1);
  for (const end of ours) {
    await site.dropCopy();
    const ended = new AbortController();
    let count = 0;
    const killing = (): void => {
      if (count++ === end) ended.abort(new Error("killed"));
      if (ended.signal.aborted) throw new Error("killed");
    };
    await site.recover(undefined, { observer: killing, signal: ended.signal });
    const again = await site.recover();
    expect(again, `${moments[end]}: ${again.stderr}`).toMatchObject({ code: 0 });
    expect(await site.count(), moments[end]).toBe(50);
    // This process, which left it, is still there, so nobody else drops it.
    for (const { datname } of await site.made())
      if (datname !== site.name) await runSql(clusterUrl(), `drop database "${datname}"`);
  }
});

test("one that was killed leaves no process, and the next one drops its database", async () => {
  await using site = await openSite({ load: `touch begun; test -e go || sleep 600; ${LOAD}` });
  const killed = spawnCli([...site.args, "--from", "rebuild"], { cwd: site.path, env: site.env });
  await expect
    .poll(async () => await stat(join(site.path, "begun")).catch(() => null), { timeout: 50_000 })
    .not.toBeNull();
  process.kill(killed.pid, "SIGKILL");
  await killed.result;
  await writeFile(join(site.path, "go"), "");
  const again = await site.recover();
  expect(again, again.stderr).toMatchObject({ code: 0 });
  expect(await site.count()).toBe(50);
  // Whoever restores on this server next drops what was left: this one, or another test.
  expect(await site.made()).toEqual([{ datname: site.name }]);
});

test("what cannot be made is refused or told with its last words, and nothing is left", async () => {
  await using site = await openSite({
    load: `test ! -e broken || { echo line 7 is bad >&2; exit 5; }; test ! -e empty || exit 0; ${LOAD}`,
  });
  const fails = async (words: string): Promise<void> => {
    const { code, stderr } = await site.recover();
    expect(code).not.toBe(0);
    expect(stderr).toContain(words);
    expect(await site.made()).toEqual([]);
  };
  await writeFile(join(site.path, "broken"), "");
  await fails("exit code 5: line 7 is bad");
  await writeFile(join(site.path, "empty"), "");
  await rm(join(site.path, "broken"));
  await fails("there are no rows");
  await rm(join(site.path, "items.csv"));
  await fails("items.csv is missing");
  // One row less than the backup: told, and the database is there all the same.
  await rm(join(site.path, "empty"));
  await writeFile(join(site.path, "items.csv"), site.items.replace("7,item 7\n", ""));
  const differing = await site.recover();
  expect(differing, differing.stderr).toMatchObject({ code: 0 });
  expect(differing.stderr).toContain("has 49 rows instead of 50");
  // It is not empty now, and no recovery is under way that made it.
  const refused = await site.recover();
  expect(refused).toMatchObject({ code: 2 });
  expect(refused.stderr).toContain("not empty");
  expect(await site.count()).toBe(49);
});
