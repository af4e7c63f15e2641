import { Command } from "commander";
import { chmod, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Cli } from "../src/cli/cli.ts";
import { addDoctor } from "../src/cli/commands/doctor.ts";
import { Output } from "../src/cli/output.ts";
import { AppError } from "../src/errors.ts";
import { systemClock } from "../src/lib/clock.ts";
import { isOnThisMachine } from "../src/operations/doctor/connection.ts";
import type { DoctorReport, DoctorRequest } from "../src/operations/doctor/doctor.ts";
import { firstWord } from "../src/operations/doctor/programs.ts";
import { openFilesystem } from "../src/storage/filesystem.ts";
import type { Storage } from "../src/storage/storage.ts";
import { freshCluster, freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { noAbort, testRuntime, type TestRuntime } from "./support/runtime.ts";
import { parse } from "./support/strategy.ts";
import { PLAIN, diagnose, found, problems, notOk, SHOP } from "./support/diagnose.ts";

test("a healthy database and a repository that is yet to be made: everything is fine, and nothing stays behind", async () => {
  await using database = await freshDatabase({ sql: SHOP });
  await using folder = await temporaryFolder();
  const storage = openFilesystem(testRuntime(), join(folder.path, "deep/down/backups"));
  const report = await diagnose({ url: database.url, storage, schemas: ["config", "customer"] });
  expect(notOk(report)).toEqual([]);
  expect(report).toMatchObject({ exitCode: 0, databases: [{ name: "shop", ready: true }] });
  expect(found(report, "client").message).toContain("pg_dump (PostgreSQL)");
  expect(found(report, "privileges").message).toBe("may read 2 tables and 2 sequences");
  expect(await readdir(folder.path)).toEqual([]);
});

test("a wrong password is exit 20; what hangs on the connection is not checked, the rest is", async () => {
  await using cluster = await freshCluster({ password: "right" });
  const report = await diagnose({ url: cluster.url().replace("right", "wr0ng-secret") });
  expect(report.exitCode).toBe(20);
  expect(problems(report)).toEqual(["connection"]);
  expect(found(report, "connection")).toMatchObject({ code: "login_refused" });
  expect(found(report, "privileges")).toMatchObject({
    level: "warning",
    message: "not checked because there is no connection",
  });
  expect(found(report, "repository-write").level).toBe("ok");
  expect(JSON.stringify(report)).not.toContain("wr0ng-secret");
});

test("no connection string and no repository are two problems, not the end", async () => {
  const usage = (text: string): AppError => new AppError("usage", text, { hint: "say where" });
  const database = {
    name: "shop",
    connection: () => Promise.reject(usage("no connection string")),
    places: [
      {
        name: "nowhere",
        storage: (): Storage => {
          throw usage("no repository");
        },
      },
    ],
    schemas: null,
    backups: [PLAIN],
  };
  const report = await diagnose({ url: "", request: { databases: [database] } });
  expect(report.exitCode).toBe(2);
  expect(problems(report)).toEqual(["connection", "repository"]);
});

test("a clock that is off is a warning, one that is far off a problem", async () => {
  await using database = await freshDatabase();
  const offBy = (ms: number): TestRuntime =>
    testRuntime({ clock: { ...systemClock, now: () => new Date(Date.now() + ms) } });
  const ahead = await diagnose({ url: database.url, runtime: offBy(30_000) });
  expect(ahead.exitCode).toBe(0);
  expect(found(ahead, "clock")).toMatchObject({ level: "warning" });
  expect(found(ahead, "clock").message).toMatch(/ahead of/);
  const behind = await diagnose({ url: database.url, runtime: offBy(-3_600_000) });
  expect(behind.exitCode).toBe(1);
  expect(problems(behind)).toEqual(["clock"]);
  expect(found(behind, "clock").message).toMatch(/behind/);
});

test("only addresses of this machine need no encryption", async () => {
  for (const host of ["/var/run/postgresql", "127.0.0.1", "127.9.9.9", "::1", "localhost"]) {
    expect(await isOnThisMachine(host), host).toBe(true);
  }
  for (const host of ["192.0.2.1", "2001:db8::1", "1127.0.0.1.invalid", "0.0.0.0"]) {
    expect(await isOnThisMachine(host), host).toBe(false);
  }
});

test("an old Node is a problem", async () => {
  const report = await diagnose({
    url: "",
    request: { databases: [], machine: { nodeVersion: "22.1.0", uid: 0 } },
  });
  expect(problems(report)).toEqual(["node"]);
});

test("the first word of a command line is found where a shell is not needed to find it", () => {
  expect(firstWord("pm2 stop api")).toBe("pm2");
  expect(firstWord("  A=1 B=x/y /usr/bin/env true;echo")).toBe("/usr/bin/env");
  expect(firstWord("true&&false")).toBe("true");
  for (const line of ['"a b" c', "$STOP now", "(cd x; y)", "A='x y' z", ""])
    expect(firstWord(line)).toBeUndefined();
});

test("the strategy's file, its schedules and its application's commands are looked at", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "handled.yaml");
  await writeFile(path, "", { mode: 0o644 });
  const strategy = (url: string): DoctorRequest["strategy"] => ({
    ...parse(`version: 1
repositories: { local: { url: /tmp/nowhere } }
databases: { shop: { url: "${url}", backups: [{ name: nightly, schedule: "0 2 * * *" }] } }
application: { stop: no-such-program-here stop, start: eval env }
`),
    path,
  });
  const ask = async (url: string, PATH: string): Promise<DoctorReport> =>
    await diagnose({
      url: "",
      runtime: testRuntime({ env: { PATH } }),
      request: { databases: [], strategy: strategy(url), machine: { nodeVersion: "24.0.0", uid: 0 } },
    });
  const report = await ask("postgresql://u:hunter2@h/d", folder.path);
  expect(report.exitCode).toBe(0);
  expect(found(report, "strategy-file").message).toContain("holds a password and others may read it");
  expect(found(report, "scheduler").message).toContain("neither cron nor systemd");
  expect(found(report, "application").message).toBe(
    "the application's commands are not found: no-such-program-here",
  );
  await writeFile(join(folder.path, "crontab"), "#!/bin/sh\n", { mode: 0o755 });
  const mended = await ask("postgresql://h/d", folder.path);
  expect(found(mended, "strategy-file").level).toBe("ok");
  expect(found(mended, "scheduler").message).toContain("cron can run 1 scheduled backup");
  await chmod(path, 0o664);
  expect(found(await ask("postgresql://h/d", folder.path), "strategy-file").hint).toBe(
    `\`chmod go-w ${path}\``,
  );
});

