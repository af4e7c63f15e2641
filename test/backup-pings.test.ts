import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli, spawnCli } from "./support/cli.ts";
import { httpReceiver } from "./support/http-receiver.ts";
import { lockTable } from "./support/lock-table.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";

let live: FreshDatabase;
beforeAll(async () => {
  live = await freshDatabase({ sql: "create table item as select generate_series(1, 100) as id" });
});
afterAll(async () => await live[Symbol.asyncDispose]());

/** A strategy whose nightly backup is watched, by a server that answers as it is told. */
async function watched(answer: () => number = () => 200) {
  const folder = await temporaryFolder();
  const server = await httpReceiver(answer);
  const strategy = `version: 1
repositories: { local: { url: ./backups } }
databases:
  data:
    url: "\${DATA_URL}"
    backups: [{ name: nightly }, { name: weekly }]
notify:
  channels:
    nightly: { kind: ping, url: "\${PING_URL}/nightly-0123456789", database: data, backup: nightly }
    any: { kind: ping, url: "\${PING_URL}/any-0123456789abcd", database: data }
`;
  await writeFile(join(folder.path, "handled.yaml"), strategy);
  const env = { DATA_URL: live.url, PING_URL: server.url };
  return {
    options: { cwd: folder.path, env },
    calls: (of: string): string[] =>
      server.requests.flatMap(({ path }) => (path.startsWith(`/${of}`) ? [path.split("/")[2] ?? ""] : [])),
    words: (): string => server.requests.at(-1)?.body ?? "",
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test("a backup calls the pings that watch it when it begins and when it was taken, and no others", async () => {
  await using there = await watched();
  const weekly = await runCli(["backup", "data", "--backup", "weekly"], there.options);
  expect(weekly, weekly.stderr).toMatchObject({ code: 0 });
  expect([there.calls("nightly"), there.calls("any")]).toEqual([[], ["start", ""]]);
  expect(there.words()).toMatch(/^backup weekly of data: \S+ was taken$/);
  // What the strategy did not ask for is not what is waited for.
  expect((await runCli(["backup", "data", "--schema", "public"], there.options)).code).toBe(0);
  expect(there.calls("any")).toHaveLength(2);
});

test("a backup that fails says so, also where it could not even begin", async () => {
  await using there = await watched();
  const env = { ...there.options.env, DATA_URL: live.url.replace(/\/[^/]*$/, "/nowhere") };
  expect((await runCli(["backup", "data"], { ...there.options, env })).code).not.toBe(0);
  expect(there.calls("nightly")).toEqual(["start", "fail"]);
  const { DATA_URL: _, ...unset } = there.options.env;
  expect((await runCli(["backup", "data"], { ...there.options, env: unset })).code).toBe(2);
  expect(there.calls("nightly")).toEqual(["start", "fail", "start", "fail"]);
  expect(there.words()).toContain("`DATA_URL`, which is not set");
});

test("a backup that is stopped says so", async () => {
  await using there = await watched();
  await using _lock = await lockTable(live.url, "item");
  const running = spawnCli(["backup", "data"], there.options);
  await expect.poll(() => there.calls("nightly")).toEqual(["start"]);
  process.kill(running.pid, "SIGTERM");
  expect((await running.result).code).toBe(130);
  expect(there.calls("nightly")).toEqual(["start", "fail"]);
  expect(there.words()).toContain("stopped by SIGTERM");
});

test("a ping that is refused is told once, and the backup is as good as any", async () => {
  await using there = await watched(() => 404);
  const result = await runCli(["backup", "data"], there.options);
  expect(result.code).toBe(0);
  expect(result.stderr.match(/warning: send to nightly: \S+ answered 404/g)).toHaveLength(1);
  expect(result.stderr).not.toContain("0123456789");
});
