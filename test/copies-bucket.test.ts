import { rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { BackupReportJson } from "../src/json/backup.ts";
import { openStorage } from "../src/storage/open.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { inMountNamespace } from "./support/mounts.ts";
import { spawnCli } from "./support/cli.ts";
import { freshBucket, objectStore, s3Environment } from "./support/object-store.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";

beforeAll(async () => {
  await objectStore();
});

const SQL = `
  create table item (id int primary key, note text);
  insert into item select n, repeat(md5(n::text), 20) from generate_series(1, 3000) n`;
const contents = "select count(*)::int as rows, sum(length(note))::int as length from item";

test.each(["archive", "snapshot"])(
  "a %s in a folder and a bucket: emptied behind our back, filled again, read from, mended",
  async (kind) => {
    const bucket = await freshBucket();
    await using live = await freshDatabase({ sql: SQL });
    await using target = await freshDatabase();
    await using folder = await temporaryFolder();
    const local = join(folder.path, "local");
    const env = s3Environment(bucket);
    const places = ["--repository", bucket.url, "--repository", local];
    const run = async (...args: string[]) => await runCli(args, { env });
    const taken = await run("backup", "data", "--kind", kind, "--url", live.url, ...places, "--json");
    expect(taken.code, taken.stderr).toBe(0);
    const { id } = BackupReportJson.parse(jsonOf(taken));

    const storage = openStorage(testRuntime(), bucket);
    const keys = await storage.keys("", "all", noAbort());
    for (const key of keys) await storage.delete(key, noAbort());
    const refused = await run("copy", "data", ...places);
    expect(refused.code, refused.stderr).toBe(3);
    expect(await storage.keys("", "all", noAbort())).toEqual([]);
    const copied = await run("copy", "data", "--new-place", ...places);
    expect(copied.code, copied.stderr).toBe(0);
    const back = await storage.keys("", "all", noAbort());
    const lasting = (all: string[]) =>
      all.filter((key) => !/lease\.|readers\/|records\/runs\//.test(key)).toSorted();
    expect(lasting(back)).toEqual(lasting(keys));

    // The folder is nearer, though the bucket is named first; what it lost comes from the bucket.
    await rm(join(local, "data/backups", id, "content"));
    for (const part of lasting(back).filter((key) => key.includes("/parts/") || key.endsWith(".sql.gz")))
      await rm(join(local, part));
    const mended = await run("verify", "data", id, "--repair", "--level", "integrity", ...places);
    expect(mended.code, mended.stderr).toBe(0);
    await rm(join(local, "data/backups", id, "content"));
    const restored = await run("restore", "data", id, "--to", target.url, ...places);
    expect(restored.code, restored.stderr).toBe(0);
    expect(await target.query(contents)).toEqual(await live.query(contents));
  },
);

test("a disk that is full in one of two places leaves the run degraded, and the other has the backup", async () => {
  await using live = await freshDatabase({
    sql: "create table item as select n as id, (select string_agg(md5((n * 1000 + k)::text), '') from generate_series(1, 400) k) as note from generate_series(1, 200) n",
  });
  await using folder = await temporaryFolder();
  const full = join(folder.path, "full");
  for (const order of [
    ["full", "wide"],
    ["wide", "full"],
  ]) {
    const cwd = join(folder.path, order[0] ?? "");
    const script = `mkdir -p "${full}" "${cwd}" && mount -t tmpfs -o size=1m none "${full}" && exec "$@"`;
    const places = order.flatMap((name) => ["--repository", join(folder.path, name)]);
    const args = [
      "backup",
      "data",
      "--url",
      live.url,
      "--kind",
      "snapshot",
      "--jobs",
      "1",
      ...places,
      "--new-place",
      "--json",
    ];
    const result = await spawnCli(args, { wrapper: inMountNamespace(script) }).result;
    expect(result.code, result.stderr).toBe(3);
    const report = BackupReportJson.parse(jsonOf(result));
    expect(report.places.find(({ name }) => name === full)?.error?.code).toBe("space_missing");
    const wide = join(folder.path, "wide");
    const verified = await runCli([
      "verify",
      "data",
      report.id,
      "--level",
      "integrity",
      "--repository",
      wide,
    ]);
    expect(verified.code, verified.stderr).toBe(0);
  }
});