interface CliRun {
  readonly stdout: string;
  readonly exitCode: number;
}

async function runCli(args: readonly string[], json: boolean, cwd: string): Promise<CliRun> {
  const runtime = testRuntime();
  let [stdout, exitCode] = ["", 0];
  const output = new Output(
    { stdout: { write: (text) => (stdout += text) }, stderr: { write: () => true } },
    { json, quiet: false, verbose: false, color: false },
    runtime.secrets,
    () => 0,
  );
  const cli: Cli = {
    runtime,
    output,
    signal: noAbort(),
    cwd,
    node: process.execPath,
    script: "handled",
    input: undefined,
    piped: undefined,
    config: undefined,
    onHangup: () => undefined,
    exitWith: (code) => (exitCode = code),
  };
  const program = new Command().exitOverride();
  addDoctor(program, () => cli);
  await program.parseAsync(["doctor", ...args], { from: "user" });
  return { stdout, exitCode };
}

test("handled doctor prints findings by subject with hints, a verdict for each database, and --json for machines", async () => {
  await using database = await freshDatabase({ sql: SHOP });
  await using folder = await temporaryFolder();
  const place = ["--url", database.url, "--repository", join(folder.path, "backups")];
  const good = await runCli(place, false, folder.path);
  expect(good.exitCode).toBe(0);
  expect(good.stdout).toContain(`\n\n✓ a backup of ${database.name} could run now\n`);
  const bad = await runCli([...place, "--schema", "confg"], false, folder.path);
  expect(bad.exitCode).toBe(2);
  expect(bad.stdout).toContain("  ✗ not in the database: schema confg\n      hint: did you mean config?");
  expect(bad.stdout).toContain(
    "  ! not checked because none of the schemas is there: whether everything may be read, row level security, large objects, what the schemas need of others, locks on tables\n",
  );
  expect(bad.stdout).toContain(`✗ no backup of ${database.name} now: 1 problem\n`);
  const json = JSON.parse((await runCli([...place, "--schema", "confg"], true, folder.path)).stdout) as {
    findings: Record<string, unknown>[];
  };
  expect(json).toMatchObject({
    ready: false,
    problems: 1,
    databases: [{ name: database.name, ready: false }],
  });
  expect(json.findings.find(({ id }) => id === "schemas")).toMatchObject({
    subject: database.name,
    level: "problem",
    code: "schema_missing",
  });
  expect(json.findings.find(({ id }) => id === "node")).toMatchObject({ subject: "machine", level: "ok" });
});

test("without any strategy the machine is looked at, and the missing strategy is the problem", async () => {
  await using folder = await temporaryFolder();
  const { stdout, exitCode } = await runCli([], false, folder.path);
  expect(exitCode).toBe(2);
  expect(stdout).toContain("✗ find a strategy: there is no handled.yaml");
  expect(stdout).toContain("✓ Node ");
});
