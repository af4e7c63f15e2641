import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { databasesLike } from "./support/backed-up.ts";
import { type CliOptions, type CliResult, runCli } from "./support/cli.ts";
import { freshDatabase, runSql, temporaryFolder } from "./support/postgres.ts";
import { smallDisk } from "./support/small-disk.ts";

const MIB = 1024 * 1024;

test("a target without room: told with what is needed, nothing else is changed, and with room made it goes on", async () => {
  await using live = await freshDatabase({
    sql: "create table big as select g as id, repeat(md5(g::text), 6) as pad from generate_series(1, 20000) g",
  });
  await using disk = await smallDisk(90);
  await using there = await temporaryFolder();
  const env = `DATA_URL=${live.url}\n`;
  await writeFile(join(there.path, ".env"), env);
  await writeFile(
    join(there.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: backups } }
application: { stop: "true", start: "cd ${there.path} && echo started >> app.log", envFile: .env }
databases:
  data: { url: "${live.url}", variable: DATA_URL, backups: [{ name: nightly, kind: snapshot }] }
`,
    { mode: 0o600 },
  );
  const cli = async (args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
    await runCli(args, { cwd: there.path, env: { XDG_STATE_HOME: join(there.path, "state") }, ...options });
  expect(await cli(["backup"])).toMatchObject({ code: 0 });
  const to = new URL(disk.server);
  to.pathname = "/shop";
  const recover = async (options: CliOptions = {}): Promise<CliResult> =>
    await cli(["recover", "server-lost", "data", "--to", to.href, "--jobs", "1", "--yes"], options);
  const expectRefused = async (result: CliResult): Promise<void> => {
    expect(result.code, result.stderr).toBe(23);
    expect(result.stderr).toContain("The same command goes on from here");
    expect(await databasesLike("handled%", disk.server)).toEqual([]);
    expect(await databasesLike("shop", disk.server)).toEqual([]);
    expect(await readFile(join(there.path, ".env"), "utf8")).toBe(env);
    await expect(stat(join(there.path, "app.log"))).rejects.toThrow("ENOENT");
  };
  disk.fill(4 * MIB);
  const early = await recover();
  await expectRefused(early);
  expect(early.stderr).toMatch(/about \S+ \S+ are needed, its disk has \S+ \S+ free/);
  disk.empty();
  let isFull = false;
  const late = await recover({
    observer: (phase, operation) => {
      if (isFull || `${phase} ${operation}` !== "before sql COPY") return;
      isFull = true;
      disk.fill(2 * MIB);
    },
  });
  expect(isFull).toBe(true);
  await expectRefused(late);
  expect(late.stderr).toMatch(/make room on the server.* takes about \S+ .iB there/);
  disk.empty();
  const done = await recover();
  expect(done, done.stderr).toMatchObject({ code: 0 });
  expect(done.stderr).toContain("going on with the recovery");
  expect(await runSql(to.href, "select count(*)::int as rows from big")).toEqual([{ rows: 20_000 }]);
  expect(await readFile(join(there.path, ".env"), "utf8")).toBe(`DATA_URL=${to.href}\n`);
  expect(await readFile(join(there.path, "app.log"), "utf8")).toBe("started\n");
});
