import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCli } from "../../../test/support/cli.ts";
import { sampleRepository } from "../../../test/support/sample-repository.ts";

test("files with keys and passwords that others may read are found, each, and no more once they are closed", async () => {
  await using there = await sampleRepository([], true);
  const home = join(there.path, "home");
  const files = [
    join(home, ".pgpass"),
    join(home, ".postgresql/postgresql.key"),
    join(there.path, "handled.env"),
    join(there.path, "handled.yaml"),
  ];
  await mkdir(join(home, ".postgresql"), { recursive: true });
  for (const file of files) await writeFile(file, "", { mode: 0o644 });
  await writeFile(
    join(there.path, "handled.yaml"),
    "version: 1\nrepositories: { local: { url: ./repository } }\n" +
      "databases: { shop: { url: 'postgresql://ada:secret@db/shop' } }\n",
  );
  const env = { HOME: home };
  const look = async () => await runCli(["status"], { env, cwd: there.path });
  const exposed = await look();
  expect(exposed.code).toBe(4);
  for (const file of files) {
    expect(exposed.stdout).toContain(`✗ others may read ${file}, which holds `);
    await chmod(file, 0o600);
  }
  expect((await look()).stdout).not.toContain("others may read");
});
