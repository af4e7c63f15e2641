import { execFileSync } from "node:child_process";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sealClassOf } from "../src/repository/sealing/classes.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { filesOf } from "./support/leftovers.ts";
import { freshDatabase, temporaryFolder } from "./support/postgres.ts";
import { expectDone } from "./support/expect-done.ts";

// Repositories as format versions 1 and 2 were first written. What they hold is told by the SQL, not by this program.
const FIXTURES = join(import.meta.dirname, "fixtures");
const SQL = join(FIXTURES, "golden-repository");
/** Beside the sealed one lie the keys it is sealed to: of an owner, and of a host. They are of no other use. */
const SEALED = "golden-sealed-repository";

interface Golden extends AsyncDisposable {
  readonly repository: string;
  readonly identity: string;
  /** With the identity, and with the host's key alone. */
  readonly owner: (args: readonly string[]) => Promise<CliResult>;
  readonly host: (args: readonly string[]) => Promise<CliResult>;
}

async function golden(fixture: string): Promise<Golden> {
  const folder = await temporaryFolder();
  await cp(join(FIXTURES, fixture), folder.path, { recursive: true, verbatimSymlinks: true });
  const repository = join(folder.path, "repository");
  const keys = join(folder.path, "test-keys");
  const identity = join(keys, "identity.txt");
  const run = async (args: readonly string[], env: Record<string, string>): Promise<CliResult> =>
    await runCli([...args, "--repository", repository], { env });
  return {
    repository,
    identity,
    owner: async (args) =>
      await run(args, { XDG_CONFIG_HOME: "", HANDLED_IDENTITY: fixture === SEALED ? identity : "" }),
    host: async (args) => await run(args, { XDG_CONFIG_HOME: keys, HANDLED_IDENTITY: "" }),
    [Symbol.asyncDispose]: async () => await folder[Symbol.asyncDispose](),
  };
}

async function backupsIn(run: Golden["owner"]): Promise<{ id: string; kind: string }[]> {
  const { databases } = jsonOf(expectDone(await run(["list", "golden", "--json"]))) as {
    databases: { backups: { id: string; kind: string }[] }[];
  };
  // Oldest first.
  return (databases[0]?.backups ?? []).toReversed();
}

test.each(["golden-repository", SEALED])(
  "%s: every backup of this format's first day is sound and comes back as it was",
  async (fixture) => {
    await using made = await golden(fixture);
    const backups = await backupsIn(made.owner);
    expect(backups.map(({ kind }) => kind)).toEqual(["archive", "snapshot", "snapshot"]);

    await using original = await freshDatabase();
    for (const [index, { id }] of backups.entries()) {
      const name = index === 0 ? "source.sql" : index === 2 ? "change.sql" : undefined;
      if (name !== undefined) await original.query(await readFile(join(SQL, name), "utf8"));
      expectDone(await made.owner(["verify", "golden", id, "--level", "integrity"]));
      await using restored = await freshDatabase();
      expectDone(await made.owner(["restore", "golden", id, "--to", restored.url, "--yes"]));
      expect(await contentsOf(restored.url)).toEqual(await contentsOf(original.url));
    }
  },
);

test("the host's key of the first day lists and checks the sealed one, and reads no backup of it", async () => {
  await using made = await golden(SEALED);
  const backups = await backupsIn(made.host);
  expect(backups).toHaveLength(3);
  expectDone(await made.host(["repository", "check"]));
  await using target = await freshDatabase();
  for (const { id } of backups) {
    const refused = await made.host(["restore", "golden", id, "--to", target.url, "--yes"]);
    expect(refused.code, refused.stderr).toBe(12);
  }
});

test("`age -d` opens every object of the sealed one, of each kind", async () => {
  await using made = await golden(SEALED);
  const kinds = new Set<string>();
  for (const key of await filesOf(made.repository)) {
    // The naming key lies among what is plain, and is sealed to both.
    const isNamingKey = /^system\/.*\.age$/.test(key);
    if (sealClassOf(key) === "plain" && !isNamingKey) continue;
    const open = (...options: string[]): Buffer =>
      execFileSync("age", ["-d", ...options, join(made.repository, key)], {
        stdio: ["ignore", "pipe", "ignore"],
      });
    expect(open("-i", made.identity).length, key).toBeGreaterThan(0);
    kinds.add(kindOf(key));
    const host = join(made.identity, "../handled/host.key");
    if (sealClassOf(key) === "secret") expect(() => open("-i", host), key).toThrow();
    else expect(open("-i", host), key).toEqual(open("-i", made.identity));
  }
  expect([...kinds].toSorted()).toEqual(
    ["archive", "content", "index", "naming key", "part", "part list", "proof", "tables"].toSorted(),
  );
});

function kindOf(key: string): string {
  if (key.startsWith("system/")) return "naming key";
  const [, folder = "", , name = ""] = key.split("/");
  const kinds: Record<string, string> = {
    parts: "part",
    tables: "part list",
    records: "proof",
    backups: name,
  };
  return kinds[folder] ?? "archive";
}
