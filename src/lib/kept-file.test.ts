import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/postgres.ts";
import { keepFile } from "./kept-file.ts";

const keep = async (path: string, says: string, text = `text of ${says}\n`) =>
  await keepFile({ path, name: "handled runbook", says, text: () => text, stamp: "20241211_020000" });

test("it is written when it says something else, and only then; whoever may read it still may", async () => {
  await using there = await temporaryFolder();
  const path = join(there.path, "runbook.md");
  expect(await keep(path, "one")).toEqual({ written: true });
  expect(await readFile(path, "utf8")).toMatch(/^<!-- handled runbook \w{32} \w{32} -->\ntext of one\n$/);
  expect(await keep(path, "one", "another age\n")).toEqual({ written: false });
  await chmod(path, 0o644);
  expect(await keep(path, "two")).toEqual({ written: true });
  expect(await readFile(path, "utf8")).toContain("text of two");
  expect((await stat(path)).mode & 0o777).toBe(0o644);
  expect(await readdir(there.path)).toEqual(["runbook.md"]);
});

test("what somebody has changed in it is kept beside it, each time under another name", async () => {
  await using there = await temporaryFolder();
  const path = join(there.path, "runbook.md");
  await keep(path, "one");
  for (const copy of [`${path}.edited-20241211_020000`, `${path}.edited-20241211_020000-1`]) {
    const edited = `${await readFile(path, "utf8")}Ask Ada: ${copy}\n`;
    await writeFile(path, edited);
    expect(await keep(path, "one")).toEqual({ written: true, copy });
    expect(await readFile(copy, "utf8")).toBe(edited);
    expect(await readFile(path, "utf8")).toMatch(/\ntext of one\n$/);
  }
});

test("a file of somebody else stays as it is, and so does a folder; a folder that is missing is named", async () => {
  await using there = await temporaryFolder();
  for (const text of ["# Our runbook\n", "", "<!-- handled runbooks -->\n"]) {
    const path = join(there.path, "theirs.md");
    await writeFile(path, text);
    await expect(keep(path, "one")).rejects.toMatchObject({ code: "target_exists" });
    expect(await readFile(path, "utf8")).toBe(text);
  }
  await mkdir(join(there.path, "folder.md"));
  await expect(keep(join(there.path, "folder.md"), "one")).rejects.toMatchObject({ code: "usage" });
  await expect(keep(join(there.path, "nowhere", "runbook.md"), "one")).rejects.toMatchObject({
    code: "usage",
  });
});
