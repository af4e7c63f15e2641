import { spawnSync } from "node:child_process";
import { appendFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ERRORS } from "../src/errors.ts";
import { temporaryFolder } from "./support/temporary-folder.ts";

const SCRIPT = join(import.meta.dirname, "../scripts/reference.ts");

function reference(...args: string[]): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, ...args], { encoding: "utf8" });
  return { status, stderr };
}

test("the pages are made from the source, and what drifts from it is named", async () => {
  await using folder = await temporaryFolder();
  const pages = join(folder.path, "reference");
  await mkdir(pages);
  expect(reference("--folder", pages)).toEqual({ status: 0, stderr: "" });
  expect(reference("--folder", pages, "--check")).toEqual({ status: 0, stderr: "" });
  const errors = await readFile(join(pages, "errors.md"), "utf8");
  for (const code of Object.keys(ERRORS)) expect(errors).toContain(`| \`${code}\` |`);
  await appendFile(join(pages, "cli.md"), "by hand\n");
  await writeFile(join(pages, "config.md"), "");
  expect(reference("--folder", pages, "--check")).toEqual({
    status: 1,
    stderr:
      `${pages}/cli.md is not what the source says\n${pages}/config.md is not what the source says\n` +
      "hint: `npm run reference` writes it anew\n",
  });
});
