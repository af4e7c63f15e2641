import fc from "fast-check";
import { expect, test } from "vitest";
import { encrypted } from "./support/keys.ts";
import { freshRole } from "./support/backed-up.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { dumpText } from "./support/dump-text.ts";
import { freshPlace } from "./support/fresh-place.ts";
import { clusterUrl, type FreshDatabase, freshDatabase, runSql, uniqueName } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { openStorage } from "../src/storage/open.ts";
import type { Storage } from "../src/storage/storage.ts";
import { expectDone } from "./support/expect-done.ts";

const signal = noAbort();

/** A URL of the same database for another role. */
function as(role: string, { url }: FreshDatabase): string {
  const changed = new URL(url);
  changed.username = role;
  return changed.href;
}

/** Snapshots of one database, and restores of them. */
interface Lab extends AsyncDisposable {
  readonly repository: string;
  readonly storage: Storage;
  snapshot(url: string, ...args: readonly string[]): Promise<CliResult>;
  restore(...args: readonly string[]): Promise<CliResult>;
  /** The restored database. */
  readonly restored: string;
}

async function makeLab(source: FreshDatabase): Promise<Lab> {
  const home = await freshPlace();
  const restored = uniqueName("restored");
  const place = ["--repository", home.url];
  return {
    repository: home.url,
    storage: openStorage(testRuntime(), home.url),
    restored: clusterUrl(restored),
    snapshot: async (url, ...args) =>
      await runCli(["backup", "objects", "--kind", "snapshot", "--url", url, ...place, "--json", ...args]),
    restore: async (...args) =>
      await runCli([
        "restore",
        "objects",
        "--url",
        source.url,
        ...place,
        "--new-database",
        restored,
        ...args,
      ]),
    [Symbol.asyncDispose]: async () => {
      await runSql(clusterUrl(), `drop database if exists ${restored} with (force)`);
      await home[Symbol.asyncDispose]();
    },
  };
}

const CONTENTS =
  "select oid, md5(lo_get(oid)), length(lo_get(oid)) from pg_largeobject_metadata order by oid";

test("whatever was written into large objects comes back as every reader sees it", async () => {
  const write = fc.record({
    at: fc.oneof(fc.nat(600_000), fc.constantFrom(0, 2047, 2048, 262_144, 262_143, 524_288)),
    length: fc.oneof(fc.nat(4000), fc.constantFrom(0, 1, 2048, 262_144, 262_145)),
    cut: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(write, { maxLength: 4 }), { minLength: 8, maxLength: 12 }),
      async (objects) => {
        await using source = await freshDatabase();
        for (const [number, writes] of objects.entries()) {
          // Spread over all oids there are, so that ranges of many sizes are cut.
          const oid = 20_000 + number * 350_000_000;
          await source.query(`select lo_create(${oid})`);
          for (const { at, length, cut } of writes) {
            const change = cut
              ? `lo_truncate64(lo_open(${oid}, 131072), ${at})`
              : `lo_put(${oid}, ${at}, decode(repeat('${(number + 1).toString(16).padStart(2, "0")}', ${length}), 'hex'))`;
            await source.query(`select ${change}`);
          }
        }
        await using lab = await makeLab(source);
        expectDone(await lab.snapshot(source.url));
        expectDone(await lab.restore());
        expect(await runSql(lab.restored, CONTENTS)).toEqual(await source.query(CONTENTS));
      },
    ),
    { numRuns: 2 },
  );
});

test("large objects are counted as no tables: not by backup, verify or diff", async () => {
  await using source = await freshDatabase({
    sql: "create table t as select 1 as id; select lo_from_bytea(0, decode('abcdef', 'hex'))",
  });
  await using lab = await makeLab(source);
  const id = String(jsonOf(expectDone(await lab.snapshot(source.url)))["id"]);
  const place = ["--url", source.url, "--repository", lab.repository];
  const show = jsonOf(expectDone(await runCli(["show", id, "--repository", lab.repository, "--json"])));
  expect(show["tables"]).toBe(1);
  expect(show["tableDetails"]).toHaveLength(3);
  for (const level of ["integrity", "content"]) {
    const args = ["verify", "objects", id, "--level", level, "--repository", lab.repository, "--json"];
    const verified = jsonOf(expectDone(await runCli(args)));
    expect(verified, level).toMatchObject({ proven: level, compared: { tables: 1 } });
  }
  const diff = await runCli(["diff", id, "live", ...place]);
  expect(diff.stdout).toContain("\n1 table has the same rows\n✓ both are the same");
});

test("a large object of several parts comes back, and only what is new is stored again", async () => {
  await using source = await freshDatabase({
    sql: `select lo_from_bytea(5, decode(string_agg(md5(g::text), ''), 'hex')) from generate_series(1, 1300000) g;
          do $$ begin perform lo_from_bytea(g, convert_to('small ' || g, 'UTF8')) from generate_series(10, 500) g; end $$;`,
  });
  await using lab = await makeLab(source);
  const first = jsonOf(expectDone(await lab.snapshot(source.url)));
  expect(first["bytes"]).toBeGreaterThan(40_000_000);
  await source.query("select lo_from_bytea(501, 'one more')");
  const second = jsonOf(expectDone(await lab.snapshot(source.url)));
  expect(Number(second["storedBytes"])).toBeLessThan(Number(first["storedBytes"]) / 100);
  expectDone(await lab.restore());
  expect(await runSql(lab.restored, CONTENTS)).toEqual(await source.query(CONTENTS));
});

