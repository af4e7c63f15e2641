import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { freshDatabase, type FreshDatabase } from "../../../test/support/postgres.ts";
import { noAbort, testRuntime } from "../../../test/support/runtime.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { readSignatures, type TypeSignature } from "./type-signature.ts";

const signal = noAbort();
let database: FreshDatabase;
let session: Session;

beforeAll(async () => {
  database = await freshDatabase({
    sql: `create type mood as enum ('sad', 'ok');
      create type inner_pair as (a int, m mood);
      create type pair as (p inner_pair, b text);
      create domain mood_domain as mood;
      create type mood_range as range (subtype = mood);
      create table rowtype (a int);
      create domain role_domain as regrole;
      create type with_role as (a int, r regrole);
      create type twin;
      create function twin_in(cstring) returns twin language internal strict immutable as 'point_in';
      create function twin_out(twin) returns cstring language internal strict immutable as 'point_out';
      create type twin (input = twin_in, output = twin_out, internallength = 16, alignment = double, element = float8);
      create function twin_lt(twin, twin) returns boolean language sql as 'select false';
      create function twin_cmp(twin, twin) returns int language sql as 'select 0';
      create operator < (leftarg = twin, rightarg = twin, function = twin_lt);
      create operator class twin_ops for type twin using btree as operator 1 <, function 1 twin_cmp(twin, twin);
      create type twin_range as range (subtype = twin, subtype_opclass = twin_ops);
      create domain positive as int check (value > 0);
      create type span as range (subtype = positive);
      create type line_item as (at timestamptz, note text);
      create table versioned (m mood, p pair)`,
  });
  session = await connect(testRuntime(), database.settings, signal);
});

afterAll(async () => {
  await session[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await session.query("begin");
  await session.query("set local search_path = public");
});

afterEach(async () => {
  await session.query("rollback");
});

async function signatureOf(table = "t"): Promise<TypeSignature> {
  const [row] = await session.query<{ oid: number }>("select $1::text::regclass::oid::int8::float8 as oid", [
    `public.${table}`,
  ]);
  const signature = (await readSignatures(session, [row?.oid ?? 0])).get(row?.oid ?? 0);
  if (signature === undefined) throw new Error("there is no signature");
  return signature;
}

describe("the signature changes with whatever the text of unchanged rows depends on", () => {
  const RENAME = "alter type mood rename value 'ok' to 'fine'";
  const cases: readonly (readonly [name: string, columns: string, ...change: string[]])[] = [
    ["an enum's label", "m mood", RENAME],
    ["an enum's label, in an array", "m mood[]", RENAME],
    ["an enum's label, in a domain", "m mood_domain", RENAME],
    ["an enum's label, in a range", "m mood_range", RENAME],
    ["an enum's label, in a multirange", "m mood_multirange", RENAME],
    ["an enum's label, in composites", "m pair[]", RENAME],
    ["an attribute more", "m pair", "alter type pair add attribute c int"],
    ["an attribute less", "m pair", "alter type pair drop attribute b"],
    ["an attribute of a composite in a composite", "m pair", "alter type inner_pair add attribute c int"],
    ["a column more in another table's row type", "m rowtype", "alter table rowtype add column b int"],
    ["a column more", "a int", "alter table t add column b int default 7"],
    [
      "a column dropped and made again",
      "a int, b int",
      "alter table t drop column b",
      "alter table t add column b int default 7",
    ],
    ["a column's name", "a int", "alter table t rename column a to b"],
    [
      "a column's type",
      "a timestamptz",
      "set local timezone = 'UTC'",
      "alter table t alter column a type timestamp",
    ],
    ["a column's type, coerced", "a int", "alter table t alter column a type oid"],
    [
      "a generated column made an ordinary one",
      "a int, b int generated always as (a + 1) stored",
      "alter table t alter column b drop expression",
    ],
  ];

  test.each(cases)("%s", async (_name, columns, ...change) => {
    await session.query(`create table t (${columns})`);
    const before = await signatureOf();
    expect(await signatureOf()).toEqual(before);
    for (const statement of change) await session.query(statement);
    const after = await signatureOf();
    expect(after.signature).not.toBe(before.signature);
    expect(after.unsafe).toEqual([]);
  });

  test("a type that was altered and altered back while rows were copied", async () => {
    await session.query("rollback");
    const before = await signatureOf("versioned");
    await database.query(RENAME);
    await database.query("alter type mood rename value 'fine' to 'ok'");
    const between = await signatureOf("versioned");
    expect(between.signature).not.toBe(before.signature);
    await database.query("alter type pair rename attribute b to c; alter type pair rename attribute c to b");
    expect((await signatureOf("versioned")).signature).not.toBe(between.signature);
  });

  test("it stays the same over what changes no text", async () => {
    await session.query("rollback");
    await database.query("create table quiet (a int primary key, m mood, b text)");
    const before = await signatureOf("quiet");
    await database.query("create index on quiet (m); analyze quiet; alter table quiet add unique (m)");
    await database.query("create table quiet_child (a int references quiet)");
    await database.query("vacuum full pg_catalog.pg_enum");
    await database.query("vacuum freeze pg_catalog.pg_type");
    expect(await signatureOf("quiet")).toEqual(before);
  });
});

describe("a type is unsafe when its text may change by itself", () => {
  const unsafe: readonly (readonly [column: string, name: string])[] = [
    ["regclass", "regclass"],
    ["regtype[]", "regtype"],
    ["role_domain", "regrole"],
    ["aclitem[]", "aclitem"],
    ["money", "money"],
    ["with_role", "regrole"],
    // A base type of a user's own becomes text by a function in a library, also where it can be subscripted.
    ["twin", "twin"],
    ["twin[]", "twin"],
    ["twin_range", "twin"],
  ];

  test.each(unsafe)("%s", async (column, name) => {
    await session.query(`create table t (a ${column})`);
    expect((await signatureOf()).unsafe).toEqual([name]);
  });

  test("built-in types, and what is made of them, are safe", async () => {
    await session.query(
      `create table t (a int[], b span, c line_item[], d jsonb, e numeric(9, 2), f point, g int2vector, h oidvector,
         i name, j "char", k tsvector, l xml, m inet, n uuid, o bit(3), p interval, q timetz, r bytea, s box[],
         u int4multirange)`,
    );
    expect((await signatureOf()).unsafe).toEqual([]);
  });
});
