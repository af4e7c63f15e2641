import { mkdir, readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { BackupReportJson, CopyJson } from "../src/json/backup.ts";
import { ListJson, ShowJson } from "../src/json/look.ts";
import { StatusJson } from "../src/json/status.ts";
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

/** Path and size of every file below a folder but leases and records of runs, which differ. */
async function filesIn(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = names.filter(
    (name) => name.isFile() && !name.name.startsWith("lease.") && !name.parentPath.includes("/records/runs/"),
  );
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
  const dry = await runCli(["copy", "--new-place", "--dry-run", "--json"], { cwd });
  expect(dry.code, dry.stderr).toBe(3);
  expect(
    CopyJson.parse(jsonOf(dry))
      .places[1]?.copied.map(({ id }) => id)
      .toSorted(),
  ).toEqual(ids);
  expect(await readdir(cwd)).not.toContain("offsite");

  const copied = await runCli(["copy", "--new-place", "--json"], { cwd });
  expect(copied.code, copied.stderr).toBe(0);
  expect(await idsIn(place("offsite"))).toEqual(ids);
  const again = CopyJson.parse(jsonOf(await runCli(["copy", "data", "--json"], { cwd })));
  expect(again.places.flatMap((one) => one.copied)).toEqual([]);

  // Emptied behind our back, then filled from the other; and in the other direction.
  await rm(place("local"), { recursive: true });
  const back = await runCli(["copy", "data", "--new-place"], { cwd });
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
    const next = await runCli(["backup", "data", "--new-place", "--json"], { cwd });
    expect(next.code, next.stderr).toBe(0);
    expect(await idsIn(join(cwd, broken))).toEqual(await idsIn(join(cwd, whole)));
  }
});

test("a place that is gone, as when its disk is not mounted, is not made anew before somebody says that it is new", async () => {
  await using live = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const cwd = folder.path;
  const id = await copied(live, cwd, "archive");
  for (const [gone, other, mount] of [
    ["offsite", "local", undefined],
    ["local", "offsite", []],
  ] as const) {
    const before = await idsIn(join(cwd, other));
    await rename(join(cwd, gone), join(cwd, "unmounted"));
    // What is left of a mount point is an empty folder.
    if (mount !== undefined) await mkdir(join(cwd, gone));
    const count = `should have ${before.length} backup${before.length === 1 ? "" : "s"} of data`;
    const taken = await runCli(["backup", "data", "--json"], { cwd });
    expect(taken.code, taken.stderr).toBe(3);
    const report = BackupReportJson.parse(jsonOf(taken));
    expect(report.places.find(({ name }) => name === gone)?.error?.code).toBe("repository_missing");
    expect(taken.stderr).toContain(count);
    expect(taken.stderr).toContain("may not be mounted");
    const copy = await runCli(["copy"], { cwd });
    expect(copy.code, copy.stderr).toBe(3);
    expect(copy.stdout).toContain("may not be mounted");
    const names = ["handled.yaml", other, "unmounted", ...(mount === undefined ? [] : [gone])];
    expect((await readdir(cwd)).toSorted()).toEqual(names.toSorted());
    if (mount !== undefined) {
      expect(await readdir(join(cwd, gone))).toEqual([]);
      // Another database's run made it a repository: that is no sign that it is there.
      const strange = ["--repository", join(cwd, gone), "--url", live.url];
      expect((await runCli(["backup", "other", "--new-place", ...strange])).code).toBe(0);
      const again = await runCli(["copy"], { cwd });
      expect(again.code, again.stdout).toBe(3);
      expect(again.stdout).toContain(", is empty, and should have");
      expect(await readdir(join(cwd, gone))).not.toContain("data");
    }
    if (mount === undefined) {
      const status = await runCli(["status"], { cwd });
      expect(status.code).toBe(4);
      expect(status.stdout).toContain(`degraded: ${gone}: `);
      const doctor = await runCli(["doctor"], { cwd });
      expect(doctor.code, doctor.stderr).toBe(0);
      expect(doctor.stdout).toContain(`! ${gone}: no repository here, while ${other} has`);
    }

    // Mounted again it gets what it missed.
    await rm(join(cwd, gone), { recursive: true, force: true });
    await rename(join(cwd, "unmounted"), join(cwd, gone));
    expect((await runCli(["copy"], { cwd })).code).toBe(0);
    expect(await idsIn(join(cwd, gone))).toEqual([...before, report.id].toSorted());
  }
  await rm(join(cwd, "offsite"), { recursive: true });
  const made = await runCli(["backup", "data", "--new-place", "--json"], { cwd });
  expect(made.code, made.stderr).toBe(0);
  expect(await idsIn(join(cwd, "offsite"))).toContain(id);
});

