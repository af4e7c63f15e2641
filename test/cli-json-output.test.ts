import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ChecklistDoneJson, ChecklistJson } from "../src/json/checklist.ts";
import { BackupReportJson, CopyJson, PruneJson } from "../src/json/backup.ts";
import { ErrorJson } from "../src/json/common.ts";
import { KeyNewJson, KeyRewrapJson, KeyShowJson } from "../src/json/keys.ts";
import { HistoryJson } from "../src/json/history.ts";
import { DiffJson, ListJson, ShowJson } from "../src/json/look.ts";
import { StatusJson } from "../src/json/status.ts";
import { NotifyTestJson } from "../src/json/notify.ts";
import { RunbookJson } from "../src/json/runbook.ts";
import { FindChangeJson } from "../src/json/find-change.ts";
import { MissingRowsJson } from "../src/json/missing-rows.ts";
import { ExportJson, RestoreJson, UndoJson, VerifyJson } from "../src/json/restore.ts";
import {
  ConfigCheckJson,
  DoctorJson,
  InitJson,
  ScheduleInstallJson,
  ScheduleRemoveJson,
  ScheduleShowJson,
} from "../src/json/setup.ts";
import { CheckJson, KitJson, RepairJson, UsageJson } from "../src/json/repository.ts";
import { OUTPUTS } from "../src/cli/outputs.ts";
import { jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { fileCrontab } from "./support/crontab.ts";
import { httpReceiver } from "./support/http-receiver.ts";
import { freshDatabase, runSql } from "./support/postgres.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const SQL = `
  create schema shop;
  create table shop.products (id int primary key, name text);
  insert into shop.products select i, 'product ' || i from generate_series(1, 1000) i;
  create table shop.empty ();
  create materialized view shop.names as select name from shop.products;
`;

/** A team's machine: a database, a folder with a strategy for it, and a crontab. */
async function machine() {
  const database = await freshDatabase({ sql: SQL });
  const folder = await temporaryFolder();
  const crontab = await fileCrontab();
  const options = {
    cwd: folder.path,
    env: { PATH: `${crontab.env["PATH"]}:${process.env["PATH"]}`, HOME: folder.path },
  };
  const init = await runCli(
    ["init", "--database", `shop=${database.url}`, "--schemas", "shop", "--repository", "backups", "--json"],
    options,
  );
  return {
    database,
    options,
    path: folder.path,
    init,
    json: async (...args: string[]) => {
      const result = await runCli([...args, "--json"], options);
      return { code: result.code, stderr: result.stderr, value: jsonOf(result) };
    },
    [Symbol.asyncDispose]: async () => {
      const rows = await database.query<{ datname: string }>(
        "select datname from pg_database where datname like $1",
        [`${database.name}\\_%`],
      );
      for (const { datname } of rows)
        await runSql(database.url.replace(/[^/]*$/, "postgres"), `drop database "${datname}"`);
      await crontab[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

describe("JSON output", () => {
  test("every command prints what its schema says, from init to undo", async () => {
    await using there = await machine();
    const { json, database } = there;
    const checked = new Map<string, unknown>();
    const run = async (
      command: string,
      schema: { parse: (value: unknown) => unknown },
      ...args: string[]
    ) => {
      const { code, value, stderr } = await json(...args);
      expect({ args, code, stderr }).toMatchObject({ code: 0 });
      checked.set(command, schema.parse(value));
      return value;
    };
    checked.set("init", InitJson.parse(jsonOf(there.init)));
    await run("config check", ConfigCheckJson, "config", "check");
    await run("doctor", DoctorJson, "doctor");
    const backup = BackupReportJson.parse(await run("backup", BackupReportJson, "backup"));
    expect(backup).toMatchObject({
      database: "shop",
      kind: "archive",
      rows: 1000,
      totalBackups: 1,
      deleted: [],
    });
    await writeFile(join(there.path, "backups/shop/by_hand.sql"), "select 1;\n");
    await run("list", ListJson, "list");
    await run("history", HistoryJson, "history", "shop");
    await run("show", ShowJson, "show", "shop", "latest");
    expect(checked.get("show")).toMatchObject({
      id: backup.id,
      retention: { keep: true },
      tableDetails: [
        { name: "products", rows: 1000 },
        { name: "empty", rows: 0 },
        { name: "names", rows: null },
      ],
    });
    await run("diff", DiffJson, "diff", "shop", "latest", "live");
    await run("verify", VerifyJson, "verify", "shop");
    expect(checked.get("verify")).toMatchObject({
      id: backup.id,
      proven: "content",
      compared: { rows: 1000 },
    });
    await run("export", ExportJson, "export", "shop", "--file", join(there.path, "shop.sql.gz"));
    await run("status", StatusJson, "status");
    await appendFile(
      join(there.path, "handled.yaml"),
      "duties: [{ name: review, every: weekly, what: look }]\n",
    );
    await run("checklist done", ChecklistDoneJson, "checklist", "done", "review");
    await run("checklist", ChecklistJson, "checklist");
    await using team = await httpReceiver();
    const channels = `notify: { channels: { team: { kind: slack, url: "${team.url}" } } }\n`;
    await appendFile(join(there.path, "handled.yaml"), channels);
    await run("notify test", NotifyTestJson, "notify", "test");
    const places = ["backups", "copies"].map((name) => join(there.path, name));
    await run(
      "copy",
      CopyJson,
      "copy",
      "shop",
      "--new-place",
      ...places.flatMap((place) => ["--repository", place]),
    );
    expect(checked.get("copy")).toMatchObject({ places: [{ copied: [] }, { copied: [{ id: backup.id }] }] });
    await run("prune", PruneJson, "prune", "--dry-run");
    await run("restore", RestoreJson, "restore", "shop", "--new-database", `${database.name}_new`);
    await run("find-change", FindChangeJson, "find-change", "shop", "products", "--where", "id = 1");
    const missing = ["--missing-rows", "--table", "shop.products"];
    await run("restore --missing-rows", MissingRowsJson, "restore", "shop", ...missing, "--dry-run");
    await run("restore", RestoreJson, "restore", "shop", "--swap", "--yes");
    expect(checked.get("restore")).toMatchObject({
      replaces: true,
      rows: 1000,
      dropAfter: expect.any(String) as string,
    });
    await run("restore --undo", UndoJson, "restore", "shop", "--undo", "--yes");
    await run("schedule install", ScheduleInstallJson, "schedule", "install", "--log", "handled.log");
    await run("schedule show", ScheduleShowJson, "schedule", "show", "--cron");
    await run("kit", KitJson, "kit", "--file", join(there.path, "kit.html"));
    await run("runbook", RunbookJson, "runbook");
    await run("repository check", CheckJson, "repository", "check");
    await run("repository repair", RepairJson, "repository", "repair", "--yes");
    await run("repository usage", UsageJson, "repository", "usage");
    await run("schedule remove", ScheduleRemoveJson, "schedule", "remove", "--cron");
    const identity = join(there.path, "identity.txt");
    const { recipient } = KeyNewJson.parse(
      await run("key new", KeyNewJson, "key", "new", "--file", identity),
    );
    await run("key show", KeyShowJson, "key", "show");
    const sealed = ["--repository", join(there.path, "sealed")];
    await run("backup", BackupReportJson, "backup", "shop", ...sealed, "--recipient", recipient);
    const rewrap = ["key", "rewrap", ...sealed, "--recipient", recipient, "--identity", identity];
    await run("key rewrap", KeyRewrapJson, ...rewrap);
    // These have tests of their own.
    const others = [
      "audit",
      "user add",
      "user list",
      "user password",
      "user remove",
      "user restore",
      "user role",
      "user token list",
      "user token make",
      "user token revoke",
      "demo",
      "drill",
      "drill list",
      "drill note",
      "recover",
      "serve",
      "provider list",
      "provider sweep",
      "restore --provider",
      "show provider:TIME",
    ];
    expect(OUTPUTS.map(({ command }) => command).toSorted()).toEqual(
      [...checked.keys(), ...others].toSorted(),
    );
  });

  test("a command that fails prints the error, in words too", async () => {
    await using there = await machine();
    const { code, value, stderr } = await there.json("backup", "shop", "--schema", "shpo");
    expect(code).toBe(2);
    expect(ErrorJson.parse(value).error).toMatchObject({
      code: "schema_missing",
      hint: expect.stringContaining("did you mean shop?") as string,
    });
    expect(stderr).toMatch(/^handled: back up shop: .*\nhint: did you mean shop\?/);
  });

  test("the real program behaves as it does in the tests' own process", async () => {
    await using there = await machine();
    const { result } = spawnCli(["backup", "--json"], there.options);
    const { code, stdout } = await result;
    expect(code).toBe(0);
    const backup = BackupReportJson.parse(JSON.parse(stdout));
    expect((await readFile(backup.location)).length).toBe(backup.storedBytes);
    const failed = await spawnCli(["show", "nothing"], there.options).result;
    expect(failed).toMatchObject({ code: 1, stdout: "" });
    expect(failed.stderr).toBe(
      "handled: show nothing: there is no such backup\nhint: `handled list` shows those that there are\n",
    );
  });
});

test.each([
  [["backup", "--kind", "bogus"]],
  [["backup", "--nosuch"]],
  [["restore"]],
  [["export", "shop"]],
  [["frobnicate"]],
  [["restore", "shop", "--swap", "--undo"]],
  [["restore", "", "--repository", "/nowhere"]],
  [["prune", "shop", "", "--repository", "/nowhere"]],
  [["export", "shop", "--file", "-"]],
])("a command line that makes no sense is an error in JSON as well: %j", async (args) => {
  const result = await runCli([...args, "--json"]);
  expect(result.code).toBe(2);
  const { error } = ErrorJson.parse(jsonOf(result));
  expect(error.code).toBe("usage");
  expect(result.stderr).toContain(`handled: ${error.message}`);
  expect((await runCli(args)).stdout).toBe("");
});
