import { readdir, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PruneJson } from "../src/json/backup.ts";
import { ListJson, ShowJson } from "../src/json/look.ts";
import { StatusJson } from "../src/json/status.ts";
import { RestoreJson } from "../src/json/restore.ts";
import { expectedDatabase } from "./support/backed-up.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { freshPlace } from "./support/fresh-place.ts";
import { inBucket } from "./support/in-bucket.ts";
import { encrypted } from "./support/keys.ts";
import { freshDatabase, temporaryFolder, uniqueName } from "./support/postgres.ts";

function expectDone(result: CliResult): Record<string, unknown> {
  expect(result.code, result.stderr).toBe(0);
  return jsonOf(result);
}

test("a database with a snapshot every hour and an archive a week: lists, status, latest and retention know both", async () => {
  await using live = await freshDatabase({ sql: "create table item as select generate_series(1, 5) as id" });
  await using folder = await temporaryFolder();
  await using place = await freshPlace();
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
timezone: UTC
repositories: { local: { url: "${place.url}", garbageAge: 12h } }
databases:
  data:
    url: ${live.url}
    backups:
      - { name: hourly, kind: snapshot, jobs: 1, schedule: "0 * * * *", keep: { last: 2 } }
      - { name: weekly, kind: archive, schedule: "0 3 * * 0", keep: { last: 1 } }
`,
  );
  const run = async (...args: string[]): Promise<Record<string, unknown>> =>
    expectDone(await runCli([...args, "--json"], { cwd: folder.path }));
  const take = async (backup: string): Promise<string> =>
    String((await run("backup", "data", "--backup", backup))["id"]);
  const add = async (id: number): Promise<void> => {
    await live.query("insert into item values ($1)", [id]);
  };

  const archives = [await take("weekly")];
  const snapshots = [await take("hourly"), await take("hourly")];
  const list = async (): Promise<string[]> => {
    const { databases } = ListJson.parse(await run("list", "data"));
    return databases.flatMap(({ backups }) => backups.map(({ id, kind }) => `${kind} ${id}`));
  };
  const [archive = ""] = archives;
  expect((await list()).toSorted()).toEqual(
    [`archive ${archive}`, ...snapshots.map((id) => `snapshot ${id}`)].toSorted(),
  );
  // The newest is a snapshot; the link is about archives.
  const newest = snapshots.at(-1) ?? "";
  expect(ShowJson.parse(await run("show", "data", "latest"))).toMatchObject({ id: newest, kind: "snapshot" });
  const status = StatusJson.parse(await run("status", "data")).databases[0];
  expect(status).toMatchObject({ healthy: true, backups: 3, newest: { id: newest, kind: "snapshot" } });
  // Neither a bucket nor what is sealed has one.
  if (!inBucket() && !encrypted()) {
    const inFolder = await readdir(join(place.url, "data"));
    const link = inFolder.find((name) => name.includes("_latest")) ?? "";
    const file = await readlink(join(place.url, "data", link));
    expect(inFolder.filter((name) => name.endsWith(".sql.gz"))).toEqual([file, link].toSorted());
  }
  await using target = expectedDatabase(uniqueName());
  const restored = RestoreJson.parse(await run("restore", "data", "latest", "--new-database", target.name));
  expect(restored.source).toContain(newest);
  expect(await target.query("select count(*)::int as rows from item")).toEqual([{ rows: 5 }]);

  // Each kind follows its own rule, and neither takes the other's place.
  await add(6);
  snapshots.push(await take("hourly"));
  expect(await list()).toEqual([
    ...snapshots
      .slice(-2)
      .toReversed()
      .map((id) => `snapshot ${id}`),
    `archive ${archive}`,
  ]);
  archives.push(await take("weekly"));
  expect(await list()).toEqual([
    `archive ${archives.at(-1)}`,
    ...snapshots
      .slice(-2)
      .toReversed()
      .map((id) => `snapshot ${id}`),
  ]);
  expect(ShowJson.parse(await run("show", "data", "latest"))).toMatchObject({ kind: "archive" });
  await using other = expectedDatabase(uniqueName());
  await run("restore", "data", "latest", "--new-database", other.name);
  expect(await other.query("select count(*)::int as rows from item")).toEqual([{ rows: 6 }]);
  const [pruned] = PruneJson.parse(await run("prune", "data")).databases;
  expect(pruned).toMatchObject({ deleted: 0, garbage: { refused: [], deleted: { objects: 0 } } });
  // Noted when the snapshot was deleted at the end of a backup.
  expect(pruned?.garbage.waiting.objects).toBeGreaterThan(0);
  const words = await runCli(["prune", "data", "--dry-run", "--garbage-age", "0s"], { cwd: folder.path });
  expect(words.stdout).toMatch(/^\d+ parts? that no backup needs \(.*\) would be deleted$/m);
});

test("without a name the first entry is taken, or the first of the kind, and that is said", async () => {
  await using live = await freshDatabase({ sql: "create table item as select 1 as id" });
  await using folder = await temporaryFolder();
  await using place = await freshPlace();
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1
repositories: { local: { url: "${place.url}" } }
databases:
  data:
    url: ${live.url}
    backups:
      - { name: hourly, kind: snapshot, jobs: 1 }
      - { name: weekly, kind: archive, format: custom }
`,
  );
  const take = async (...args: string[]) => await runCli(["backup", ...args], { cwd: folder.path });
  const first = await take("data");
  expect(first.code, first.stderr).toBe(0);
  expect(first.stderr).toContain(
    "data: takes hourly (snapshot), the first of its backups; `--backup NAME` takes another: weekly",
  );
  const archive = await take("--kind", "archive", "--json");
  expect(expectDone(archive)).toMatchObject({ kind: "archive", schedule: "weekly", format: "custom" });
  expect(archive.stderr).not.toContain("takes");
  // The link to the archive before it is nothing that a snapshot has.
  expect(expectDone(await take("--backup", "hourly", "--json"))).toMatchObject({
    kind: "snapshot",
    latest: null,
  });
});

test("more jobs than a server has connections for are refused, with the reason", async () => {
  const result = await runCli(["backup", "data", "--kind", "snapshot", "--jobs", "65"]);
  expect(result.code).toBe(2);
  expect(result.stderr).toContain("Write a whole number from 1 to 64: each is a connection");
});
