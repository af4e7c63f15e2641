import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ProofFile } from "../src/repository/proof-file.ts";
import { type BackedUp, backedUp, expectedDatabase } from "./support/backed-up.ts";
import { type CliOptions, type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { DAMAGES, damageStored } from "./support/damage-stored.ts";
import { failingPlace } from "./support/failing-place.ts";
import { inBucket } from "./support/in-bucket.ts";
import { uniqueName } from "./support/postgres.ts";
import { proofsOf } from "./support/proofs-of.ts";
import { noAbort } from "./support/runtime.ts";

const SQL = `create table item as select g as id, md5(g::text) as word from generate_series(1, 3000) g;
  create table small as select 1 as id`;
const SNAPSHOT = ["--kind", "snapshot", "--jobs", "1"];

interface Shop extends BackedUp {
  /** A later backup, with one row more, and the objects that it brought. */
  readonly later: string;
  readonly brought: readonly string[];
  proofs(): Promise<ProofFile[]>;
}

const keysOf = async ({ storage }: BackedUp): Promise<string[]> => await storage.keys("", "all", noAbort());

async function shopWithTwo(backup: readonly string[]): Promise<Shop> {
  const shop = await backedUp({ sql: SQL, backup });
  const before = new Set(await keysOf(shop));
  await shop.live.query("insert into item values (0, 'one more')");
  const later = await shop.backup(...backup);
  return {
    ...shop,
    later,
    brought: (await keysOf(shop)).filter((key) => !before.has(key)),
    proofs: async () => [...(await proofsOf(shop)).values()],
  };
}

const flip = async ({ storage }: Shop, key: string | undefined): Promise<void> =>
  void (await damageStored(storage, key ?? "", "flipped"));
const isPart = (key: string): boolean => key.includes("/parts/");

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
  test.each(DAMAGES)("in a part that was %s; the next snapshot stores all anew", async (damage) => {
    await using shop = await shopWithTwo(SNAPSHOT);
    await damageStored(shop.storage, shop.brought.find(isPart) ?? "", damage);
    await expectSteppingBack(shop, "part");
    const place = ["--url", shop.live.url, "--repository", shop.repository, "--json"];
    const next = jsonOf(await runCli(["backup", shop.name, ...SNAPSHOT, ...place]));
    expect(next).toMatchObject({ parts: { reused: 0 } });
    expect((await restoreLatest(shop)).rows).toBe(3001);
  });

  test.each([
    ["part list", "/tables/"],
    ["tables", "/tables"],
    ["content", "/content"],
  ])("in its %s", async (object, path) => {
    await using shop = await shopWithTwo(SNAPSHOT);
    const isIt = (key: string): boolean => (path.endsWith("/") ? key.includes(path) : key.endsWith(path));
    await flip(shop, shop.brought.find(isIt));
    await expectSteppingBack(shop, object);
  });

  test("though not in its index, which alone says what it is of", async () => {
    await using shop = await shopWithTwo(SNAPSHOT);
    await flip(
      shop,
      shop.brought.find((key) => key.endsWith("/index")),
    );
    const result = await shop.restore([shop.later, "--new-database", uniqueName()]);
    expect(result.code, result.stderr).toBe(13);
    expect(result.stderr).toContain(`\`handled restore ${shop.name} ${shop.id} --`);
    expect((await restoreLatest(shop)).rows).toBe(3000);
  });

  test.each(["plain", "custom"])("in a %s archive", async (format) => {
    await using shop = await shopWithTwo(["--format", format]);
    await flip(
      shop,
      shop.brought.find((key) => /\.(gz|dump)(\.age)?$/.test(key)),
    );
    await expectSteppingBack(shop, "archive");
  });
});

