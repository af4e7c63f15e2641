import { mkdirSync, renameSync, rmSync } from "node:fs";
import { readFile, rename, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ProofFile } from "../src/repository/proof-file.ts";
import { type BackedUp, backedUp, expectedDatabase } from "./support/backed-up.ts";
import { type CliOptions, type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { filesOf } from "./support/leftovers.ts";
import { uniqueName } from "./support/postgres.ts";

const SQL = `create table item as select g as id, md5(g::text) as word from generate_series(1, 3000) g;
  create table small as select 1 as id`;
const SNAPSHOT = ["--kind", "snapshot", "--jobs", "1"];

const WAYS = {
  flipped: async (path: string): Promise<void> => {
    const data = await readFile(path);
    const at = Math.floor(data.length / 2);
    data.writeUInt8(data.readUInt8(at) ^ 0x10, at);
    await writeFile(path, data);
  },
  cut: async (path: string): Promise<void> => await truncate(path, (await readFile(path)).length - 5),
  removed: async (path: string): Promise<void> => await rm(path),
} as const;

interface Shop extends BackedUp {
  /** A later backup, with one row more, and the files that it brought. */
  readonly later: string;
  readonly files: readonly string[];
  proofs(): Promise<ProofFile[]>;
}

async function shopWithTwo(backup: readonly string[]): Promise<Shop> {
  const shop = await backedUp({ sql: SQL, backup });
  const before = new Set(await filesOf(shop.repository));
  await shop.live.query("insert into item values (0, 'one more')");
  const later = await shop.backup(...backup);
  const files = (await filesOf(shop.repository)).filter((file) => !before.has(file));
  return {
    ...shop,
    later,
    files: files.map((file) => join(shop.repository, file)),
    proofs: async () => {
      const names = (await filesOf(shop.repository)).filter((file) => file.includes("/records/proofs/"));
      const texts = await Promise.all(names.map((name) => readFile(join(shop.repository, name), "utf8")));
      return texts.map((text) => ProofFile.parse(JSON.parse(text)));
    },
  };
}

async function restoreLatest(shop: Shop): Promise<{ result: CliResult; rows: number | undefined }> {
  await using target = expectedDatabase(uniqueName());
  const result = await shop.restore(["latest", "--new-database", target.name]);
  if (result.code !== 0) return { result, rows: undefined };
  const [row] = await target.query<{ rows: number }>("select count(*)::int as rows from item");
  return { result, rows: row?.rows };
}

/** The restore of the latest fails, says which one is good, and the next one brings that back. */
async function expectSteppingBack(shop: Shop, object: string): Promise<void> {
  const { result } = await restoreLatest(shop);
  expect(result.code, result.stderr).toBe(13);
  expect(result.stderr).toContain(`\`handled restore ${shop.name} ${shop.id} --`);
  expect(await shop.proofs()).toMatchObject([
    { backup: shop.later, operation: "restore", outcome: "failed", proven: null, problems: [{ object }] },
  ]);
  const again = await restoreLatest(shop);
  expect(again.result.code, again.result.stderr).toBe(0);
  expect(again.result.stderr).toMatch(
    new RegExp(
      `${shop.later} is later than ${shop.id} and cannot be restored: a restore of .* UTC found it damaged: `,
    ),
  );
  expect(again.rows).toBe(3000);
  expect(await shop.proofs()).toHaveLength(1);
}

describe("a restore that meets damage records it, and the backup counts for nothing afterwards", () => {
  test.each(Object.entries(WAYS))(
    "in a part that was %s; the next snapshot stores all anew",
    async (_way, damage) => {
      await using shop = await shopWithTwo(SNAPSHOT);
      await damage(shop.files.find((file) => file.includes("/parts/")) ?? "");
      await expectSteppingBack(shop, "part");
      const place = ["--url", shop.live.url, "--repository", shop.repository, "--json"];
      const next = jsonOf(await runCli(["backup", shop.name, ...SNAPSHOT, ...place]));
      expect(next).toMatchObject({ parts: { reused: 0 } });
      expect((await restoreLatest(shop)).rows).toBe(3001);
    },
  );

  test.each([
    ["part list", "/tables/"],
    ["tables", "/tables"],
    ["content", "/content"],
  ])("in its %s", async (object, path) => {
    await using shop = await shopWithTwo(SNAPSHOT);
    const isIt = (file: string): boolean => (path.endsWith("/") ? file.includes(path) : file.endsWith(path));
    await WAYS.flipped(shop.files.find(isIt) ?? "");
    await expectSteppingBack(shop, object);
  });

  test("though not in its index, which alone says what it is of", async () => {
    await using shop = await shopWithTwo(SNAPSHOT);
    await WAYS.flipped(shop.files.find((file) => file.endsWith("/index")) ?? "");
    const result = await shop.restore([shop.later, "--new-database", uniqueName()]);
    expect(result.code, result.stderr).toBe(13);
    expect(result.stderr).toContain(`\`handled restore ${shop.name} ${shop.id} --`);
    expect((await restoreLatest(shop)).rows).toBe(3000);
  });

  test.each(["plain", "custom"])("in a %s archive", async (format) => {
    await using shop = await shopWithTwo(["--format", format]);
    await WAYS.flipped(shop.files.find((file) => /\.(gz|dump)$/.test(file)) ?? "");
    await expectSteppingBack(shop, "archive");
  });
});

test("where it cannot be recorded, the damage is told all the same, and that it is not recorded", async () => {
  await using shop = await shopWithTwo(SNAPSHOT);
  // Led nowhere, nothing can be made in it, not even by root.
  await symlink("/nowhere/at/all", join(shop.repository, shop.name, "records"));
  await WAYS.flipped(shop.files.find((file) => file.includes("/parts/")) ?? "");
  const { result } = await restoreLatest(shop);
  expect(result.code).toBe(13);
  expect(result.stderr).toContain(`${shop.later} is damaged, which could not be recorded`);
  expect(result.stderr).toContain(`\`handled restore ${shop.name} ${shop.id} --`);
});

test("an export that meets damage records it as well; one that cannot be written does not", async () => {
  await using shop = await shopWithTwo(SNAPSHOT);
  const file = join(shop.repository, "export.sql.gz");
  const args = ["export", shop.name, "latest", "--repository", shop.repository, "--file"];
  expect((await runCli([...args, join(shop.repository, "no/such/folder.sql.gz")])).code).not.toBe(0);
  expect(await shop.proofs()).toEqual([]);
  await WAYS.flipped(shop.files.find((name) => name.includes("/parts/")) ?? "");
  const result = await runCli([...args, file]);
  expect(result.code, result.stderr).toBe(13);
  expect(result.stderr).toContain(`\`handled restore ${shop.name} ${shop.id} --`);
  expect(await shop.proofs()).toMatchObject([
    { backup: shop.later, operation: "export", problems: [{ object: "part" }] },
  ]);
  const shown = await runCli(["show", shop.name, shop.later, "--repository", shop.repository]);
  expect(shown.stdout).toMatch(/FAILED .* \(an export met damage\): /);
  expect((await restoreLatest(shop)).result.stderr).toMatch(/: an export of .* UTC found it damaged: /);
});

test.each([
  ["show", (shop: Shop) => ["show", shop.name, shop.later], "content", "/content", "a look at it"],
  ["diff", (shop: Shop) => ["diff", shop.name, shop.id, shop.later], "part list", "/tables/", "a comparison"],
])(
  "%s that meets damage records it, of the backup that has it",
  async (operation, args, object, path, words) => {
    await using shop = await shopWithTwo(SNAPSHOT);
    await WAYS.flipped(shop.files.find((file) => file.includes(path)) ?? "");
    const result = await runCli([...args(shop), "--repository", shop.repository]);
    expect(result.code, result.stderr).toBe(13);
    expect(await shop.proofs()).toMatchObject([{ backup: shop.later, operation, problems: [{ object }] }]);
    const again = await restoreLatest(shop);
    expect(again.rows, again.result.stderr).toBe(3000);
    expect(again.result.stderr).toContain(`: ${words} `);
  },
);

test("what is wrong elsewhere is no damage, and the oldest backup names no older one", async () => {
  await using shop = await shopWithTwo(SNAPSHOT);
  const { code } = await shop.restore(["latest", "--new-database", shop.live.name]);
  expect(code).toBe(2);
  expect(await shop.proofs()).toEqual([]);
  const [part = ""] = (await filesOf(shop.repository)).filter(
    (file) => file.includes("/parts/") && !shop.files.includes(join(shop.repository, file)),
  );
  await WAYS.removed(join(shop.repository, part));
  const result = await shop.restore([shop.id, "--new-database", uniqueName()]);
  expect(result.code, result.stderr).toBe(13);
  expect(result.stderr).not.toContain("older");
  expect(await shop.proofs()).toMatchObject([{ backup: shop.id }]);
});

describe("a repository that vanishes while it is read is no damage", () => {
  /** Does something when the restore or check has begun to use the server. */
  const once = (what: () => void): CliOptions => {
    let done = false;
    return {
      observer: (phase, operation) => {
        if (done || phase !== "before" || !/CREATE|child initdb/i.test(operation)) return;
        done = true;
        what();
      },
    };
  };

  test.each([
    ["restore", SNAPSHOT],
    ["restore", ["--format", "plain"]],
    ["verify", SNAPSHOT],
  ])("(%s %s): it says so, and nothing is recorded", async (command, kind) => {
    await using shop = await shopWithTwo(kind);
    const away = `${shop.repository}-unmounted`;
    // As a mount point is when its disk is gone: an empty folder.
    const vanish = once(() => {
      renameSync(shop.repository, away);
      mkdirSync(shop.repository);
    });
    const result =
      command === "restore"
        ? await shop.restore(["latest", "--new-database", uniqueName()], vanish)
        : await runCli([command, shop.name, "latest", "--repository", shop.repository], vanish);
    const put = await filesOf(shop.repository);
    await rm(shop.repository, { recursive: true });
    await rename(away, shop.repository);
    expect(result.code, result.stderr).toBe(10);
    expect(result.stderr).toContain("is no longer there");
    expect(result.stderr).toContain("mounted");
    expect(put).toEqual([]);
    expect(await shop.proofs()).toEqual([]);
  });

  test("nor is a backup that somebody deleted whole", async () => {
    await using shop = await shopWithTwo(SNAPSHOT);
    const folder = join(shop.repository, shop.name);
    const remove = once(() => {
      for (const name of [`backups/${shop.later}`, "parts"]) rmSync(join(folder, name), { recursive: true });
    });
    const result = await shop.restore(["latest", "--new-database", uniqueName()], remove);
    expect(result.code, result.stderr).toBe(1);
    expect(result.stderr).toContain(`${shop.later} was deleted meanwhile`);
    expect(await shop.proofs()).toEqual([]);
  });
});

test("the older backup that is named needs nothing that is known to be damaged", async () => {
  await using shop = await shopWithTwo(SNAPSHOT);
  const archive = await shop.backup("--format", "plain");
  const before = new Set(await filesOf(shop.repository));
  await shop.live.query("insert into small values (2)");
  await shop.backup(...SNAPSHOT);
  await shop.live.query("insert into small values (3)");
  const last = await shop.backup(...SNAPSHOT);
  expect((await filesOf(shop.repository)).filter((file) => !before.has(file)).join()).toContain("/parts/");
  // Of `item`: what the last three snapshots share, and the first has too where its range did not change.
  for (const file of shop.files.filter((name) => name.includes("/parts/"))) await WAYS.removed(file);
  const result = await shop.restore([last, "--new-database", uniqueName()]);
  expect(result.code, result.stderr).toBe(13);
  expect(result.stderr).toContain(`\`handled restore ${shop.name} ${archive} --`);
  const next = await shop.restore([shop.later, "--new-database", uniqueName()]);
  expect(next.code, next.stderr).toBe(13);
  expect(next.stderr).toContain(`\`handled restore ${shop.name} ${shop.id} --`);
});

test("the older backup that is named has at least the schemas of the damaged one", async () => {
  await using shop = await backedUp({
    sql: `${SQL}; create schema other; create table other.word as select 'w' as word`,
    backup: SNAPSHOT,
  });
  const both = ["--schema", "public", "--schema", "other"];
  const wider = await shop.backup(...SNAPSHOT, ...both);
  await shop.backup(...SNAPSHOT, "--schema", "other");
  const before = new Set(await filesOf(shop.repository));
  await shop.live.query("insert into item values (0, 'one more')");
  const last = await shop.backup(...SNAPSHOT, "--schema", "public");
  const [part = ""] = (await filesOf(shop.repository)).filter(
    (file) => !before.has(file) && file.includes("/parts/"),
  );
  await rm(join(shop.repository, part));
  const result = await shop.restore([last, "--new-database", uniqueName()]);
  expect(result.code, result.stderr).toBe(13);
  expect(result.stderr).toContain(`\`handled restore ${shop.name} ${wider} --`);
});
