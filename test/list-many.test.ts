import { spawn } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { once } from "node:events";
import { expect, test } from "vitest";
import { ListJson } from "../src/json/look.ts";
import { builtProgram } from "./support/built-program.ts";
import { cliEnvironment, jsonOf, runCli, spawnCli } from "./support/cli.ts";
import { fillRepository } from "./support/many-backups.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

// More than are read together, and enough that a listing does not fit into a pipe.
const MANY = 700;

test("of very many backups each is listed once, newest first, and each damaged one is found", async () => {
  await using folder = await temporaryFolder();
  const ids = fillRepository(folder.path, MANY);
  const backup = (id: string, ...name: string[]): string => join(folder.path, "shop/backups", id, ...name);
  const [changed = "", noArchive = "", noTables = "", noContent = "", noIndex = "", vanished = ""] = [
    0, 2, 1, 3, 4, 601,
  ].map((n) => ids[n]);
  const text = await readFile(backup(changed, "index"), "utf8");
  await writeFile(backup(changed, "index"), text.replace('"rows":3', '"rows":"x"'));
  await rm(join(folder.path, "shop", `handled_${noArchive}.sql.gz`));
  await rm(backup(noTables, "tables"));
  await rm(backup(noContent, "content"));
  await rm(backup(noIndex, "index"));
  await rm(backup(vanished), { recursive: true });
  await mkdir(backup("20300101T000000Z-00aa"), { recursive: true });
  await writeFile(join(folder.path, "shop/theirs.dump"), "theirs");
  const listed = ListJson.parse(jsonOf(await runCli(["list", "--repository", folder.path, "--json"])));
  const [shop] = listed.databases;
  const gone = [changed, noArchive, noTables, noContent, noIndex];
  expect(shop?.backups.map(({ id }) => id)).toEqual(
    ids.filter((id) => ![...gone, vanished].includes(id)).toReversed(),
  );
  expect(shop?.damaged.map(({ id }) => id)).toEqual(gone.toSorted());
  // The archive of a backup whose index tells nothing is nobody's.
  expect(shop?.foreign.map(({ name }) => name)).toEqual(
    [`handled_${changed}.sql.gz`, `handled_${noIndex}.sql.gz`, "theirs.dump"].toSorted(),
  );
});

test("a changed byte in the index of a snapshot is found, wherever it is", async () => {
  await using folder = await temporaryFolder();
  const [, id = ""] = fillRepository(folder.path, 2);
  const path = join(folder.path, "shop/backups", id, "index");
  const index = await readFile(path);
  for (let at = 0; at < index.length; at += 7) {
    const changed = Buffer.from(index);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await writeFile(path, changed);
    const listed = ListJson.parse(jsonOf(await runCli(["list", "--repository", folder.path, "--json"])));
    expect(
      listed.databases[0]?.damaged.map((one) => one.id),
      `byte ${at}`,
    ).toEqual([id]);
  }
});

test("whoever reads our output slowly gets all of it, and may leave", async () => {
  await using folder = await temporaryFolder();
  fillRepository(folder.path, MANY);
  const args = ["list", "--repository", folder.path, "--json"];
  const { stdout } = await spawnCli(args).result;
  expect(ListJson.parse(JSON.parse(stdout)).databases[0]?.backups).toHaveLength(MANY);
  const child = spawn(process.execPath, [builtProgram("main"), ...args], {
    env: cliEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  await once(child.stdout, "readable");
  child.stdout.destroy();
  expect(await once(child, "close")).toEqual([0, null]);
});
