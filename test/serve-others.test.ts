import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BackupsJson, OverviewJson, RunsJson } from "../src/api/contract/answers.ts";
import { asUser } from "./support/api-access.ts";
import { type CliProcess, jsonOf, spawnCli } from "./support/cli.ts";
import { lockTable } from "./support/lock-table.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { type Served, serve } from "./support/serve.ts";

let live: FreshDatabase;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let env: Record<string, string>;
let served: Served;
let ask: (path: string) => Promise<unknown>;

beforeAll(async () => {
  live = await freshDatabase({ sql: "create table item as select generate_series(1, 100) as id" });
  folder = await temporaryFolder();
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
databases:
  data: { url: "${live.url}", repository: local, lockTimeout: 60s, backups: [{ name: nightly, kind: snapshot }] }
`,
  );
  env = { XDG_STATE_HOME: join(folder.path, "state") };
  await done(handled("backup", "data"));
  served = serve(folder.path, { env });
  const headers = await asUser(folder.path, "viewer", { env });
  const url = await served.url();
  ask = async (path) => await (await fetch(`${url}${path}`, { headers })).json();
});
afterAll(async () => {
  await served[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await live[Symbol.asyncDispose]();
});

/** Starts a command as at a terminal of the same user. */
const handled = (...args: string[]): CliProcess => spawnCli([...args, "--json"], { cwd: folder.path, env });

async function done({ result }: CliProcess): Promise<Record<string, unknown>> {
  const ended = await result;
  expect(ended.code, ended.stderr).toBe(0);
  return jsonOf(ended);
}

const overview = async (): Promise<OverviewJson> => OverviewJson.parse(await ask("/api/overview"));
const newest = async (): Promise<string | undefined> => (await overview()).databases[0]?.newest?.id;
const listed = async (): Promise<BackupsJson["databases"][number]["backups"]> =>
  BackupsJson.parse(await ask("/api/databases/data/backups")).databases[0]?.backups ?? [];
// Much less than until the daemon looks by itself.
const SOON = { timeout: 45_000 };

test("what a command has done beside the daemon is in its overview and lists soon; what has only begun is no reason to look", async () => {
  const before = await overview();
  expect(await listed()).toHaveLength(1);
  let backup: CliProcess;
  {
    await using _ = await lockTable(live.url, "item");
    backup = handled("backup", "data");
    const running = async (): Promise<unknown> =>
      RunsJson.parse(await ask("/api/runs?last=1")).databases[0]?.runs.map(({ outcome }) => outcome);
    await expect.poll(running, SOON).toEqual([null]);
    expect((await overview()).at).toBe(before.at);
  }
  const { id } = await done(backup);
  await expect.poll(newest, SOON).toBe(id);
  expect((await listed()).map((one) => one.id)).toEqual([id, before.databases[0]?.newest?.id]);
  expect((await listed())[0]?.proof).toBeNull();

  await done(handled("verify", "data", "--level", "content"));
  await expect.poll(async () => (await listed())[0]?.proof?.outcome, SOON).toBe("proven");
  await expect.poll(async () => (await overview()).databases[0]?.newestProven, SOON).toBe(id);
});
