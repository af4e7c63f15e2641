import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { jsonOf, runCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";

// A repository as format version 1 was first written. What it holds is told by the SQL beside it, not by this program.
const FIXTURE = join(import.meta.dirname, "fixtures/golden-repository");

async function backupsIn(repository: string): Promise<{ id: string; kind: string }[]> {
  const result = await runCli(["list", "golden", "--repository", repository, "--json"]);
  expect(result, result.stderr).toMatchObject({ code: 0 });
  const { databases } = jsonOf(result) as { databases: { backups: { id: string; kind: string }[] }[] };
  // Oldest first.
  return (databases[0]?.backups ?? []).toReversed();
}

test("every backup in a repository of this format's first day is sound and comes back as it was", async () => {
  await using folder = await temporaryFolder();
  const repository = join(folder.path, "repository");
  await cp(join(FIXTURE, "repository"), repository, { recursive: true, verbatimSymlinks: true });
  const backups = await backupsIn(repository);
  expect(backups.map(({ kind }) => kind)).toEqual(["archive", "snapshot", "snapshot"]);

  await using original = await freshDatabase();
  for (const [index, { id }] of backups.entries()) {
    const name = index === 0 ? "source.sql" : index === 2 ? "change.sql" : undefined;
    if (name !== undefined) await original.query(await readFile(join(FIXTURE, name), "utf8"));
    const checked = await runCli([
      "verify",
      "golden",
      id,
      "--level",
      "integrity",
      "--repository",
      repository,
    ]);
    expect(checked, checked.stderr).toMatchObject({ code: 0 });
    await using restored = await freshDatabase();
    const args = ["restore", "golden", id, "--repository", repository, "--to", restored.url, "--yes"];
    const result = await runCli(args);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(original.url));
  }
});
