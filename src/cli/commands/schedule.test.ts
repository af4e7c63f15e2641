import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { jsonOf, runCli } from "../../../test/support/cli.ts";
import { fileCrontab } from "../../../test/support/crontab.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { ScheduleInstallJson, ScheduleRemoveJson, ScheduleShowJson } from "../../json/setup.ts";

const STRATEGY = `version: 1
repositories: { local: { url: ./backups } }
databases:
  data:
    url: \${DATA_URL}
    backups: [{ name: nightly, schedule: "0 2 * * *", keep: { days: 14 } }]
`;
const OTHERS = "# mine\n5 4 * * * /bin/true\n";

async function withCrontab() {
  const folder = await temporaryFolder();
  const crontab = await fileCrontab();
  await crontab.store(Buffer.from(OTHERS));
  await writeFile(join(folder.path, "handled.yaml"), STRATEGY);
  return {
    path: folder.path,
    options: { cwd: folder.path, env: crontab.env },
    install: ["schedule", "install", "--log", "handled.log"],
    crontab: async () => ((await crontab.stored()) ?? Buffer.from("")).toString(),
    [Symbol.asyncDispose]: async () => {
      await crontab[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describe("handled schedule", () => {
  test("installs once, shows it, and removes it; other lines stay", async () => {
    await using there = await withCrontab();
    const first = await runCli(there.install, there.options);
    expect(first.code).toBe(0);
    expect(first.stdout).toContain("✓ 1 scheduled job installed in the crontab of the current user");
    expect(first.stdout).toMatch(/^data +backup nightly +0 2 \* \* \* +\S+ 02:00:00 \(in .*\)$/m);
    expect(first.stdout).toContain(`output is appended to ${there.path}/handled.log`);
    // Cron has no environment, and nobody named a file with one.
    expect(first.stderr).toContain(
      "warning: the strategy needs 1 environment variable that scheduled runs do not have: DATA_URL",
    );
    const installed = await there.crontab();
    expect(installed).toContain(OTHERS);
    expect(installed).toContain(`${process.execPath} `);

    const again = await runCli(there.install, there.options);
    expect(again.stdout).toContain(
      "✓ 1 scheduled job in the crontab of the current user already, nothing changed",
    );
    expect(await there.crontab()).toBe(installed);

    const shown = await runCli(["schedule", "show"], there.options);
    expect(shown).toMatchObject({ code: 0, stderr: "" });
    expect(shown.stdout).toMatch(/^data +backup nightly .* ✓ yes$/m);

    const removed = await runCli(["schedule", "remove"], there.options);
    expect(removed.stdout).toBe("✓ the schedule is taken out of the crontab of the current user\n");
    expect(await there.crontab()).toBe(OTHERS);
    const nothing = await runCli(["schedule", "remove"], there.options);
    expect(nothing).toMatchObject({
      code: 0,
      stdout: `nothing is installed for ${there.path}/handled.yaml\n`,
    });
  });

  test("takes the environment file that init wrote without being told", async () => {
    await using there = await withCrontab();
    await writeFile(join(there.path, "handled.env"), "DATA_URL='service=data'\n", { mode: 0o600 });
    const result = await runCli([...there.install, "--json"], there.options);
    expect(result.stderr).toBe("");
    expect(ScheduleInstallJson.parse(jsonOf(result))).toMatchObject({
      method: "cron",
      changed: true,
      envFile: join(there.path, "handled.env"),
      warnings: [],
    });
    expect(await there.crontab()).toContain(`--env-file=${there.path}/handled.env`);
  });

  test("says when what is installed is not what the strategy wants", async () => {
    await using there = await withCrontab();
    const before = await runCli(["schedule", "show"], there.options);
    expect(before.stdout).toMatch(/^data +backup nightly .* ✗ no$/m);
    expect(before.stdout).toContain("`handled schedule install --cron` puts it right");
    await runCli(there.install, there.options);
    await writeFile(join(there.path, "handled.yaml"), STRATEGY.replace("0 2", "0 3"));
    const result = await runCli(["schedule", "show", "--json"], there.options);
    expect(ScheduleShowJson.parse(jsonOf(result)).schedules).toMatchObject([
      { method: "cron", upToDate: false, lines: [{ schedule: "0 3 * * *", installed: false }] },
    ]);
  });

  test("removes what a strategy installed that is broken by now", async () => {
    await using there = await withCrontab();
    await runCli(there.install, there.options);
    await writeFile(join(there.path, "handled.yaml"), "version: {");
    const result = await runCli(["schedule", "remove", "--cron", "--json"], there.options);
    expect(ScheduleRemoveJson.parse(jsonOf(result)).removed).toMatchObject([
      { method: "cron", changed: true },
    ]);
    expect(await there.crontab()).toBe(OTHERS);
    await rm(join(there.path, "handled.yaml"));
    expect((await runCli(["schedule", "remove", "--config", "handled.yaml"], there.options)).code).toBe(0);
  });

  test("refuses both at once, and a strategy without schedules", async () => {
    await using there = await withCrontab();
    expect((await runCli([...there.install, "--cron", "--systemd"], there.options)).code).toBe(2);
    await writeFile(join(there.path, "handled.yaml"), STRATEGY.replace(' schedule: "0 2 * * *",', ""));
    const result = await runCli(there.install, there.options);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("it schedules nothing\nhint: give a backup a `schedule:");
    expect(await readFile(join(there.path, "handled.yaml"), "utf8")).not.toContain("schedule:");
    expect(await there.crontab()).toBe(OTHERS);
  });
});