/** Two places with one backup of the kind in each. */
async function copied(live: FreshDatabase, folder: string, kind: string): Promise<string> {
  await twoPlaces(live, folder, kind);
  const result = await runCli(["backup", "data", "--json"], { cwd: folder });
  expect(result.code, result.stderr).toBe(0);
  return idOf(result);
}

/** Objects of a kind below a place, sorted. */
async function objectsIn(place: string, folder: "parts" | "tables"): Promise<string[]> {
  const path = join(place, "data", folder);
  const found = await readdir(path, { recursive: true, withFileTypes: true });
  return found.flatMap((file) => (file.isFile() ? [join(file.parentPath, file.name)] : [])).toSorted();
}

async function flipBit(path: string): Promise<void> {
  const data = await readFile(path);
  const at = Math.floor(data.length / 2);
  data[at] = (data[at] ?? 0) ^ 1;
  await writeFile(path, data);
}

describe("a restore falls back to another place", () => {
  const ways: [string, string, (local: string, id: string) => Promise<void>][] = [
    ["archive", "a flipped bit", async (local) => await flipBit(await archiveIn(local))],
    ["snapshot", "a flipped bit in each part", async (local) => await eachOf(local, "parts", flipBit)],
    ["snapshot", "parts that are gone", async (local) => await eachOf(local, "parts", (path) => rm(path))],
    [
      "snapshot",
      "a part cut short",
      async (local) => await eachOf(local, "parts", (path) => truncate(path, 10)),
    ],
    ["snapshot", "flipped bits in part lists", async (local) => await eachOf(local, "tables", flipBit)],
    [
      "snapshot",
      "a flipped bit in the content",
      async (local, id) => await flipBit(join(local, "data/backups", id, "content")),
    ],
    [
      "archive",
      "a flipped bit in the tables",
      async (local, id) => await flipBit(join(local, "data/backups", id, "tables")),
    ],
  ];
  test.each(ways)("%s: %s", async (kind, _what, damage) => {
    await using live = await freshDatabase({ sql: SQL });
    await using target = await freshDatabase();
    await using folder = await temporaryFolder();
    const cwd = folder.path;
    const id = await copied(live, cwd, kind);
    await damage(join(cwd, "local"), id);
    const restored = await runCli(["restore", "data", "--to", target.url], { cwd });
    expect(restored.code, restored.stderr).toBe(0);
    expect(await target.query(contents)).toEqual(await live.query(contents));
    expect(restored.stderr).toContain("is read from offsite");
    // The damage counts there, and there alone.
    const bad = await runCli(["list", "data", "--repository", join(cwd, "local")], { cwd });
    expect(bad.stdout).toMatch(/damaged|FAILED/);
    const good = await runCli(["list", "data", "--repository", join(cwd, "offsite")], { cwd });
    expect(good.stdout).not.toMatch(/damaged|FAILED/);
  });
});

async function archiveIn(place: string): Promise<string> {
  const names = await readdir(join(place, "data"));
  return join(place, "data", names.find((name) => /_\d{6}\.sql\.gz$/.test(name)) ?? "");
}

