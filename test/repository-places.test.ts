import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CheckJson, RepairJson, UsageJson } from "../src/json/repository.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";

test("usage, check and repair of a database in two places show each, and damage in one is that one's", async () => {
  await using live = await freshDatabase({ sql: "create table t as select generate_series(1, 100) as id" });
  await using folder = await temporaryFolder();
  const [near, far] = [join(folder.path, "near"), join(folder.path, "far")];
  await writeFile(
    join(folder.path, "handled.yaml"),
    `version: 1\nrepositories:\n  near: { url: ${near} }\n  far: { url: ${far} }\ndatabases:\n  shop: { url: "${live.url}", repositories: [near, far] }\n`,
  );
  const run = async (...args: string[]) => await runCli([...args, "shop", "--json"], { cwd: folder.path });
  expect(await run("backup", "--kind", "snapshot")).toMatchObject({ code: 0 });

  const usage = UsageJson.parse(jsonOf(await run("repository", "usage")));
  expect(usage.places.map(({ place }) => place)).toEqual([near, far]);
  for (const { databases } of usage.places) expect(databases[0]?.counts).toMatchObject({ snapshots: 1 });

  const parts = join(far, "shop/parts");
  for (const name of await readdir(parts)) await rm(join(parts, name), { recursive: true });
  const check = await run("repository", "check");
  expect(check.code).toBe(13);
  expect(CheckJson.parse(jsonOf(check)).places.map(({ place, damaged }) => [place, damaged])).toEqual([
    [near, 0],
    [far, 1],
  ]);
  const repair = RepairJson.parse(jsonOf(await run("repository", "repair", "--yes")));
  expect(repair.places.map(({ place, steps }) => [place, steps.map(({ id }) => id)])).toEqual([
    [near, []],
    [far, ["damage"]],
  ]);
});