test("where it cannot be recorded, the damage is told all the same, and that it is not recorded", async () => {
  await using shop = await shopWithTwo(SNAPSHOT);
  await using place = await failingPlace(shop);
  await place.refuseRecords();
  await flip(shop, shop.brought.find(isPart));
  const result = await shop.restore(["latest", "--new-database", uniqueName()], {}, place.url);
  expect(result.code, result.stderr).toBe(13);
  expect(result.stderr).toContain(`${shop.later} is damaged, which could not be recorded`);
  expect(result.stderr).toContain(`\`handled restore ${shop.name} ${shop.id} --`);
});

test("an export that meets damage records it as well; one that cannot be written does not", async () => {
  await using shop = await shopWithTwo(SNAPSHOT);
  const file = join(shop.scratch, "export.sql.gz");
  const args = ["export", shop.name, "latest", "--repository", shop.repository, "--file"];
  expect((await runCli([...args, join(shop.scratch, "no/such/folder.sql.gz")])).code).not.toBe(0);
  expect(await shop.proofs()).toEqual([]);
  await flip(shop, shop.brought.find(isPart));
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
    await flip(
      shop,
      shop.brought.find((key) => key.includes(path)),
    );
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
  const [part = ""] = (await keysOf(shop)).filter((key) => isPart(key) && !shop.brought.includes(key));
  await damageStored(shop.storage, part, "removed");
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
    const isKept = (key: string): boolean => !/\/(readers|records\/runs)\//.test(key);
    const before = (await keysOf(shop)).filter(isKept);
    let result: CliResult;
    let put: string[];
    {
      await using place = await failingPlace(shop);
      const vanish = once(() => place.vanish());
      result =
        command === "restore"
          ? await shop.restore(["latest", "--new-database", uniqueName()], vanish, place.url)
          : await runCli([command, shop.name, "latest", "--repository", place.url], vanish);
      put = await keysOf(shop);
    }
    expect(result.code, result.stderr).toBe(10);
    expect(result.stderr).toMatch(inBucket() ? /there is no bucket/ : /is no longer there[^]*mounted/);
    if (inBucket()) expect(put.filter(isKept)).toEqual(before);
    else expect(put).toEqual([]);
    expect(await shop.proofs()).toEqual([]);
  });

  test("nor is a backup that somebody deleted whole", async () => {
    await using shop = await shopWithTwo(SNAPSHOT);
    await using place = await failingPlace(shop);
    const remove = once(() => place.loseBackup(shop.later));
    const result = await shop.restore(["latest", "--new-database", uniqueName()], remove, place.url);
    expect(result.code, result.stderr).toBe(1);
    expect(result.stderr).toContain(`${shop.later} was deleted meanwhile`);
    expect(await shop.proofs()).toEqual([]);
  });
});

test("the older backup that is named needs nothing that is known to be damaged", async () => {
  await using shop = await shopWithTwo(SNAPSHOT);
  const archive = await shop.backup("--format", "plain");
  const before = new Set(await keysOf(shop));
  await shop.live.query("insert into small values (2)");
  await shop.backup(...SNAPSHOT);
  await shop.live.query("insert into small values (3)");
  const last = await shop.backup(...SNAPSHOT);
  expect((await keysOf(shop)).filter((key) => !before.has(key)).join()).toContain("/parts/");
  // Of `item`: what the last three snapshots share, and the first has too where its range did not change.
  for (const part of shop.brought.filter(isPart)) await damageStored(shop.storage, part, "removed");
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
  const before = new Set(await keysOf(shop));
  await shop.live.query("insert into item values (0, 'one more')");
  const last = await shop.backup(...SNAPSHOT, "--schema", "public");
  const [part = ""] = (await keysOf(shop)).filter((key) => !before.has(key) && isPart(key));
  await damageStored(shop.storage, part, "removed");
  const result = await shop.restore([last, "--new-database", uniqueName()]);
  expect(result.code, result.stderr).toBe(13);
  expect(result.stderr).toContain(`\`handled restore ${shop.name} ${wider} --`);
});
