import { execFile, execFileSync } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { zstdDecompressSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { ListJson } from "../src/json/look.ts";
import { sealClassOf } from "../src/repository/sealing/classes.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { expectedDatabase } from "./support/backed-up.ts";
import { contentsOf } from "./support/database-contents.ts";
import { identityIn } from "./support/keys.ts";
import { temporaryFolder, uniqueName } from "./support/postgres.ts";
import { type Sealed, sealedBackups } from "./support/sealed-backups.ts";

const run = promisify(execFile);

// Words that would be found if anything of the rows, the definitions or the roles lay open.
const SQL = `
create table public.patients (id int primary key, secret_diagnosis text default 'Blauhimmelfieber');
insert into public.patients select g, 'Blauhimmelfieber ' || g from generate_series(1, 2000) g;
create table public.other as select g as id, 'Zitronenwasser' as pad from generate_series(1, 500) g;
comment on table public.patients is 'Gartenzwergkommentar';`;
const WORDS = [
  "Blauhimmelfieber",
  "secret_diagnosis",
  "Zitronenwasser",
  "Gartenzwergkommentar",
  "CREATE ROLE",
];

const KINDS = [
  ["an archive", []],
  ["an archive of zstd", ["--compression", "zstd"]],
  ["an archive in the custom format", ["--format", "custom"]],
  ["a snapshot", ["--kind", "snapshot", "--jobs", "2"]],
] as const;

function opens(key: string, file: string): boolean {
  try {
    execFileSync("age", ["-d", "-i", key, "-o", "/dev/null", file], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe.each(KINDS)("%s", (_kind, args) => {
  test("comes back with the identity alone, on a machine that knows nothing else", async () => {
    await using shop = await sealedBackups(SQL);
    const before = await contentsOf(shop.live.url);
    await shop.backup(args);
    await using restored = expectedDatabase(uniqueName());
    const result = await shop.person("restore", [shop.live.name, "latest", "--new-database", restored.name]);
    expect(result.code, result.stderr).toBe(0);
    expect(await contentsOf(restored.url)).toEqual(before);
    const proof = await shop.person("verify", [shop.live.name, "--json"]);
    expect(proof.code, proof.stderr).toBe(0);
    expect(jsonOf(proof)).toMatchObject({ outcome: "proven", proven: "content" });
  });

  test("lies sealed: nothing of it is readable, and the host's key opens only what it needs", async () => {
    await using shop = await sealedBackups(SQL);
    const { location } = await shop.backup(args);
    if (args[0] !== "--kind") expect(location).toMatch(/\.age$/);
    const root = `${shop.repository}/`;
    const seen = new Set<string>();
    for (const file of await shop.files()) {
      const bytes = await readFile(file);
      for (const word of WORDS) expect(bytes.includes(word), `${word} in ${file}`).toBe(false);
      const key = file.slice(root.length);
      const isNaming = key.startsWith("system/");
      const sealClass = isNaming ? "shared" : sealClassOf(key);
      if (sealClass === "plain") continue;
      seen.add(key.split("/").slice(1, 2).join() + sealClass);
      expect(opens(shop.owner.file, file), `age -d by the owner: ${key}`).toBe(true);
      expect(opens(shop.hostKey, file), `age -d by the host: ${key}`).toBe(sealClass === "shared");
    }
    expect(seen.size).toBeGreaterThanOrEqual(4);
  });

  test("cannot be restored or proven by the host: 12, and nothing is made", async () => {
    await using shop = await sealedBackups(SQL);
    await shop.backup(args);
    const operations = (await shop.files()).length;
    await using restored = expectedDatabase(uniqueName());
    const result = await shop.host("restore", [shop.live.name, "latest", "--new-database", restored.name]);
    expect(result.code, result.stderr).toBe(12);
    expect(result.stderr).toContain("--identity FILE");
    await expect(restored.query("select 1")).rejects.toThrow(/does not exist/);
    const proof = await shop.host("verify", [shop.live.name]);
    expect(proof.code, proof.stderr).toBe(12);
    expect((await shop.files()).length).toBe(operations);
  });

  test("is listed, shown, compared and pruned by the host", async () => {
    await using shop = await sealedBackups(SQL);
    const first = await shop.backup(args);
    const second = await shop.backup(args);
    const list = jsonOf(await shop.host("list", [shop.live.name, "--json"]));
    expect(JSON.stringify(list)).toContain(String(second["id"]));
    for (const [command, more] of [
      ["show", [String(first["id"])]],
      ["status", [shop.live.name]],
    ] as const) {
      const result = await shop.host(command, more);
      expect(result.code, `${command}: ${result.stderr}`).toBe(0);
    }
    const compare = ["diff", [String(first["id"]), String(second["id"])]] as const;
    expect((await shop.host(...compare)).code).toBe(12);
    expect((await shop.person(...compare)).code).toBe(0);
    const pruned = await shop.host("prune", [shop.live.name, "--keep", "last=1", "--json"]);
    expect(pruned.code, pruned.stderr).toBe(0);
    const rest = jsonOf(await shop.host("list", [shop.live.name, "--json"]));
    expect(JSON.stringify(rest)).not.toContain(String(first["id"]));
    expect(JSON.stringify(rest)).toContain(String(second["id"]));
  });
});

async function newParts(shop: Sealed, id: unknown): Promise<unknown> {
  const shown = jsonOf(await shop.person("show", [String(id), "--json"]));
  return (shown["snapshot"] as Record<string, unknown>)["newParts"];
}

test("the host reuses what did not change, and the names of parts tell nothing of their text", async () => {
  await using shop = await sealedBackups(SQL);
  const snapshot = ["--kind", "snapshot", "--jobs", "2"];
  await shop.backup(snapshot);
  await shop.live.query("update public.patients set secret_diagnosis = 'Blauhimmelfieber' where id = 7");
  const second = await shop.backup(snapshot);
  expect(second["parts"]).toMatchObject({ reused: expect.any(Number) });
  expect(await newParts(shop, second["id"])).toBe(1);
  const { stdout: text } = await run("psql", [shop.live.url, "-c", "copy public.other to stdout"]);
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256").update(text).digest("hex");
  const parts = (await shop.files()).filter((file) => file.includes("/parts/"));
  expect(parts.some((file) => file.includes(hash))).toBe(false);
  const opened = parts.map((file) => execFileSync("age", ["-d", "-i", shop.owner.file, file]));
  expect(opened.map((bytes) => zstdDecompressSync(bytes).toString())).toContain(text);
});

test("a copy of an archive is restored from its path, with the identity", async () => {
  await using shop = await sealedBackups(SQL);
  await using folder = await temporaryFolder();
  const copy = join(folder.path, "copy.sql.gz.age");
  await shop.backup(["--file", copy]);
  await using restored = expectedDatabase(uniqueName());
  const args = [shop.live.name, copy, "--new-database", restored.name];
  const refused = await shop.host("restore", args);
  expect([refused.code, refused.stderr]).toEqual([12, expect.stringContaining("--identity")]);
  const result = await shop.person("restore", args);
  expect(result.code, result.stderr).toBe(0);
  expect(await contentsOf(restored.url)).toEqual(await contentsOf(shop.live.url));
});

test("the host's key is its owner's alone, and never printed", async () => {
  await using shop = await sealedBackups(SQL);
  const result = await shop.host("backup", ["--verbose"]);
  const text = await readFile(shop.hostKey, "utf8");
  const secret = /AGE-SECRET-KEY-\S+/.exec(text)?.[0] ?? "none";
  expect((await stat(shop.hostKey)).mode & 0o777).toBe(0o600);
  expect(result.stdout + result.stderr).not.toContain(secret);
  for (const file of await shop.files()) expect((await readFile(file)).includes(secret)).toBe(false);
});

describe("a host that is lost", () => {
  test("is replaced by one with a copy of its key", async () => {
    await using shop = await sealedBackups(SQL);
    await shop.backup(["--kind", "snapshot"]);
    const other = join(shop.home, "other");
    await run("mkdir", ["-p", join(other, ".config/handled")]);
    await writeFile(join(other, ".config/handled/host.key"), await readFile(shop.hostKey));
    const result = await shop.host("backup", ["--kind", "snapshot", "--json"], other);
    expect(result.code, result.stderr).toBe(0);
    expect(await newParts(shop, jsonOf(result)["id"])).toBe(0);
  });

  test("is replaced by one with the identity; one with neither is refused before anything is written", async () => {
    await using shop = await sealedBackups(SQL);
    await shop.backup(["--kind", "snapshot"]);
    const before = (await shop.files()).toSorted();
    const refused = await shop.host("backup", ["--kind", "snapshot"], join(shop.home, "third"));
    expect(refused.code, refused.stderr).toBe(12);
    expect((await shop.files()).toSorted()).toEqual(before);
    const result = await shop.person("backup", ["--kind", "snapshot", "--json"], join(shop.home, "fourth"));
    expect(result.code, result.stderr).toBe(0);
    expect(await newParts(shop, jsonOf(result)["id"])).toBe(0);
  });
});

describe("a wrong key", () => {
  test.each(["restore", "verify", "list", "export"])(
    "is refused by %s with 12, and nothing is touched",
    async (command) => {
      await using shop = await sealedBackups(SQL);
      await using folder = await temporaryFolder();
      await shop.backup(["--kind", "snapshot"]);
      const before = (await shop.files()).toSorted();
      const stranger = identityIn(folder.path);
      const more = {
        restore: [shop.live.name, "latest"],
        export: ["latest", "--format", "plain", "--file", join(folder.path, "x.sql.gz")],
      };
      const args = command in more ? more[command as keyof typeof more] : [shop.live.name];
      const result = await shop.host(command, [...args, "--identity", stranger.file]);
      expect(result.code, result.stderr).toBe(12);
      expect(result.stderr).toContain(shop.owner.recipient);
      expect((await shop.files()).toSorted()).toEqual(before);
    },
  );

  test("a file that is no identity is a usage error that does not repeat it", async () => {
    await using shop = await sealedBackups(SQL);
    await using folder = await temporaryFolder();
    await shop.backup([]);
    const file = join(folder.path, "key");
    await writeFile(file, "not-a-key-but-maybe-a-password\n");
    const result = await shop.host("list", [shop.live.name, "--identity", file]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(file);
    expect(result.stderr).not.toContain("maybe-a-password");
  });
});

test("a plain repository is not silently taken for an encrypted one", async () => {
  await using shop = await sealedBackups(SQL);
  const plain = await runCli(["backup", "--url", shop.live.url, "--repository", shop.repository], {
    env: { HANDLED_IDENTITY: "" },
  });
  if (process.env["HANDLED_TEST_KEYS"]) return;
  expect(plain.code, plain.stderr).toBe(0);
  const result = await shop.host("backup");
  expect(result.code).toBe(2);
  expect(result.stderr).toMatch(/not encrypted/);
});

test("somebody's file that is named like one of ours, and too short to be one, is listed in the size it has", async () => {
  await using shop = await sealedBackups(SQL);
  await shop.backup([]);
  await writeFile(join(shop.repository, shop.live.name, "theirs.sql.gz.age"), "not of age");
  const listed = await shop.host("list", ["--json"]);
  expect(listed.code, listed.stderr).toBe(0);
  const foreign = [{ name: "theirs.sql.gz.age", size: 10 }];
  expect(ListJson.parse(jsonOf(listed))).toMatchObject({ databases: [{ foreign }] });
  const words = await shop.host("list");
  expect(words.code, words.stderr).toBe(0);
  expect(words.stdout).toContain("10 B");
  for (const command of ["usage", "check"]) {
    const looked = await runCli(["repository", command, "--repository", shop.repository, "--json"], {
      env: { HOME: shop.home, XDG_CONFIG_HOME: "", HANDLED_IDENTITY: "" },
    });
    expect([0, 4], looked.stderr).toContain(looked.code);
  }
  const refused = await shop.person("restore", [
    shop.live.name,
    "theirs.sql.gz.age",
    "--new-database",
    "never",
  ]);
  expect(refused.code, refused.stderr).not.toBe(0);
  expect(refused.stderr).toContain("theirs.sql.gz.age");
});
