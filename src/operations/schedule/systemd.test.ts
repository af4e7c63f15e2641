import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeProgram } from "../../../test/support/crontab.ts";
import { makeRuntime, type Runtime } from "../../lib/runtime.ts";
import type { Job, ScheduledStrategy } from "./jobs.ts";
import { planSchedule } from "./plan.ts";
import { installSystemd, removeSystemd, showSystemd, timerUnits } from "./systemd.ts";
import { defaultScope, type SystemdScope } from "./systemctl.ts";
import { unitName } from "./systemd-units.ts";

const { signal } = new AbortController();
const STRATEGY: ScheduledStrategy = {
  path: "/etc/handled/handled.yaml",
  timeZone: "Europe/Berlin",
  databases: [
    { name: "primary", backups: [{ name: "hourly", schedule: "15 * * * *" }] },
    { name: "data", backups: [{ name: "nightly", schedule: "0 2 1,15 * MON-FRI" }] },
  ],
};
const FIRST = "handled-data-nightly";
const SECOND = "handled-primary-hourly";
const FILES = [`${FIRST}.service`, `${FIRST}.timer`, `${SECOND}.service`, `${SECOND}.timer`];

let folder: string;
let scope: SystemdScope;
let runtime: Runtime;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "handled-systemd-"));
  scope = { kind: "system", folder: join(folder, "system"), runFolder: join(folder, "run") };
  await mkdir(join(folder, "bin"));
  await writeProgram(join(folder, "bin/systemctl"), `echo "$@" >> '${folder}/calls'`);
  runtime = makeRuntime({ env: { PATH: `${join(folder, "bin")}:/usr/bin:/bin` } });
});
afterEach(() => rm(folder, { recursive: true }));

const install = (strategy = STRATEGY, enable = true) => {
  const logFile = join(folder, "50% log");
  const program = { node: process.execPath, program: "/opt/han dled/$bin.js", logFile };
  const lines = planSchedule(strategy, program, new Date("2024-12-11T12:00:00Z"));
  const units = timerUnits(scope, strategy, lines, logFile);
  return installSystemd(runtime, scope, strategy, { ...units, enable }, signal);
};
const calls = async (): Promise<string[]> =>
  (await readFile(join(folder, "calls"), "utf8").catch(() => "")).split("\n").filter((line) => line !== "");
const without = (name: string): ScheduledStrategy => ({
  ...STRATEGY,
  databases: STRATEGY.databases.filter((database) => database.name !== name),
});

test("units are written once, and say when and what", async () => {
  expect(await install()).toMatchObject({ changed: true });
  expect((await readdir(scope.folder)).toSorted()).toEqual(FILES);
  const timer = await readFile(join(scope.folder, `${FIRST}.timer`), "utf8");
  expect(timer).toContain(
    "OnCalendar=*-*-01,15 02:00:00 Europe/Berlin\nOnCalendar=Mon..Fri *-*-* 02:00:00 Europe/Berlin\n",
  );
  expect(timer).toContain("\nPersistent=true\n");
  const service = await readFile(join(scope.folder, `${FIRST}.service`), "utf8");
  expect(service).toContain(
    `ExecStart=${process.execPath} "/opt/han dled/$$bin.js" --quiet backup data --backup nightly `,
  );
  expect(service).toContain(`StandardOutput=append:${folder}/50%% log\n`);

  const before = await stat(join(scope.folder, `${FIRST}.timer`));
  expect(await install()).toMatchObject({ changed: false });
  expect((await stat(join(scope.folder, `${FIRST}.timer`))).ino).toBe(before.ino);
});

test("systemd finds nothing wrong with them", async () => {
  const odd = { name: `it's "odd" %h $HOME \\ é -`, backups: [{ name: "x.y", schedule: "*/7 3 * * 0" }] };
  await install({ ...STRATEGY, databases: [...STRATEGY.databases, odd] });
  const timers = (await readdir(scope.folder)).filter((name) => name.endsWith(".timer"));
  expect(timers).toHaveLength(3);
  const paths = timers.map((name) => join(scope.folder, name));
  const { status, stderr } = spawnSync(
    "systemd-analyze",
    ["verify", "--recursive-errors=no", "--man=no", ...paths],
    {
      encoding: "utf8",
    },
  );
  expect([status, stderr]).toEqual([0, ""]);
});

