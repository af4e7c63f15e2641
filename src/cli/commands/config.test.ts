import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { jsonOf, runCli } from "../../../test/support/cli.ts";
import { manualClock } from "../../../test/support/manual-clock.ts";
import { FULL_STRATEGY } from "../../../test/support/strategy.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { strategyJsonSchema } from "../../config/json-schema.ts";
import { ErrorJson } from "../../json/common.ts";
import { ConfigCheckJson } from "../../json/setup.ts";

const clock = manualClock();
const SECRET = "hunter22";
const env = { PRIMARY_DATABASE_URL: `postgresql://ada:${SECRET}@db.example:5433/app` };

async function withStrategy(text: string) {
  const folder = await temporaryFolder();
  await writeFile(join(folder.path, "handled.yaml"), text, { mode: 0o600 });
  return folder;
}

describe("handled config check", () => {
  test("a runbook is not to be written over a file of somebody else; over one of ours, and where there is none yet, it is", async () => {
    await using folder = await withStrategy(
      `${FULL_STRATEGY}runbook: { file: [runbook.md, no/such.html] }\n`,
    );
    const check = async (...args: string[]) =>
      await runCli(["config", "check", ...args], { cwd: folder.path, env, clock });
    const file = join(folder.path, "runbook.md");
    expect(await check()).toMatchObject({ code: 0, stderr: "" });
    await writeFile(file, "# Ours\n");
    const refused = await check();
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain(`runbook.file: write ${file}: the file there is not one of ours`);
    expect(ErrorJson.parse(jsonOf(await check("--json"))).error.code).toBe("strategy_invalid");
    expect(await readFile(file, "utf8")).toBe("# Ours\n");
    await writeFile(file, "<!-- handled runbook 0 0 -->\n# Runbook\n");
    expect(await check()).toMatchObject({ code: 0, stderr: "" });
  });

  test("shows what the strategy says, and when each backup is due", async () => {
    await using folder = await withStrategy(FULL_STRATEGY);
    const result = await runCli(["config", "check"], { cwd: folder.path, env, clock });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toContain(
      `✓ ${folder.path}/handled.yaml is valid: 1 database, times are of Europe/Berlin`,
    );
    for (const text of ["ada@db.example:5433/app", "config, customer", "1 d / 1 h", "days 14, min 3"]) {
      expect(result.stdout).toContain(text);
    }
    expect(result.stdout).toContain("0 3 * * *  2024-12-12 03:00:00 (in 11 h 29 min)");
    expect(result.stdout).not.toContain(SECRET);
  });

  test("JSON is as documented; a variable that is not set is a warning", async () => {
    await using folder = await withStrategy(FULL_STRATEGY);
    const result = await runCli(["config", "check", "--json"], { cwd: folder.path, clock });
    expect(result.code).toBe(0);
    expect(ConfigCheckJson.parse(jsonOf(result))).toMatchObject({
      databases: [
        {
          database: "primary",
          server: null,
          location: "/var/backups/handled",
          backups: [{ nextRun: "2024-12-12T02:00:00.000Z" }],
        },
      ],
      warnings: [expect.stringContaining("needs the environment variable `PRIMARY_DATABASE_URL`")],
    });
    expect(result.stderr).toContain("warning: strategy ");
  });

  test("names every problem with its line, for people and for machines", async () => {
    await using folder = await withStrategy(
      FULL_STRATEGY.replace("critical\n", "crucial\n").replace("timezone: Europe/Berlin", "timezone: Berlin"),
    );
    const result = await runCli(["config", "check"], { cwd: folder.path });
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toMatch(
      /handled.yaml:2:11: timezone must be .* \(and 1 more problem\)\n.*handled.yaml:11:18: /,
    );
    const json = await runCli(["config", "check", "--json"], { cwd: folder.path });
    expect(json.code).toBe(2);
    expect(ErrorJson.parse(jsonOf(json)).error).toMatchObject({
      code: "strategy_invalid",
      details: { problems: [{ line: 2 }, { line: 11, path: "databases.primary.criticality" }] },
    });
  });

  test("says where it looked when there is no strategy", async () => {
    await using folder = await temporaryFolder();
    const result = await runCli(["config", "check"], { cwd: folder.path });
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(`find a strategy: none of ${folder.path}/handled.yaml, `);
    const named = await runCli(["config", "check", "--config", "other.yaml"], { cwd: folder.path });
    expect(named.code).toBe(2);
    expect(named.stderr).toContain(`find strategy ${folder.path}/other.yaml: there is no such file`);
  });
});

test("handled config schema prints the JSON Schema", async () => {
  const result = await runCli(["config", "schema"]);
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(result.stdout)).toEqual(JSON.parse(JSON.stringify(strategyJsonSchema())));
});
