import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { backedUp } from "./support/backed-up.ts";
import { runCli } from "./support/cli.ts";
import { uniqueName } from "./support/postgres.ts";

const TABLES = ["t1", "t2", "t3"].map(
  (name) => `create table ${name} as select g, md5(g::text || '${name}') from generate_series(1, 50000) g;`,
);

/** Each `operation object` that a message begins with, as often as it is there. */
function prefixesOf(stderr: string): string[] {
  const line = stderr.split("\n").find((each) => each.startsWith("handled: ")) ?? "";
  return line.split(": ").slice(1, -1);
}

test("two tables that are damaged at once: the error names one of them", async () => {
  await using subject = await backedUp({ sql: TABLES.join("\n"), backup: ["--kind", "snapshot"] });
  const folder = join(subject.repository, subject.name, "parts");
  for (const name of await readdir(folder, { recursive: true })) {
    const path = join(folder, name);
    if (!(await stat(path)).isFile()) continue;
    const bytes = await readFile(path);
    bytes.fill(0x58, 2000, 2004);
    await writeFile(path, bytes);
  }
  const result = await subject.restore(["latest", "--new-database", uniqueName(), "--jobs", "3"]);
  expect(result.code).toBe(13);
  const loads = prefixesOf(result.stderr).filter((prefix) => prefix.startsWith("load "));
  expect(loads, result.stderr).toHaveLength(1);
});

test("no error says twice what was done to what", async () => {
  await using subject = await backedUp({ sql: "create table t (id int)" });
  const place = ["--repository", subject.repository];
  const { name } = subject;
  const commands = [
    ["verify", name, "nosuch", ...place],
    ["verify", "another", ...place],
    ["backup", name, "--backup", "nosuch", "--url", subject.live.url, ...place],
    ["restore", name, "nosuch", "--url", subject.live.url, ...place],
    ["export", name, "nosuch", "--file", join(subject.repository, "x"), ...place],
    ["export", name, "--file", "/no/such/folder/x", ...place],
    ["prune", "another", "--repository", join(subject.repository, "none")],
  ];
  for (const command of commands) {
    const { stderr } = await runCli(command);
    const prefixes = prefixesOf(stderr);
    const verbs = prefixes.map((prefix) => prefix.split(" ", 1)[0]);
    expect(prefixes.length, stderr).toBeGreaterThan(0);
    expect(new Set(verbs).size, stderr).toBe(verbs.length);
  }
});
