import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cronCommand } from "../../../test/support/cron.ts";
import type { ScheduledStrategy } from "./jobs.ts";
import { planSchedule, type ScheduledProgram } from "./plan.ts";

const NOW = new Date("2024-12-11T12:00:00Z");
const strategy: ScheduledStrategy = {
  path: "/etc/handled/handled.yaml",
  timeZone: "Europe/Berlin",
  databases: [
    { name: "primary", backups: [{ name: "by-hand", schedule: undefined }] },
    {
      name: "data",
      backups: [
        { name: "nightly", schedule: "0 2 * * *" },
        { name: "weekly", schedule: "30 3 * * SUN" },
      ],
    },
  ],
};
const program: ScheduledProgram = {
  node: "/opt/node/bin/node",
  program: "/opt/handled/bin/handled.js",
  logFile: "/var/log/handled.log",
};

test("there is one line for each scheduled backup, due next in the strategy's time zone", () => {
  expect(planSchedule(strategy, program, NOW)).toMatchObject([
    {
      database: "data",
      operation: "backup",
      entry: "nightly",
      next: new Date("2024-12-12T01:00:00Z"),
      line:
        "0 2 * * * /opt/node/bin/node /opt/handled/bin/handled.js --quiet backup data --backup nightly " +
        "--config /etc/handled/handled.yaml >> /var/log/handled.log 2>&1",
    },
    { database: "data", entry: "weekly", next: new Date("2024-12-15T02:30:00Z") },
  ]);
  expect(planSchedule(strategy, program, NOW)[1]?.line).toMatch(/^30 3 \* \* 0 /);
});

test("what no crontab can hold is refused", () => {
  for (const bad of [{ node: "node" }, { logFile: "/var/log/a\nb" }, { logFile: `/${"x".repeat(990)}` }]) {
    expect(() => planSchedule(strategy, { ...program, ...bad }, NOW)).toThrow(
      expect.objectContaining({ code: "usage" }),
    );
  }
});

// A program that writes what it was given as JSON.
const PROGRAM = `
  const { argv, env } = process;
  console.log(JSON.stringify({ args: argv.slice(2), url: env.DATA_URL, names: Object.keys(env) }));
  console.error("to the log too");
`;

test("the line runs under cron's bare environment, wherever things lie and whatever they are called", async () => {
  const folder = await mkdtemp(join(tmpdir(), "handled-plan-"));
  try {
    const odd = join(folder, `it's 100% "odd" $HOME \\%d é`);
    await mkdir(odd);
    // Node itself cannot load a module from a path with a backslash.
    const script = join(folder, `it's 100% "odd" $HOME é.mjs`);
    const [logFile, envFile] = [join(odd, "the log"), join(odd, "env file")];
    await writeFile(script, PROGRAM);
    await writeFile(envFile, "export DATA_URL=postgresql://u:p&a$b;c`d@h/db\n");
    const name = "-odd 'name' $(touch x) % é";
    const [line] = planSchedule(
      {
        ...strategy,
        path: join(odd, "s.yaml"),
        databases: [{ name, backups: [{ name: "b", schedule: "* * * * *" }] }],
      },
      { node: process.execPath, program: script, logFile, envFile },
      NOW,
    );
    const command = cronCommand(line?.line.replace(/^(\S+ ){5}/, "") ?? "");
    for (const run of [1, 2]) {
      const { status, stdout, stderr } = spawnSync("env", ["-i", "/bin/sh", "-c", command], {
        encoding: "utf8",
      });
      expect([run, status, stdout, stderr]).toEqual([run, 0, "", ""]);
    }
    const [first = "", said, ...rest] = (await readFile(logFile, "utf8")).split("\n");
    expect(JSON.parse(first)).toMatchObject({
      args: ["--quiet", "backup", "--backup", "b", "--config", join(odd, "s.yaml"), "--", name],
      url: "postgresql://u:p&a$b;c`d@h/db",
    });
    expect(said).toBe("to the log too");
    // Appended, not overwritten.
    expect(rest).toHaveLength(3);
  } finally {
    await rm(folder, { recursive: true });
  }
});
