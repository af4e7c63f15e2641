import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase, uniqueName } from "../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { fingerprintTables, type TableFingerprint } from "./fingerprint.ts";
import { connect, quoteIdentifier, quoteLiteral } from "./session.ts";

async function fingerprints(database: FreshDatabase, schema = "s"): Promise<TableFingerprint[]> {
  await using session = await connect(testRuntime(), database.settings, noAbort());
  return await fingerprintTables(session, "n.nspname = $1", [schema]);
}

async function ofSql(sql: string): Promise<TableFingerprint[]> {
  await using database = await freshDatabase({ sql: `create schema s; ${sql}` });
  return await fingerprints(database);
}

const ROWS = "(1, 'a', 0.1), (2, null, '-0'), (3, '', 'NaN')";

describe("a fingerprint is the same", () => {
  test("for another order of rows and columns", async () => {
    const one = await ofSql(`create table s.t (a int, b text, c float8); insert into s.t values ${ROWS}`);
    const other = await ofSql(
      `create table s.t (gone int, c float8, b text, a int); alter table s.t drop column gone;
       insert into s.t (a, b, c) values (3, '', 'NaN'), (1, 'a', 0.1), (2, null, '-0')`,
    );
    expect(other).toEqual(one);
    expect(one).toMatchObject([{ schema: "s", name: "t", rows: 3 }]);
  });

  test("whatever the two databases are set to", async () => {
    const sql = `create schema s; create table s.t (at timestamptz, d date, i interval, f float8, b bytea, m money, c regclass);
      insert into s.t values ('2024-12-11 14:30:22.5+01', '2024-12-11', '1 mon 2 days 3:04:05', 1.0/3, '\\x00ff', 12.5, 's.t')`;
    await using one = await freshDatabase({ sql });
    await using other = await freshDatabase({ sql });
    const settings = [
      "timezone = 'Asia/Tokyo'",
      "datestyle = 'German'",
      "intervalstyle = 'iso_8601'",
      "extra_float_digits = -3",
      "bytea_output = 'escape'",
      "search_path = 's'",
    ];
    for (const setting of settings) await other.query(`alter database ${other.name} set ${setting}`);
    expect(await fingerprints(other)).toEqual(await fingerprints(one));
  });

  test("for tables without rows or without columns", async () => {
    expect(await ofSql("create table s.empty (a int); create table s.none ()")).toEqual([
      { schema: "s", name: "empty", rows: 0, digest: "0" },
      { schema: "s", name: "none", rows: 0, digest: "0" },
    ]);
    expect(await ofSql("create table s.none (); insert into s.none default values")).toMatchObject([
      { rows: 1 },
    ]);
  });
});

describe("a fingerprint changes", () => {
  const base = `create table s.t (a int, b text, c float8); insert into s.t values ${ROWS};`;
  test.each([
    ["a value", "update s.t set b = 'b' where a = 1"],
    ["the case of a letter", "update s.t set b = 'A' where a = 1"],
    ["null to empty", "update s.t set b = '' where a = 2"],
    ["empty to null", "update s.t set b = null where a = 3"],
    ["a number's last bit", "update s.t set c = 0.1 + 1.4e-17 where a = 1"],
    ["zero's sign", "update s.t set c = 0 where a = 2"],
    ["a row more", "insert into s.t values (4)"],
    ["a row twice", "insert into s.t select * from s.t where a = 1"],
    ["a row less", "delete from s.t where a = 3"],
    ["values exchanged between rows", "update s.t set b = case a when 1 then '' when 3 then 'a' end"],
    ["a column more", "alter table s.t add d int"],
  ])("with %s", async (_, sql) => {
    await using database = await freshDatabase({ sql: `create schema s; ${base}` });
    // Even where the database would have numbers rounded.
    await database.query(`alter database ${database.name} set extra_float_digits = -3`);
    const before = await fingerprints(database);
    await database.query(sql);
    expect(await fingerprints(database)).not.toEqual(before);
  });

  test("with any change of a text, and comes back with it", async () => {
    await using database = await freshDatabase({
      sql: `create schema s; create table s."T, ""x""" ("a b" text, "C""d" text); insert into s."T, ""x""" values ('x', 'y')`,
    });
    await using session = await connect(testRuntime(), database.settings, noAbort());
    const text = fc.string({ unit: "grapheme", maxLength: 10 }).filter((value) => !value.includes("\0"));
    const digest = async (a: string, b: string): Promise<string | undefined> => {
      await session.query(
        `update s.${quoteIdentifier('T, "x"')} set "a b" = ${quoteLiteral(a)}, "C""d" = ${quoteLiteral(b)}`,
      );
      return (await fingerprintTables(session, "n.nspname = 's'", []))[0]?.digest;
    };
    await fc.assert(
      fc.asyncProperty(text, text, text, text, async (a, b, c, d) => {
        fc.pre([a, b, c, d].every((value) => value.isWellFormed()));
        const first = await digest(a, b);
        expect((await digest(c, d)) === first).toBe(a === c && b === d);
        expect(await digest(a, b)).toBe(first);
      }),
      { numRuns: 60 },
    );
  });
});

test("only the chosen ordinary tables count, partitions each by itself, parents without their children", async () => {
  await using database = await freshDatabase({
    sql: `create schema s; create schema other; create table other.t (a int);
      create table s.parent (a int); create table s.child () inherits (s.parent); insert into s.child values (1), (2);
      create table s.parts (a int) partition by list (a); create table s.part partition of s.parts default;
      insert into s.parts values (1); create view s.v as select 1; create unlogged table s.u ()`,
  });
  expect((await fingerprints(database)).map(({ name, rows }) => `${name} ${rows}`)).toEqual([
    "child 2",
    "parent 0",
    "part 1",
    "u 0",
  ]);
});

test("rows that a policy hides are no reason to call two tables equal", async () => {
  const user = uniqueName("clerk");
  await using database = await freshDatabase({
    sql: `create role ${user} login; create schema s; create table s.t (a int); insert into s.t values (1);
      alter table s.t enable row level security; grant usage on schema s to ${user}; grant select on s.t to ${user}`,
  });
  try {
    const settings = { ...database.settings, user };
    await using session = await connect(testRuntime(), settings, noAbort());
    await expect(fingerprintTables(session, "n.nspname = 's'", [])).rejects.toMatchObject({
      code: "privilege_missing",
    });
  } finally {
    await database.query(`drop owned by ${user}; drop role ${user}`);
  }
});
