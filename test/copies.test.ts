import { readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BackupReportJson, CopyJson, ListJson } from "../src/cli/json.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { type FreshDatabase, freshDatabase, temporaryFolder } from "./support/postgres.ts";

const SQL = `
  create table item (id int primary key, note text);
  insert into item select n, repeat(md5(n::text), 20) from generate_series(1, 3000) n;
  create table other as select generate_series(1, 10) as id`;

/** A strategy with two folders, `local` and `offsite`. */
async function twoPlaces(live: FreshDatabase, folder: string, kind: string, rest = ""): Promise<void> {
  await writeFile(
    join(folder, "handled.yaml"),
    `version: 1
timezone: UTC
repositories:
  local: { url: ./local }
  offsite: { url: ./offsite${rest} }
databases:
  data:
    url: ${live.url}
    repositories: [local, offsite]
    backups:
      - { name: hourly, kind: ${kind} }
`,
  );
}

const contents = "select count(*)::int as rows, sum(length(note))::int as length from item";

function idOf(result: CliResult): string {
  return BackupReportJson.parse(jsonOf(result)).id;
}

async function idsIn(place: string): Promise<string[]> {
  const result = await runCli(["list", "data", "--repository", place, "--json"]);
  const { databases } = ListJson.parse(jsonOf(result));
  return databases.flatMap(({ backups }) => backups.map(({ id }) => id)).toSorted();
}

/** Path and size of every file below a folder but leases, which differ. */
async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter((name) => name.isFile() && !name.name.startsWith("lease."));
  const lines = await Promise.all(
    files.map(async (name) => {
      const path = join(name.parentPath, name.name);
      return `${path.slice(folder.length)} ${(await stat(path)).size}`;
    }),
  );
  return lines.toSorted();
}

test.each(["archive", "snapshot"])(
  "a backup of kind %s goes to two places, reading once, and each restores alone",
  async (kind) => {
    await using live = await freshDatabase({ sql: SQL });
    await using target = await freshDatabase();
    await using folder = await temporaryFolder();
    const cwd = folder.path;
    await twoPlaces(live, cwd, kind);
    const first = await runCli(["backup", "data", "--json"], { cwd });
    expect(first.code, first.stderr).toBe(0);
    await live.query("update item set note = 'changed' where id = 5");
    const second = await runCli(["backup", "data", "--json"], { cwd });
    expect(second.code, second.stderr).toBe(0);
    const report = BackupReportJson.parse(jsonOf(second));
    expect(report).toMatchObject({ degraded: false, places: [{ name: "local" }, { name: "offsite" }] });
    const [copied] = report.places[1]?.copied ?? [];
    expect(copied?.id).toBe(report.id);
    // Only what the first backup did not bring.
    if (kind === "snapshot") expect(copied?.thereObjects).toBeGreaterThan(0);
    expect(await filesIn(join(cwd, "offsite/data"))).toEqual(await filesIn(join(cwd, "local/data")));

    await rm(join(cwd, "local"), { recursive: true });
    const args = ["restore", "data", "--repository", join(cwd, "offsite"), "--to", target.url];
    const restored = await runCli(args);
    expect(restored.code, restored.stderr).toBe(0);
    expect(await target.query(contents)).toEqual(await live.query(contents));
  },
);

test("`copy` brings over what is missing, and again only what is missing", async () => {
  await using live = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const cwd = folder.path;
  await twoPlaces(live, cwd, "snapshot");
  const place = (name: string): string => join(cwd, name);
  const ids = [
    idOf(await runCli(["backup", "data", "--repository", place("local"), "--json"], { cwd })),
    idOf(
      await runCli(["backup", "data", "--repository", place("local"), "--kind", "archive", "--json"], {
        cwd,
      }),
    ),
  ].toSorted();
  const dry = await runCli(["copy", "--dry-run", "--json"], { cwd });
  expect(
    CopyJson.parse(jsonOf(dry))
      .places[1]?.copied.map(({ id }) => id)
      .toSorted(),
  ).toEqual(ids);
  expect(await readdir(cwd)).not.toContain("offsite");

  const copied = await runCli(["copy", "--json"], { cwd });
  expect(copied.code, copied.stderr).toBe(0);
  expect(await idsIn(place("offsite"))).toEqual(ids);
  const again = CopyJson.parse(jsonOf(await runCli(["copy", "data", "--json"], { cwd })));
  expect(again.places.flatMap((one) => one.copied)).toEqual([]);

  // Emptied behind our back, then filled from the other; and in the other direction.
  await rm(place("local"), { recursive: true });
  const back = await runCli(["copy", "data"], { cwd });
  expect(back.code, back.stderr).toBe(0);
  expect(back.stdout).toContain("local: 2 backups copied");
  expect(await filesIn(place("local/data"))).toEqual(await filesIn(place("offsite/data")));
  expect((await runCli(["verify", "data", "--repository", place("local")])).code).toBe(0);
});

test("what the other place's retention would not keep is not copied", async () => {
  await using live = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const cwd = folder.path;
  await twoPlaces(live, cwd, "snapshot", ", keep: { last: 1 }");
  const take = async (): Promise<string> => idOf(await runCli(["backup", "data", "--json"], { cwd }));
  const ids = [await take(), await take(), await take()];
  expect(await idsIn(join(cwd, "local"))).toEqual(ids.toSorted());
  expect(await idsIn(join(cwd, "offsite"))).toEqual([ids[2]]);
  expect((await runCli(["copy", "data"], { cwd })).code).toBe(0);
  expect(await idsIn(join(cwd, "offsite"))).toEqual([ids[2]]);
});

test("a place that fails leaves the run degraded, and the next one brings what it lacks", async () => {
  await using live = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const cwd = folder.path;
  await twoPlaces(live, cwd, "snapshot");
  for (const [broken, whole] of [
    ["offsite", "local"],
    ["local", "offsite"],
  ] as const) {
    await rm(join(cwd, broken), { recursive: true, force: true });
    // A file where the folder should be.
    await writeFile(join(cwd, broken), "");
    const result = await runCli(["backup", "data", "--json"], { cwd });
    expect(result.code, result.stderr).toBe(3);
    const report = BackupReportJson.parse(jsonOf(result));
    expect(report.degraded).toBe(true);
    expect(report.places.find(({ name }) => name === broken)?.error).not.toBeNull();
    expect(await idsIn(join(cwd, whole))).toContain(report.id);
    expect(result.stderr).toContain(broken);

    await rm(join(cwd, broken));
    const next = await runCli(["backup", "data", "--json"], { cwd });
    expect(next.code, next.stderr).toBe(0);
    expect(await idsIn(join(cwd, broken))).toEqual(await idsIn(join(cwd, whole)));
  }
});
