import { spawnSync } from "node:child_process";
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { jsonOf, runCli } from "../../../test/support/cli.ts";
import { temporaryFolder } from "../../../test/support/temporary-folder.ts";
import { loadStrategy } from "../../config/load.ts";
import { databaseUrl, repositoryUrl } from "../../config/strategy.ts";
import { makeRuntime } from "../../lib/runtime.ts";
import { InitJson } from "../../json/setup.ts";

const SECRET = "pass'w$rd#1";
const URL = `postgresql://ada:${encodeURIComponent(SECRET).replace("'", "%27")}@db.example/app`;
const ONE = ["--database", "data=postgresql://ada@db.example/app", "--repository", "backups"];

const load = async (folder: string, env: Record<string, string> = {}) =>
  await loadStrategy(makeRuntime({ env }), join(folder, "handled.yaml"), new AbortController().signal);

describe("handled init from flags", () => {
  test("writes the strategy of the flags and says what to do next", async () => {
    await using folder = await temporaryFolder();
    const result = await runCli(
      [
        "init",
        "--database",
        "primary=${PRIMARY_URL}",
        "--database",
        "data=postgresql://ada@db.example/app",
        "--schemas",
        "primary=config, customer",
        "--criticality",
        "primary=critical",
        "--rto",
        "1h",
        "--rpo",
        "data=2d",
        "--format",
        "primary=custom",
        "--schedule",
        "primary=30 1 * * *",
        "--keep-days",
        "30",
        "--repository",
        "backups",
        "--timezone",
        "Europe/Berlin",
        "--app-stop",
        "pm2 stop api",
        "--app-start",
        "pm2 restart api",
        "--app-health",
        "http://127.0.0.1:3000/health",
        "--contact",
        "Ada Lovelace, on call, +44 20 7946 0000, ada@example.org, at night too",
      ],
      { cwd: folder.path },
    );
    expect(result.code).toBe(0);
    expect(result.stderr).toBe("warning: the strategy needs variables that are not set: PRIMARY_URL\n");
    expect(result.stdout).toBe(
      `✓ wrote ${folder.path}/handled.yaml: the strategy, for you to read and change\n` +
        `✓ wrote ${folder.path}/handled.schema.json: with it, editors explain every key\n` +
        "next:\n  handled doctor\n  handled backup\n  handled schedule install\n",
    );
    const strategy = await load(folder.path);
    expect(strategy).toMatchObject({
      timeZone: "Europe/Berlin",
      contacts: [
        {
          name: "Ada Lovelace",
          role: "on call",
          phone: "+44 20 7946 0000",
          email: "ada@example.org",
          note: "at night too",
        },
      ],
      databases: [
        {
          name: "primary",
          url: { text: "${PRIMARY_URL}" },
          schemas: ["config", "customer"],
          criticality: "critical",
          objectives: { rpoMs: 86_400_000, rtoMs: 3_600_000 },
          application: { stop: "pm2 stop api", health: "http://127.0.0.1:3000/health" },
          backups: [{ format: "custom", schedule: "30 1 * * *", keep: { days: 30, min: 3 } }],
        },
        {
          name: "data",
          schemas: undefined,
          criticality: "medium",
          objectives: { rpoMs: 2 * 86_400_000, rtoMs: 3_600_000 },
          backups: [{ format: "plain", schedule: "0 2 * * *", keep: { days: 30, min: 3 } }],
        },
      ],
    });
    // Typed from here; the strategy may lie elsewhere.
    expect(repositoryUrl(makeRuntime(), strategy, "local")).toBe(join(folder.path, "backups"));
    expect((await stat(join(folder.path, "handled.yaml"))).mode & 0o777).toBe(0o600);
    expect(JSON.parse(await readFile(join(folder.path, "handled.schema.json"), "utf8"))).toHaveProperty(
      "properties",
    );
  });

  test("the application's .env and the variables in it: as given, as the file has them, or by custom", async () => {
    await using folder = await temporaryFolder();
    await writeFile(
      join(folder.path, ".env"),
      "SHOP_DB=postgresql://shop:secret@db/shop\nOTHER=postgresql://db/third\n",
    );
    const given = [
      "shop=postgresql://ada@db:5432/shop",
      "log=${LOG_URL}",
      "new-one=postgresql://db/x",
      "own=postgresql://db/y",
    ];
    const app = ["--app-stop", "pm2 stop api", "--app-start", "pm2 start api", "--repository", "backups"];
    const restart = "pm2 restart api --update-env";
    const result = await runCli(
      [
        "init",
        ...given.flatMap((one) => ["--database", one]),
        ...app,
        "--app-restart",
        restart,
        "--app-env-file",
        ".env",
        "--variable",
        "own=MY_URL",
      ],
      { cwd: folder.path },
    );
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(result.stderr).toContain(`the URL of shop is taken to be in SHOP_DB of ${folder.path}/.env`);
    expect(result.stderr).not.toContain("secret");
    const { databases } = await load(folder.path);
    expect(databases.map(({ variable }) => variable)).toEqual([
      "SHOP_DB",
      "LOG_URL",
      "NEW_ONE_DATABASE_URL",
      "MY_URL",
    ]);
    expect(databases[0]?.application).toMatchObject({ restart, envFile: join(folder.path, ".env") });
    const alone = await runCli(["init", ...ONE, "--variable", "A", "--force"], { cwd: folder.path });
    expect(alone).toMatchObject({ code: 2 });
    expect(alone.stderr).toContain("has no `envFile` to look for it in");
    const wrong = await runCli(["init", ...ONE, "--variable", "a-b", "--force"], { cwd: folder.path });
    expect(wrong.stderr).toContain("must be the name of an environment variable");
  });

  test("--kind snapshot writes a snapshot every hour, without what only an archive has", async () => {
    await using folder = await temporaryFolder();
    const args = ["init", ...ONE, "--database", "other=postgresql://ada@db/other", "--kind", "data=snapshot"];
    const result = await runCli([...args, "--format", "other=custom"], { cwd: folder.path });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect((await load(folder.path)).databases).toMatchObject([
      { name: "data", backups: [{ kind: "snapshot", format: undefined, schedule: "0 * * * *" }] },
      { name: "other", backups: [{ kind: "archive", format: "custom", schedule: "0 2 * * *" }] },
    ]);
  });

  test("a password goes to a file of its own and is never shown; the file works as the next steps say", async () => {
    await using folder = await temporaryFolder();
    const args = ["init", "--database", `data=${URL}`, "--repository", "/backups"];
    const result = await runCli(args, { cwd: folder.path });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toContain("next:\n  set -a; . ./handled.env; set +a\n  handled doctor\n");
    const strategy = await readFile(join(folder.path, "handled.yaml"), "utf8");
    for (const text of [result.stdout, strategy]) {
      expect(text).not.toContain(SECRET);
      expect(text).not.toContain(encodeURIComponent(SECRET));
    }
    expect((await stat(join(folder.path, "handled.env"))).mode & 0o777).toBe(0o600);
    const shell = 'set -a; . ./handled.env; set +a; printf %s "$DATA_DATABASE_URL"';
    const value = spawnSync("sh", ["-c", shell], { cwd: folder.path, env: {} }).stdout.toString();
    const runtime = makeRuntime({ env: { DATA_DATABASE_URL: value } });
    const [database] = (await load(folder.path)).databases;
    expect(database && databaseUrl(runtime, database)).toBe(URL);
  });

  test("JSON is as documented; --config says where", async () => {
    await using folder = await temporaryFolder();
    const args = [
      "init",
      "--database",
      `data=${URL}`,
      "--repository",
      "b",
      "--config",
      "etc/prod.yaml",
      "--json",
    ];
    const result = await runCli(args, { cwd: folder.path });
    const path = join(folder.path, "etc/prod.yaml");
    expect(InitJson.parse(jsonOf(result))).toEqual({
      strategy: path,
      schema: join(folder.path, "etc/handled.schema.json"),
      environmentFile: join(folder.path, "etc/handled.env"),
      variables: ["DATA_DATABASE_URL"],
      databases: ["data"],
      next: [
        `set -a; . ${folder.path}/etc/handled.env; set +a`,
        `handled doctor --config ${path}`,
        `handled backup --config ${path}`,
        `handled schedule install --config ${path}`,
      ],
    });
  });

  test("what is there is never replaced without --force, and then only what it is about", async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "handled.env"), "OTHER=1\n");
    const args = ["init", "--database", `data=${URL}`, "--repository", "/backups"];
    const refused = await runCli(args, { cwd: folder.path });
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toBe(
      `handled: write ${folder.path}/handled.env: the file is there already\n` +
        "hint: `--force` replaces it, `--config FILE` writes elsewhere\n",
    );
    expect(await readdir(folder.path)).toEqual(["handled.env"]);
    expect((await runCli([...args, "--force"], { cwd: folder.path })).code).toBe(0);
    expect(await readFile(join(folder.path, "handled.env"), "utf8")).toMatch(/^OTHER=1\nDATA_DATABASE_URL='/);
    const before = await readFile(join(folder.path, "handled.yaml"), "utf8");
    expect((await runCli(["init", ...ONE], { cwd: folder.path })).code).toBe(2);
    expect(await readFile(join(folder.path, "handled.yaml"), "utf8")).toBe(before);
  });

  test.each([
    [
      ["--database", "postgresql://ada@db/app", "--repository", "b"],
      "`--database` needs a name and a connection string",
    ],
    [
      ["--database", "service=data", "--repository", "b"],
      "`--database` needs a name and a connection string",
    ],
    [
      ["--database", "data=postgresql://ada@db:port/app", "--repository", "b"],
      "init: database data: read the connection",
    ],
    [[...ONE, "--database", "data=service=x"], "database data is given twice"],
    [
      [...ONE, "--schemas", "dta=public"],
      "`--schemas dta=public` is for a database that no `--database` gives",
    ],
    [
      [...ONE, "--criticality", "huge"],
      "`--criticality` must be one of critical, high, medium, low, not huge",
    ],
    [[...ONE, "--kind", "copy"], "`--kind` must be one of archive, snapshot, not copy"],
    [
      [...ONE, "--kind", "snapshot", "--format", "custom"],
      "`--format` is nothing that a snapshot has, as data gets",
    ],
    [[...ONE, "--rpo", "data=1 day"], "`--rpo` must be a duration"],
    [[...ONE, "--schedule", "@daily"], "`--schedule` needs the five fields of cron"],
    [[...ONE, "--timezone", "Berlin"], "`--timezone` must be an IANA time zone"],
    [[...ONE, "--app-stop", "x"], "needs both `--app-stop` and `--app-start`"],
    [[...ONE, "--contact", "Ada"], 'contact "Ada" needs a name and a role'],
    [
      [...ONE, "--schemas", "a,a"],
      "these answers make no strategy: databases.data.schemas[1] is `a`, like one before it",
    ],
    [["--repository", "b"], "init: `--database` and `--repository` must be given where nobody can be asked"],
    [["--database", "data=service=x", "--yes"], "init: "],
  ])("%j is refused, and nothing is written", async (args, message) => {
    await using folder = await temporaryFolder();
    const result = await runCli(["init", ...args], { cwd: folder.path });
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toContain(message);
    expect(await readdir(folder.path)).toEqual([]);
  });

  test("a password in a broken connection string is not shown", async () => {
    await using folder = await temporaryFolder();
    const args = ["init", "--database", `data=${URL}?sslmode=nonsense`, "--repository", "b"];
    const result = await runCli(args, { cwd: folder.path });
    expect(result.code).toBe(2);
    expect(result.stderr).not.toContain(SECRET);
    expect(result.stderr).not.toContain("pass%27w");
  });

  test("a folder that cannot be written is named with a hint", async () => {
    await using folder = await temporaryFolder();
    await writeFile(join(folder.path, "file"), "");
    const result = await runCli(["init", ...ONE, "--config", "file/handled.yaml"], { cwd: folder.path });
    expect(result.code).toBe(2);
    expect(result.stderr).toMatch(/^handled: .*\nhint: /);
  });
});