test("a role that may read large objects, without being a superuser, reads what a superuser reads", async () => {
  await using role = await freshRole(uniqueName("reader"), "login");
  await using source = await freshDatabase({
    sql: `select lo_from_bytea(11, 'granted'), lo_from_bytea(12, 'public'), lo_from_bytea(13, 'owned'), lo_create(14);
          grant select on large object 11, 14 to "${role.name}"; grant select on large object 12 to public;
          alter large object 13 owner to "${role.name}";`,
  });
  await using lab = await makeLab(source);
  await using superuserLab = await makeLab(source);
  const first = jsonOf(expectDone(await lab.snapshot(as(role.name, source))));
  const other = jsonOf(expectDone(await superuserLab.snapshot(source.url)));
  expect(first["rows"]).toBe(other["rows"]);
  // The same bytes: a part is named after its text, and where it is sealed after its repository's key too.
  if (!encrypted()) expect(await partTexts(lab)).toEqual(await partTexts(superuserLab));
  expectDone(await lab.restore());
  expect(await dumpText(lab.restored)).toEqual(await dumpText(source.url));
});

test.for(["snapshot", "archive"])(
  "a large object that cannot be read is told before a %s begins",
  async (kind) => {
    await using role = await freshRole(uniqueName("reader"), "login");
    await using source = await freshDatabase({
      sql: "select lo_from_bytea(11, 'secret'), lo_from_bytea(12, 'x')",
    });
    await using repository = await freshPlace();
    const place = ["--url", as(role.name, source), "--repository", repository.url];
    const result = await runCli(["backup", "objects", "--kind", kind, ...place]);
    expect(result.code).toBe(22);
    expect(result.stderr).toContain("may not read large object 11, large object 12");
    expect(await openStorage(testRuntime(), repository.url).keys("", "all", signal)).toEqual([]);
    await source.query(`grant select on large object 11, 12 to "${role.name}"`);
    expectDone(await runCli(["backup", "objects", "--kind", kind, ...place]));
  },
);

test("a role that cannot give objects away restores them as its own, and says so", async () => {
  await using owner = await freshRole(uniqueName("owner"));
  await using reader = await freshRole(uniqueName("reader"));
  await using middle = await freshRole(uniqueName("middle"));
  await using restorer = await freshRole(uniqueName("restorer"), "login createdb");
  await using source = await freshDatabase({
    sql: `select lo_from_bytea(21, 'content'); comment on large object 21 is 'kept';
          alter large object 21 owner to "${owner.name}"; grant select on large object 21 to ${middle.name} with grant option;
          set role ${middle.name}; grant select on large object 21 to "${reader.name}"; reset role;`,
  });
  await using lab = await makeLab(source);
  expectDone(await lab.snapshot(source.url));
  const restored = uniqueName("given");
  const url = new URL(clusterUrl());
  url.username = restorer.name;
  try {
    const result = expectDone(
      await runCli([
        "restore",
        "objects",
        "--url",
        url.href,
        "--repository",
        lab.repository,
        "--new-database",
        restored,
      ]),
    );
    expect(result.stderr).toContain(`left out: ownership of role ${owner.name} (1 large object)`);
    expect(result.stderr).toContain(`grants in the name of role ${middle.name}`);
    const facts = await runSql(
      clusterUrl(restored),
      `select pg_get_userbyid(lomowner) as owner, convert_from(lo_get(oid), 'UTF8') as content, obj_description(oid, 'pg_largeobject') as comment,
              (select array_agg(pg_get_userbyid(a.grantee)::text order by 1) from aclexplode(lomacl) a where a.privilege_type = 'SELECT') as readers
         from pg_largeobject_metadata`,
    );
    expect(facts).toEqual([
      {
        owner: restorer.name,
        content: "content",
        comment: "kept",
        readers: [owner.name, reader.name, middle.name].toSorted(),
      },
    ]);
  } finally {
    await runSql(clusterUrl(), `drop database if exists ${restored} with (force)`);
  }
  await source.query(`drop owned by "${owner.name}"`);
});

test("large objects go into a database that was there in one transaction, and are not taken along with tables", async () => {
  await using source = await freshDatabase({
    sql: "create table t as select 1 as id; select lo_from_bytea(31, 'x'); comment on large object 31 is 'c'",
  });
  await using empty = await freshDatabase();
  await using lab = await makeLab(source);
  expectDone(await lab.snapshot(source.url));
  expectDone(await runCli(["restore", "objects", "--repository", lab.repository, "--to", empty.url]));
  expect(await dumpText(empty.url)).toEqual(await dumpText(source.url));
  expectDone(await lab.restore("--table", "public.t"));
  expect(
    await runSql(
      lab.restored,
      "select (select count(*)::int from t) as t, (select count(*)::int from pg_largeobject_metadata) as o",
    ),
  ).toEqual([{ t: 1, o: 0 }]);
});

test("a part of a large object that is gone or changed is found, and restores nothing", async () => {
  await using source = await freshDatabase({ sql: "select lo_from_bytea(41, 'precious')" });
  await using lab = await makeLab(source);
  expectDone(await lab.snapshot(source.url));
  for (const part of await partsIn(lab)) await lab.storage.delete(part, signal);
  const result = await lab.restore();
  expect(result.code).toBe(13);
  expect(result.stderr).toContain("pg_largeobject");
  const verified = await runCli([
    "verify",
    "objects",
    "--level",
    "integrity",
    "--repository",
    lab.repository,
  ]);
  expect(verified.code).toBe(13);
});

const partsIn = async ({ storage }: Lab): Promise<string[]> =>
  await storage.keys("objects/parts/", "all", signal);

async function partTexts(lab: Lab): Promise<string[]> {
  const keys = await partsIn(lab);
  return keys.map((key) => /[0-9a-f]{64}/.exec(key)?.[0] ?? "").toSorted();
}