describe("where systemd runs", () => {
  beforeEach(() => mkdir(scope.runFolder));

  test("timers are switched on, and off before their files go", async () => {
    expect((await install()).commands).toEqual([]);
    expect(await calls()).toEqual(["daemon-reload", `enable --now ${SECOND}.timer ${FIRST}.timer`]);
    expect((await showSystemd(scope, STRATEGY.path)).map(({ name }) => name)).toEqual(FILES);

    expect(await removeSystemd(runtime, scope, STRATEGY.path, () => true, signal)).toEqual({
      changed: true,
      commands: [],
    });
    expect((await calls()).slice(2)).toEqual([
      `disable --now ${FIRST}.timer ${SECOND}.timer`,
      "daemon-reload",
    ]);
    expect(await readdir(scope.folder)).toEqual([]);
    expect(await removeSystemd(runtime, scope, STRATEGY.path, () => true, signal)).toEqual({
      changed: false,
      commands: [],
    });
  });

  test("what the strategy schedules no longer is taken away", async () => {
    await install();
    expect(await install(without("data"))).toMatchObject({ changed: true });
    expect(await calls()).toContain(`disable --now ${FIRST}.timer`);
    expect((await readdir(scope.folder)).toSorted()).toEqual(FILES.slice(2));
  });

  test("they can be left off", async () => {
    const { commands } = await install(STRATEGY, false);
    expect(commands).toEqual([`systemctl enable --now ${SECOND}.timer ${FIRST}.timer`]);
    expect(await calls()).toEqual(["daemon-reload"]);
  });

  test("a failing `systemctl` is an error that says where the units are", async () => {
    await writeProgram(join(folder, "bin/systemctl"), "echo 'Access denied' >&2; exit 4");
    await expect(install()).rejects.toMatchObject({
      code: "tool_failed",
      message: expect.stringContaining("Access denied") as string,
      hint: expect.stringContaining("again") as string,
    });
  });
});

test("where systemd does not run, what to type is told and links of old timers go", async () => {
  expect((await install()).commands).toEqual([
    "systemctl daemon-reload",
    `systemctl enable --now ${SECOND}.timer ${FIRST}.timer`,
  ]);
  const wants = join(scope.folder, "timers.target.wants");
  await mkdir(wants);
  await symlink(`../${FIRST}.timer`, join(wants, `${FIRST}.timer`));
  await removeSystemd(runtime, scope, STRATEGY.path, () => true, signal);
  expect(await readdir(wants)).toEqual([]);
  expect(await calls()).toEqual([]);
});

test("units of others are neither overwritten nor removed", async () => {
  await mkdir(scope.folder);
  const theirs = join(scope.folder, `${FIRST}.timer`);
  await writeFile(theirs, "# Written by handled for /srv/other.yaml; changes here are lost\n");
  await writeFile(join(scope.folder, "nginx.service"), "[Unit]\n");
  await expect(install()).rejects.toMatchObject({ code: "target_exists" });
  expect(await readdir(scope.folder)).toHaveLength(2);
  await install(without("data"));
  await removeSystemd(runtime, scope, STRATEGY.path, () => true, signal);
  expect((await readdir(scope.folder)).toSorted()).toEqual([`${FIRST}.timer`, "nginx.service"]);
});

test("a user's own units lie in the user's folder", () => {
  const env = { HOME: "/home/ada", XDG_RUNTIME_DIR: "/run/user/7" };
  expect(defaultScope(makeRuntime({ env }), 7)).toEqual({
    kind: "user",
    folder: "/home/ada/.config/systemd/user",
    runFolder: "/run/user/7/systemd",
  });
  expect(defaultScope(makeRuntime({ env }), 0).folder).toBe("/etc/systemd/system");
});

test("no two jobs share a unit's name, and no name is too long for a file", () => {
  const nameOf = (database: string, entry: string | null, operation: Job["operation"] = "backup"): string =>
    unitName({ database, operation, entry });
  expect(nameOf("my-data", "nightly")).toBe(String.raw`handled-my\x2ddata-nightly`);
  expect(nameOf("data", "weekly", "verify")).toBe("handled-data-verify:weekly");
  expect(nameOf("a-b", "c")).not.toBe(nameOf("a", "b-c"));
  expect(nameOf("a", "prune")).not.toBe(nameOf("a", null, "prune"));
  const [long, other] = ["é".repeat(31), `${"é".repeat(30)}è`];
  expect(nameOf(long, "x".repeat(63), "verify").length).toBeLessThan(240);
  expect(nameOf(long, "x")).not.toBe(nameOf(other, "x"));
});