async function eachOf(
  place: string,
  folder: "parts" | "tables",
  work: (path: string) => Promise<void>,
): Promise<void> {
  for (const path of await objectsIn(place, folder)) await work(path);
}

test("a restore of the latest takes the newest that any place has, and passes over one that does not answer", async () => {
  await using live = await freshDatabase({ sql: SQL });
  await using target = await freshDatabase();
  await using folder = await temporaryFolder();
  const cwd = folder.path;
  await copied(live, cwd, "snapshot");
  await live.query("insert into item values (10000, 'newest')");
  const offsite = ["--repository", join(cwd, "offsite")];
  expect((await runCli(["backup", "data", ...offsite], { cwd })).code).toBe(0);
  const restored = await runCli(["restore", "data", "--to", target.url], { cwd });
  expect(restored.code, restored.stderr).toBe(0);
  expect(await target.query(contents)).toEqual(await live.query(contents));
  expect(restored.stderr).toContain("local is passed over");

  await rm(join(cwd, "local"), { recursive: true });
  await writeFile(join(cwd, "local"), "");
  await using again = await freshDatabase();
  const second = await runCli(["restore", "data", "--to", again.url], { cwd });
  expect(second.code, second.stderr).toBe(0);
  expect(await again.query(contents)).toEqual(await live.query(contents));
});

test("threads that load rows fall back as well, and tell of it", async () => {
  // Enough rows for threads.
  const sql =
    "create table item as select n as id, repeat(md5(n::text), 300) as note from generate_series(1, 1200) n";
  await using live = await freshDatabase({ sql });
  await using target = await freshDatabase();
  await using folder = await temporaryFolder();
  const cwd = folder.path;
  await copied(live, cwd, "snapshot");
  await eachOf(join(cwd, "local"), "parts", flipBit);
  const restored = await runCli(["restore", "data", "--jobs", "2", "--to", target.url], { cwd });
  expect(restored.code, restored.stderr).toBe(0);
  expect(await target.query(contents)).toEqual(await live.query(contents));
  expect(restored.stderr).toMatch(/local: read part .* is read from offsite/);
  expect(restored.stderr).toMatch(/\d\d objects? of .* could not be read from local/);
});

test("list, show and status show a backup once with its places, and say which place lacks one", async () => {
  await using live = await freshDatabase({ sql: SQL });
  await using folder = await temporaryFolder();
  const cwd = folder.path;
  const id = await copied(live, cwd, "snapshot");
  const json = async (...args: string[]): Promise<Record<string, unknown>> =>
    jsonOf(await runCli([...args, "--json"], { cwd }));
  const list = async () => ListJson.parse(await json("list", "data")).databases[0];
  expect(await list()).toMatchObject({ backups: [{ id, places: ["local", "offsite"] }], degraded: [] });
  const show = ShowJson.parse(await json("show", "data", "latest"));
  expect(show.places).toEqual([join(cwd, "local"), join(cwd, "offsite")]);
  const healthy = StatusJson.parse(await json("status", "data")).databases[0];
  expect(healthy).toMatchObject({ healthy: true, degraded: false, backups: 1 });

  const taken = await json("backup", "data", "--repository", join(cwd, "offsite"));
  const newest = String(taken["id"]);
  expect(await list()).toMatchObject({
    backups: [
      { id: newest, places: ["offsite"] },
      { id, places: ["local", "offsite"] },
    ],
    degraded: [{ place: "local", lacks: [newest], error: null }],
  });
  expect(ShowJson.parse(await json("show", "data", "latest")).id).toBe(newest);
  const text = await runCli(["status", "data"], { cwd });
  expect(text.code).toBe(4);
  expect(text.stdout).toContain(`degraded: local does not have ${newest}`);

  await rm(join(cwd, "offsite"), { recursive: true });
  await writeFile(join(cwd, "offsite"), "");
  expect(await list()).toMatchObject({
    backups: [{ id, places: ["local"] }],
    degraded: [{ place: "offsite", lacks: [] }],
  });
});
