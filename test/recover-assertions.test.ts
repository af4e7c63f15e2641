import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type CliResult, runCli } from "./support/cli.ts";
import {
  clusterUrl,
  type FreshDatabase,
  freshDatabase,
  runSql,
  temporaryFolder,
} from "./support/postgres.ts";
import type { TemporaryFolder } from "./support/temporary-folder.ts";

// One backup of a database with items, of which the strategy asserts what no copy of it has: a table `approved`.

let live: FreshDatabase;
let there: TemporaryFolder;
let to: string;
let envText: string;

beforeAll(async () => {
  live = await freshDatabase({
    sql: "create table item (id int primary key); insert into item select generate_series(1, 50)",
  });
  there = await temporaryFolder();
  to = clusterUrl(`${live.name}_back`);
  envText = `DATA_URL="${live.url}"\n`;
  await writeFile(
    join(there.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
application: { stop: "true", start: "cd ${there.path} && echo started >> app.log", envFile: .env }
databases:
  data:
    url: "${live.url}"
    variable: DATA_URL
    backups: [{ name: nightly, kind: snapshot }]
    assertions:
      - { expect: "select count(*) = 50 from item" }
      - { name: approved, expect: "select to_regclass('approved') is not null" }
`,
    { mode: 0o600 },
  );
  expect(await handled("backup")).toMatchObject({ code: 0 });
});

afterAll(async () => {
  await dropRestored();
  await live[Symbol.asyncDispose]();
  await there[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await dropRestored();
  for (const name of ["state", "app.log"]) await rm(join(there.path, name), { recursive: true, force: true });
  await writeFile(join(there.path, ".env"), envText);
});

async function dropRestored(): Promise<void> {
  await runSql(clusterUrl(), `drop database if exists "${live.name}_back" with (force)`);
  for (const { name } of await besides())
    await runSql(clusterUrl(), `drop database if exists "${name}" with (force)`);
}

/** What restores have left beside the live database. */
async function besides(): Promise<{ name: string }[]> {
  const sql = `select datname as name from pg_database where datname ~ '^(data_together_|${live.name}_before_)'`;
  return await runSql<{ name: string }>(clusterUrl(), sql);
}

async function handled(...args: readonly string[]): Promise<CliResult> {
  return await runCli(args, { cwd: there.path, env: { XDG_STATE_HOME: join(there.path, "state") } });
}

const env = async (): Promise<string> => await readFile(join(there.path, ".env"), "utf8");

const FAILED = 'of 2 assertions 1 failed: "approved": it is false';

test("what is not true of the restored database stops the recovery before the application is pointed at it", async () => {
  const recover = ["recover", "server-lost", "data", "--to", to, "--yes"];
  const stopped = await handled(...recover);
  expect(stopped).toMatchObject({ code: 4 });
  expect(stopped.stderr).toContain(FAILED);
  expect(stopped.stderr).toContain("with `--despite-assertions` it goes on all the same");
  expect(await env()).toBe(envText);
  // Nobody wanted to go on: it is asked again.
  expect(await handled(...recover)).toMatchObject({ code: 4 });
  await runSql(to, "create table approved ()");
  const done = await handled(...recover);
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(done.stderr).toContain("2 assertions of data hold");
  expect(await env()).toBe(envText.replace(live.url, to));
});

test("whoever wants to goes on despite of it, and is told", async () => {
  const recover = ["recover", "everything-lost", "data", "--to", `data=${to}`, "--yes"];
  const stopped = await handled(...recover);
  expect(stopped).toMatchObject({ code: 4 });
  expect(stopped.stderr).toContain(FAILED);
  expect(await env()).toBe(envText);
  const done = await handled(...recover, "--despite-assertions");
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(done.stderr).toContain(`${FAILED}; going on all the same`);
  expect(await env()).toBe(envText.replace(live.url, to));
});

test("a backup of which it is not true takes no database's place", async () => {
  const whole = ["recover", "data-deleted", "data", "--whole", "--backup", "latest", "--yes"];
  await live.query("insert into item values (100)");
  const stopped = await handled(...whole);
  expect(stopped).toMatchObject({ code: 4 });
  expect(stopped.stderr).toContain(FAILED);
  expect(await besides()).toEqual([]);
  expect(await live.query("select count(*)::int as n from item")).toEqual([{ n: 51 }]);
  const done = await handled(...whole, "--despite-assertions");
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(await live.query("select count(*)::int as n from item")).toEqual([{ n: 50 }]);
});

test("of databases as of one moment, and in a drill, it is no success either", async () => {
  const together = await handled("recover", "together", "--at", "2024-12-10T14:05:00Z", "--yes");
  expect(together).toMatchObject({ code: 4 });
  expect(together.stderr).toContain(FAILED);
  const drill = await handled("drill", "server-lost", "data");
  expect(drill).toMatchObject({ code: 4 });
  expect(drill.stdout).toContain(FAILED);
});
