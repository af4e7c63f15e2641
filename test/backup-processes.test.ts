import { chmod, readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorCode } from "../src/errors.ts";
import { type CliProcess, type CliResult, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { expectNothingLeft, filesOf } from "./support/leftovers.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";

let database: FreshDatabase;
beforeAll(async () => {
  const sql =
    "create table t as select g as id, repeat(md5(g::text), 50) as pad from generate_series(1, 2000) g";
  database = await freshDatabase({ sql });
});
afterAll(async () => await database[Symbol.asyncDispose]());

interface Stuck extends AsyncDisposable {
  readonly running: CliProcess;
  readonly repository: string;
  /** Sends a signal to the program alone, or to its whole group, as Ctrl-C in a terminal does. */
  readonly send: (signal: NodeJS.Signals, to: "process" | "group") => void;
  /** True while any process of its group is there. */
  readonly anyLeft: () => boolean;
}

/** The real program in the middle of a backup, where it stays: its `zstd` takes a little, writes a little and stops. */
async function stuckBackup(): Promise<Stuck> {
  const folder = await temporaryFolder();
  const repository = join(folder.path, "repository");
  const started = join(folder.path, "started");
  // No child of it may be left, not even a dead one that nobody has taken notice of.
  const fake = `#!/bin/sh\nhead -c 100000\n: > ${started}\nexec sleep 1000\n`;
  await writeFile(join(folder.path, "zstd"), fake);
  await chmod(join(folder.path, "zstd"), 0o755);
  const args = ["backup", "data", "--url", database.url, "--repository", repository, "--compression", "zstd"];
  const env = { PATH: `${folder.path}:${process.env["PATH"] ?? ""}` };
  const running = spawnCli(args, { env, group: true });
  const send = (signal: NodeJS.Signals | 0, to: "process" | "group"): void =>
    void process.kill(to === "group" ? -running.pid : running.pid, signal);
  const anyLeft = (): boolean => {
    try {
      send(0, "group");
      return true;
    } catch (error) {
      if (errorCode(error) !== "ESRCH") throw error;
      return false;
    }
  };
  await expect
    .poll(() => existsSync(started) || running.ended(), { timeout: 45_000, interval: 10 })
    .toBe(true);
  return {
    running,
    repository,
    send,
    anyLeft,
    [Symbol.asyncDispose]: async () => {
      if (anyLeft()) send("SIGKILL", "group");
      await running.result;
      await folder[Symbol.asyncDispose]();
    },
  };
}

const backUp = async (repository: string, ...args: string[]): Promise<CliResult> =>
  await runCli(["backup", "data", "--url", database.url, "--repository", repository, "--json", ...args]);

describe("stopped in the middle", () => {
  test.each([
    ["SIGINT", "group"],
    ["SIGINT", "process"],
    ["SIGTERM", "process"],
    ["SIGHUP", "process"],
  ] as const)(
    "by %s to its %s: exit 130, nothing is left of it, neither files nor processes",
    async (signal, to) => {
      await using stuck = await stuckBackup();
      expect((await filesOf(join(stuck.repository, "data"))).some((file) => file.endsWith(".tmp"))).toBe(
        true,
      );
      stuck.send(signal, to);
      const result = await stuck.running.result;
      expect(result.code).toBe(130);
      expect(result.stderr).toContain(`handled: stopped by ${signal}`);
      await expectNothingLeft(stuck.repository, database);
      // A dead process counts until its parent, which may be the system's first one, has taken notice.
      await expect.poll(stuck.anyLeft, { timeout: 10_000 }).toBe(false);
      expect(await backUp(stuck.repository)).toMatchObject({ code: 0 });
    },
  );
});

describe("two at once", () => {
  test("the second fails fast, naming the first; when that was killed, the next takes over and tidies up", async () => {
    await using stuck = await stuckBackup();
    const second = await backUp(stuck.repository);
    expect(second.code).toBe(11);
    const { username } = userInfo();
    const holder = `take the lease of data: held by backup of ${username}@${hostname()}, process ${stuck.running.pid}, since `;
    expect(second.stderr).toContain(holder);
    expect(jsonOf(second)).toMatchObject({
      error: { code: "lease_held", details: { pid: stuck.running.pid } },
    });
    // Reading needs no lease.
    const listed = await runCli(["list", "--repository", stuck.repository, "--json"]);
    expect(listed.code).toBe(0);

    stuck.send("SIGKILL", "process");
    await stuck.running.result;
    const third = await backUp(stuck.repository);
    expect(third, third.stderr).toMatchObject({ code: 0 });
    expect(third.stderr).toContain(
      `backup of ${username}@${hostname()} (process ${stuck.running.pid}) is dead: taking over its lease`,
    );
    const files = await filesOf(join(stuck.repository, "data"));
    expect(files.filter((file) => /\.tmp$|\.zst$|unfinished/.test(file))).toEqual([]);
    expect(files.filter((file) => file.startsWith("lease."))).toEqual(["lease.2.json"]);
    const { databases } = jsonOf(await runCli(["list", "--repository", stuck.repository, "--json"]));
    expect(databases).toMatchObject([{ backups: [{ rows: 2000 }], damaged: [], foreign: [] }]);
  });

  test("of two databases they do not disturb each other", async () => {
    await using stuck = await stuckBackup();
    const args = ["backup", "other", "--url", database.url, "--repository", stuck.repository];
    expect(await runCli(args)).toMatchObject({ code: 0 });
  });
});

describe("memory", () => {
  const LIMIT_KIB = 200_000_000 / 1024;
  let large: FreshDatabase;
  beforeAll(async () => {
    // 300 MB of rows.
    const row = "select g as id, repeat(md5(g::text), 29) as pad";
    large = await freshDatabase({
      sql: `create unlogged table big as ${row} from generate_series(1, 330000) g`,
    });
  });
  afterAll(async () => await large[Symbol.asyncDispose]());

  /** What the process needed at most, in KiB: it says so itself at its end. */
  async function peakOf(args: readonly string[]): Promise<number> {
    await using folder = await temporaryFolder();
    const hook = join(folder.path, "peak.mjs");
    const peak = join(folder.path, "peak");
    await writeFile(
      hook,
      `import { readFileSync, writeFileSync } from "node:fs";
       process.on("exit", () => writeFileSync(${JSON.stringify(peak)}, /VmHWM:\\s*(\\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"))[1]));`,
    );
    const all = [
      "backup",
      "--url",
      large.url,
      "--repository",
      join(folder.path, "repository"),
      "--json",
      ...args,
    ];
    const result = await spawnCli(all, { node: ["--import", hook] }).result;
    expect(result, result.stderr).toMatchObject({ code: 0 });
    const { bytes, location } = jsonOf(result);
    expect(bytes).toBeGreaterThan(300_000_000);
    expect(dirname(String(location))).toContain(folder.path);
    return Number(await readFile(peak, "utf8"));
  }

  test.each([
    ["plain gzip", []],
    ["plain zstd", ["--compression", "zstd"]],
    ["custom", ["--format", "custom"]],
  ])("stays below 200 MB for a dump of 300 MB (%s)", async (_, args) => {
    expect(await peakOf(args)).toBeLessThan(LIMIT_KIB);
  });
});
