import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { backedUp, expectedDatabase } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { temporaryFolder, uniqueName } from "./support/postgres.ts";

const SQL = `
  create schema a; create schema b;
  create table a.t as select generate_series(1, 10) as id;
  create table b.t as select generate_series(1, 300) as id;
  create table b.parted (id int) partition by range (id);
  create table b.part partition of b.parted for values from (0) to (100);
  insert into b.parted values (1), (2);
  create materialized view a.total as select count(*) as n from a.t;
`;

test.each(["archive", "snapshot"])(
  "a restore of kind %s announces what is chosen, what is checked when, and views that are filled anew",
  async (kind) => {
    await using subject = await backedUp({ sql: SQL, backup: ["--kind", kind] });
    const checked =
      kind === "archive"
        ? "checked whole"
        : "every part is there, what is in them is checked while it is loaded";
    const announced = async (...args: string[]) => await subject.restore(["latest", "--dry-run", ...args]);

    const whole = (await announced()).stdout;
    expect(whole).toContain(`: 312 rows in 3 tables, ${checked}\n`);
    expect(whole).toContain("filled anew from other tables: 1 materialized view\n");
    const schema = await announced("--schema", "a");
    expect(schema.stdout).toContain(`: the chosen 10 rows in 1 table, ${checked}\n`);
    expect(schema.stdout).toContain("1 materialized view\n");
    const table = await announced("--table", "b.t");
    expect(table.stdout).toContain(`: the chosen 300 rows in 1 table, ${checked}\n`);
    expect(table.stdout).not.toContain("materialized view");
    expect(jsonOf(await announced("--table", "b.t", "--json"))).toMatchObject({ tables: 1, rows: 300 });
    // Which its partitions are, only a database tells.
    const parted = await announced("--table", "b.parted");
    expect(parted.stdout).toContain(`: what is chosen of 312 rows in 3 tables, ${checked}\n`);

    await using restored = expectedDatabase(uniqueName());
    const done = await subject.restore(["latest", "--new-database", restored.name]);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stdout).toContain(
      "  Views     1 materialized view filled anew from other tables, not compared",
    );
    expect(await restored.query("select n::int from a.total")).toEqual([{ n: 10 }]);

    await subject.backup("--kind", kind, "--schema", "a");
    expect((await announced()).stdout).toContain(": 10 rows in 1 table; the backup has only a, ");
  },
);

test("how much is loaded is announced, and how long that takes once a restore was measured", async () => {
  await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
  const announced = async (...args: string[]) => await subject.restore(["latest", "--dry-run", ...args]);
  const before = await announced();
  expect(before.stdout).toMatch(
    /\n {2}[\d.]+ KiB before compression; how long that takes was not measured yet\n$/,
  );
  expect(jsonOf(await announced("--json"))).toMatchObject({ estimatedMs: null, estimatedBy: null });
  const proven = await runCli([
    "verify",
    subject.name,
    "--level",
    "restore",
    "--repository",
    subject.repository,
  ]);
  expect(proven.code, proven.stderr).toBe(0);
  expect((await announced()).stdout).toMatch(
    /before compression: about [\d.]+ m?s, by the restore of \S+ on a throw-away server, [\d-]+\n$/,
  );
  const all = jsonOf(await announced("--json"));
  expect(all).toMatchObject({ estimatedMs: expect.any(Number), bytes: expect.any(Number) });
  const some = jsonOf(await announced("--table", "a.t", "--json"));
  expect(some["bytes"]).toBeLessThan(Number(all["bytes"]));
  expect(some["bytes"]).toBeGreaterThan(0);
});

test("after a swap the command is shown that takes it back, with what it needs and no password", async () => {
  await using folder = await temporaryFolder();
  await using subject = await backedUp({ sql: "create table t as select 1 as id" });
  const { live, name, repository } = subject;
  const undoOf = (stdout: string): string => /^ {2}Undo {6}handled (.*)$/m.exec(stdout)?.[1] ?? "";
  const byUrl = await subject.restore(["latest", "--swap", "--yes"]);
  expect(byUrl.code, byUrl.stderr).toBe(0);
  const undo = undoOf(byUrl.stdout);
  expect(undo).toBe(`restore ${name} --undo --url ${live.url}`);
  expect((await runCli([...undo.split(" "), "--yes"])).code).toBe(0);

  await writeFile(
    join(folder.path, "my strategy.yaml"),
    `version: 1\nrepositories: { local: { url: ${repository} } }\ndatabases: { "${name}": { url: "${live.url}" } }\n`,
  );
  const config = ["--config", "my strategy.yaml"];
  const byConfig = await runCli(["restore", name, "--swap", "--yes", ...config], { cwd: folder.path });
  expect(byConfig.code, byConfig.stderr).toBe(0);
  expect(undoOf(byConfig.stdout)).toBe(`restore ${name} --undo --config 'my strategy.yaml'`);

  const secret = new URL(live.url);
  secret.password = "hunter22";
  const place = ["--url", secret.href, "--repository", repository];
  const bySecret = await runCli(["restore", name, "--swap", "--yes", ...place]);
  expect(bySecret.code, bySecret.stderr).toBe(0);
  expect(undoOf(bySecret.stdout)).toBe(`restore ${name} --undo --url …`);
});
