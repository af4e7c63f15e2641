import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { StatusJson } from "../src/json/status.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";

test("a database of the strategy that is new in a repository of others is not taken for a mistyped name", async () => {
  await using live = await freshDatabase({ sql: "create table item as select 1 as id" });
  await using folder = await temporaryFolder();
  const write = async (name: string) =>
    await writeFile(
      join(folder.path, "handled.yaml"),
      stringify({
        version: 1,
        repositories: { local: { url: "backups" } },
        databases: { [name]: { url: live.url, backups: [{ name: "nightly" }] } },
      }),
    );
  const handled = async (...args: string[]) => await runCli(args, { cwd: folder.path });
  await write("orders");
  expect((await handled("backup")).code).toBe(0);
  await write("order");
  const told = await handled("status");
  expect(told.stderr + told.stdout).not.toContain("did you mean");
  expect(told.stdout).toContain("order: there is no backup");
  const mistyped = await handled(
    "status",
    "order",
    "--url",
    live.url,
    "--repository",
    join(folder.path, "backups"),
  );
  expect(mistyped.stderr).toContain("did you mean orders?");
});

test("nothing is written to the only place when its disk is not mounted: it is told, and --new-place begins anew", async () => {
  await using live = await freshDatabase({ sql: "create table item as select 1 as id" });
  await using folder = await temporaryFolder();
  const [home, disk] = [join(folder.path, "home"), join(folder.path, "disk")];
  await mkdir(home);
  const options = { env: { HOME: home } };
  const place = ["--repository", disk];
  const backUp = async (...more: string[]) =>
    await runCli(["backup", "data", "--url", live.url, ...place, ...more], options);
  const look = async () => {
    const result = await runCli(["status", "data", ...place, "--json"], options);
    return StatusJson.parse(jsonOf(result)).databases[0]?.problems ?? [];
  };
  expect((await look()).map(({ id, message }) => [id, message])).toEqual([
    ["backup-overdue", "there is no backup"],
  ]);
  expect((await backUp()).code).toBe(0);
  expect(await look()).toEqual([]);

  // As it looks when it is not mounted.
  await rename(disk, `${disk}.away`);
  await mkdir(disk);
  const refused = await backUp();
  expect(refused.code).toBe(10);
  expect(refused.stderr).toMatch(
    /is no repository, and this machine wrote backups there, the last on \d{4}-/,
  );
  expect(refused.stderr).toContain("see whether its disk or share is mounted");
  expect(refused.stderr).toContain("`handled backup data --new-place`");
  expect(await readdir(disk)).toEqual([]);
  expect(await look()).toMatchObject([
    {
      id: "repository-unreadable",
      message: expect.stringContaining("a disk or share may not be mounted"),
      hint: expect.stringContaining("see whether its disk or share is mounted"),
    },
  ]);

  await rm(disk, { recursive: true });
  await rename(`${disk}.away`, disk);
  expect(await look()).toEqual([]);
  expect((await backUp()).code).toBe(0);

  await rm(disk, { recursive: true });
  expect((await backUp("--new-place")).code).toBe(0);
  expect((await backUp()).code).toBe(0);
});
