import { execFile } from "node:child_process";
import { copyFile, cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { buildProgram } from "../scripts/build-program.ts";
import { cliEnvironment } from "./support/cli.ts";
import { expectedDatabase } from "./support/backed-up.ts";
import { freshDatabase, temporaryFolder, uniqueName } from "./support/postgres.ts";

const BIN = join(import.meta.dirname, "../bin/handled.js");
const DOCS = join(import.meta.dirname, "../docs");
// Enough text for threads to load it.
const SQL = `create table item as select g as id, repeat(md5(g::text), 40) as word from generate_series(1, 8000) g;
  create table other as select g as id, repeat(md5(g::text), 40) as word from generate_series(1, 2000) g`;

test("what is published needs no package beside it: a backup, its proof, its restore, each with threads", async () => {
  await using folder = await temporaryFolder();
  await mkdir(join(folder.path, "bin"));
  await copyFile(BIN, join(folder.path, "bin/handled.js"));
  await cp(DOCS, join(folder.path, "docs"), { recursive: true });
  await buildProgram(join(folder.path, "dist"));
  await using live = await freshDatabase({ sql: SQL });
  await using target = expectedDatabase(uniqueName());
  const repository = join(folder.path, "repository");
  const handled = async (...args: string[]): Promise<string> => {
    const all = ["--no-warnings", join(folder.path, "bin/handled.js"), ...args, "--repository", repository];
    const env = cliEnvironment({ HOME: folder.path });
    return (await promisify(execFile)(process.execPath, all, { env, cwd: folder.path })).stdout;
  };
  await handled("backup", "--url", live.url, "--kind", "snapshot", "--jobs", "2");
  const proof = await handled("verify", live.name, "latest", "--level", "content", "--json");
  expect(JSON.parse(proof)).toMatchObject({ proven: "content" });
  expect(await handled("kit", live.name)).toContain("zstd -dc");
  await handled("restore", live.name, "latest", "--url", live.url, "--new-database", target.name);
  const [row] = await target.query("select count(*)::int as rows, max(word) as word from item");
  expect([row]).toEqual(await live.query("select count(*)::int as rows, max(word) as word from item"));
  // A thread that cannot even start is told, and nobody waits for it.
  for (const [thread, ...command] of [
    ["check-worker", "verify", live.name, "latest", "--level", "integrity"],
    ["load-worker", "restore", live.name, "latest", "--url", live.url, "--new-database", `${target.name}_2`],
    ["copy-worker", "backup", "--url", live.url, "--kind", "snapshot"],
  ] as const) {
    await rm(join(folder.path, `dist/${thread}.js`));
    await expect(handled(...command), thread).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/a (worker|thread) broke: .*Cannot find module/),
    });
  }
});
