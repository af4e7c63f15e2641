import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fileCrontab, type TestCrontab } from "../../../test/support/crontab.ts";
import { makeRuntime, type Runtime } from "../../lib/runtime.ts";
import { defaultLogFile } from "./log-file.ts";
import { installSchedule, removeSchedule, type ScheduleRequest, showSchedule } from "./schedule.ts";

const { signal } = new AbortController();
let folder: string;
let crontab: TestCrontab;
let runtime: Runtime;
let request: ScheduleRequest;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "handled-schedule-"));
  crontab = await fileCrontab();
  runtime = makeRuntime({ env: { ...crontab.env, HOME: folder } });
  await symlink("/usr/share/zoneinfo/Europe/Berlin", join(folder, "localtime"));
  await writeFile(join(folder, "handled.yaml"), "repositories: { main: { url: '${ROOT}' } }\n");
  request = {
    strategy: {
      path: join(folder, "handled.yaml"),
      timeZone: "Europe/Berlin",
      databases: [{ name: "data", backups: [{ name: "nightly", schedule: "0 2 * * *" }] }],
    },
    method: "cron",
    node: "/usr/bin/node",
    program: "/opt/handled.js",
    uid: 1000,
    scope: { kind: "user", folder: join(folder, "units"), runFolder: join(folder, "run") },
    machineConfig: folder,
  };
});
afterEach(async () => {
  await crontab[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

describe("as a service", () => {
  const place = (name: string): string => join(folder, "units", name);

  test("one unit runs the daemon, takes the place of timers, and gives it back to them", async () => {
    const timers = { ...request, method: "systemd" as const };
    const service = { ...request, method: "service" as const, envFile: join(folder, "env") };
    await writeFile(service.envFile, "ROOT=/srv\n", { mode: 0o600 });
    await installSchedule(runtime, timers, signal);
    const report = await installSchedule(runtime, service, signal);
    expect(report).toMatchObject({ method: "service", changed: true, logFile: null });
    expect(report.commands).toContain("systemctl --user enable --now handled-serve.service");
    expect((await readdir(join(folder, "units"))).toSorted()).toEqual(["handled-serve.service"]);
    const text = await readFile(place("handled-serve.service"), "utf8");
    expect(text).toContain(
      `ExecStart=/usr/bin/node --env-file=${folder}/env /opt/handled.js serve --config ${folder}/handled.yaml\n`,
    );
    expect(await showSchedule(runtime, { ...request, method: "service" }, signal)).toMatchObject({
      installed: ["handled-serve.service"],
      lines: [{ entry: "nightly", installed: true }],
      upToDate: true,
    });
    expect((await showSchedule(runtime, timers, signal)).installed).toEqual([]);
    const other = { ...service, node: "/opt/node" };
    expect((await showSchedule(runtime, other, signal)).upToDate).toBe(false);
    expect(await installSchedule(runtime, service, signal)).toMatchObject({ changed: false });
    expect(await removeSchedule(runtime, timers, signal)).toMatchObject({ changed: false });
    await installSchedule(runtime, timers, signal);
    expect((await showSchedule(runtime, service, signal)).installed).toEqual([]);
  });

  test("systemd finds nothing wrong with it", async () => {
    const odd = { ...request.strategy, path: join(folder, `it's 100% "odd" $HOME é.yaml`) };
    await writeFile(odd.path, "");
    const program = join(folder, "handled.js");
    await writeFile(program, "");
    const service = {
      ...request,
      strategy: odd,
      method: "service" as const,
      node: process.execPath,
      program,
    };
    await installSchedule(runtime, { ...service, logFile: join(folder, "50% log") }, signal);
    const args = ["verify", "--user", "--recursive-errors=no", "--man=no", place("handled-serve.service")];
    const { status, stderr } = spawnSync("systemd-analyze", args, {
      encoding: "utf8",
      env: { ...process.env, XDG_RUNTIME_DIR: folder },
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });
});

describe.each(["cron", "systemd"] as const)("with %s", (method) => {
  test("what is installed is shown, once, and can be removed", async () => {
    request = { ...request, method };
    expect(await showSchedule(runtime, request, signal)).toMatchObject({
      installed: [],
      lines: [{ database: "data", installed: false }],
      upToDate: false,
    });
    const report = await installSchedule(runtime, request, signal);
    expect(report).toMatchObject({ method, changed: true, lines: [{ database: "data", entry: "nightly" }] });
    expect(report.warnings[0]).toContain("ROOT");
    expect(report.logFile).toBe(join(folder, ".local/state/handled/handled.log"));
    expect(await readFile(report.logFile ?? "", "utf8")).toBe("");
    expect(await installSchedule(runtime, request, signal)).toMatchObject({ changed: false });
    const shown = await showSchedule(runtime, request, signal);
    expect(shown).toMatchObject({ lines: [{ installed: true }], upToDate: true, place: report.place });
    expect(shown.installed).toHaveLength(method === "cron" ? 1 : 2);
    expect(await removeSchedule(runtime, request, signal)).toMatchObject({ changed: true });
    expect(await showSchedule(runtime, request, signal)).toMatchObject({ installed: [], upToDate: false });
  });

  test("who is to be told is told by a line of its own, which the daemon needs not", async () => {
    const strategy = { ...request.strategy, notify: { watch: "*/15 * * * *" } };
    request = { ...request, method, strategy };
    const report = await installSchedule(runtime, request, signal);
    expect(report.lines).toMatchObject([
      { database: "data", entry: "nightly" },
      { database: null, operation: "status", schedule: "*/15 * * * *" },
    ]);
    const told = " --quiet status --connect --notify --config ";
    expect(report.lines[1]?.line).toContain(told);
    const shown = await showSchedule(runtime, request, signal);
    expect(shown).toMatchObject({ lines: [{ installed: true }, { installed: true }], upToDate: true });
    if (method === "systemd")
      expect(await readFile(join(report.place, "handled-notify.service"), "utf8")).toMatch(
        new RegExp(`SuccessExitStatus=4\nExecStart=.*${told}`),
      );
    const seldom = { ...request, strategy: { ...strategy, notify: { watch: "7 * * * *" } } };
    expect(await showSchedule(runtime, seldom, signal)).toMatchObject({
      lines: [{ installed: true }, { installed: false }],
    });
    const nobody = { ...request, strategy: { ...strategy, notify: undefined } };
    expect((await showSchedule(runtime, nobody, signal)).upToDate).toBe(false);
    expect(await installSchedule(runtime, nobody, signal)).toMatchObject({ changed: true });
    expect((await showSchedule(runtime, nobody, signal)).upToDate).toBe(true);
    expect(await removeSchedule(runtime, request, signal)).toMatchObject({ changed: true });
    expect((await showSchedule(runtime, request, signal)).installed).toEqual([]);
    const service = { ...request, method: "service" as const };
    expect((await installSchedule(runtime, service, signal)).lines).toMatchObject([{ entry: "nightly" }]);
    await removeSchedule(runtime, service, signal);
  });

  test("it is up to date whatever log and environment file it was installed with", async () => {
    const envFile = join(folder, "env");
    await writeFile(envFile, "ROOT=/srv\n", { mode: 0o600 });
    request = { ...request, method };
    await installSchedule(runtime, { ...request, envFile, logFile: join(folder, "own log") }, signal);
    expect((await showSchedule(runtime, request, signal)).upToDate).toBe(true);
    const at = (schedule: string): ScheduleRequest => ({
      ...request,
      strategy: {
        ...request.strategy,
        databases: [{ name: "data", backups: [{ name: "nightly", schedule }] }],
      },
    });
    expect((await showSchedule(runtime, at("0 3 * * *"), signal)).upToDate).toBe(false);
    expect((await showSchedule(runtime, { ...request, node: "/opt/node" }, signal)).upToDate).toBe(false);
  });

  test("the other one running the same strategy is a warning", async () => {
    await installSchedule(runtime, { ...request, method: method === "cron" ? "systemd" : "cron" }, signal);
    const { warnings } = await installSchedule(runtime, { ...request, method }, signal);
    expect(warnings.join("\n")).toMatch(/runs this strategy as well.*handled schedule remove --/);
  });

  test("a strategy that schedules nothing is an error", async () => {
    const strategy = { ...request.strategy, databases: [] };
    await expect(installSchedule(runtime, { ...request, method, strategy }, signal)).rejects.toMatchObject({
      code: "usage",
    });
  });
});

test("cron in another time zone than the strategy's is refused, systemd is not", async () => {
  const strategy = { ...request.strategy, timeZone: "Asia/Tokyo" };
  await expect(installSchedule(runtime, { ...request, strategy }, signal)).rejects.toMatchObject({
    code: "usage",
  });
  expect(await crontab.stored()).toBeUndefined();
  const report = await installSchedule(runtime, { ...request, strategy, method: "systemd" }, signal);
  expect(report.changed).toBe(true);
});

test("a machine without cron can use systemd", async () => {
  const bare = makeRuntime({ env: { PATH: folder, HOME: folder } });
  const report = await installSchedule(bare, { ...request, method: "systemd" }, signal);
  expect(report.commands[0]).toBe("systemctl --user daemon-reload");
  expect(report.warnings.at(-1)).toContain("enable-linger");
});

test("a log that cannot be opened is an error before anything is installed", async () => {
  const logFile = join(folder, "handled.yaml/log");
  await expect(installSchedule(runtime, { ...request, logFile }, signal)).rejects.toMatchObject({
    code: "usage",
    hint: expect.stringContaining("--log") as string,
  });
  expect(await crontab.stored()).toBeUndefined();
});

test("root's log lies with the machine's, a user's where the user wants it", () => {
  expect(defaultLogFile(runtime, 0)).toBe("/var/log/handled.log");
  const own = makeRuntime({ env: { HOME: "/home/ada", XDG_STATE_HOME: "/data/state" } });
  expect(defaultLogFile(own, 7)).toBe("/data/state/handled/handled.log");
});
