import { describe, expect, test } from "vitest";
import { DiffJson } from "../src/json/look.ts";
import { type BackedUp, backedUp, freshRole } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { freshDatabase } from "./support/postgres.ts";

const RANGE_BLOCKS = 512;

// Half of each page stays free, so that an update leaves its row in the page.
const SQL = `
  create table wide (id int primary key, note text) with (fillfactor = 50);
  insert into wide select g, repeat(md5(g::text), 28) from generate_series(1, 16000) g;
  create table small (id int primary key, title text);
  insert into small select g, 'item ' || g from generate_series(1, 100) g;
  create table gone (id int);
  create sequence tickets; select nextval('tickets');
`;
const VIEW = "create materialized view totals as select count(*) as n from small;";

async function diff(subject: BackedUp, ...args: string[]) {
  const place = ["--url", subject.live.url, "--repository", subject.repository];
  const result = await runCli(["diff", ...args, ...place, "--json"]);
  expect(result.code, result.stderr).toBe(0);
  const report = DiffJson.parse(jsonOf(result));
  const tables = new Map(report.tables.map((table) => [table.name, table]));
  return { report, tables, text: async () => (await runCli(["diff", ...args, ...place])).stdout };
}

describe("snapshots", () => {
  test("of a table that was updated in one place differ in exactly those ranges, live as well as stored", async () => {
    await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
    const same = await diff(subject, subject.id, "live");
    expect(same.report).toMatchObject({ equal: true, sequences: [], notCompared: [] });
    expect(await same.text()).toContain("both are the same");

    const [place] = await subject.live.query<{ block: number; blocks: number }>(
      `select (ctid::text::point)[0]::int as block,
              (pg_relation_size('wide') / current_setting('block_size')::int)::int as blocks from wide where id = 9000`,
    );
    const [block = 0, blocks = 0] = [place?.block, place?.blocks];
    const from = block - (block % RANGE_BLOCKS);
    const ranges = Math.ceil(blocks / RANGE_BLOCKS);
    expect(ranges).toBeGreaterThan(3);
    await subject.live.query("update wide set note = 'short' where id = 9000");
    const changed = { total: ranges, changed: [{ from, to: from + RANGE_BLOCKS }] };

    const live = await diff(subject, subject.id, "live");
    expect(live.tables.get("wide")).toMatchObject({ same: false, ranges: changed });
    expect(live.tables.get("small")).toMatchObject({ same: true, ranges: { changed: [] } });
    expect(live.report.equal).toBe(false);

    const second = await subject.backup("--kind", "snapshot");
    const stored = await diff(subject, subject.id, second);
    expect(stored.report).toMatchObject({
      equal: false,
      first: { id: subject.id, kind: "snapshot" },
      second: { id: second },
      sequences: [],
      definitions: { onlyFirst: [], onlySecond: [], changed: [] },
    });
    expect(stored.tables.get("wide")).toMatchObject({
      first: { rows: 16_000 },
      second: { rows: 16_000 },
      same: false,
      ranges: changed,
    });
    expect(stored.tables.get("small")).toMatchObject({ same: true, ranges: { changed: [] } });
    expect(await stored.text()).toMatch(new RegExp(`public\\.wide +16,000 .* 1 of ${ranges} ranges`));
    expect((await diff(subject, second, "live")).report.equal).toBe(true);
  });

  test("tell tables, sequences and definitions of one side, whichever is named first", async () => {
    await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
    await subject.live.query(
      `drop table gone; create table come (id int); insert into come values (1); select nextval('tickets');
       alter table small add check (id > 0); create index small_title on small (title);
       insert into small values (101, 'more')`,
    );
    const second = await subject.backup("--kind", "snapshot");
    for (const other of [second, "live"]) {
      const { report, tables, text } = await diff(subject, subject.name, subject.id, other);
      expect(tables.get("gone"), other).toMatchObject({ first: { rows: 0 }, second: null, same: false });
      expect(tables.get("come"), other).toMatchObject({ first: null, second: { rows: 1 }, same: false });
      expect(tables.get("small"), other).toMatchObject({ first: { rows: 100 }, second: { rows: 101 } });
      expect(tables.get("wide"), other).toMatchObject({ same: true });
      expect(report.sequences, other).toEqual([
        { schema: "public", name: "tickets", first: "1", second: "2" },
      ]);
      expect(report.definitions, other).toEqual({
        onlyFirst: ["TABLE public.gone"],
        onlySecond: ["TABLE public.come", "INDEX public.small_title"],
        changed: ["TABLE public.small"],
      });
      expect(await text(), other).toContain("sequence public.tickets: 1 → 2");
      const turned = await diff(subject, other, subject.id);
      expect(turned.tables.get("come"), other).toMatchObject({ first: { rows: 1 }, second: null });
      expect(turned.report.definitions?.onlyFirst, other).toEqual([
        "TABLE public.come",
        "INDEX public.small_title",
      ]);
    }
  });
});

test("what a database has of its own is compared, in archives too; values are not shown, for they may be secret", async () => {
  for (const kind of ["snapshot", "archive"]) {
    await using subject = await backedUp({ sql: SQL, backup: ["--kind", kind] });
    const { name } = subject.live;
    const role = `${name}_role`;
    await using _role = await freshRole(role);
    const quiet = await diff(subject, subject.id, "live");
    expect(quiet.report.properties, kind).toEqual({ onlyFirst: [], onlySecond: [], changed: [] });
    await subject.live.query(
      `alter database "${name}" set app.token to 'hush'; comment on database "${name}" is 'the shop';
       alter role "${role}" in database "${name}" set work_mem to '8MB';
       revoke temporary on database "${name}" from public; grant create on database "${name}" to "${role}";
       alter database "${name}" connection limit 50`,
    );
    const expected = {
      onlyFirst: [],
      onlySecond: [
        "DATABASE COMMENT",
        "DATABASE SETTING app.token",
        `DATABASE SETTING work_mem OF ROLE ${role}`,
        `DATABASE PRIVILEGES OF ${role}`,
      ],
      changed: ["DATABASE CONNECTION LIMIT", "DATABASE PRIVILEGES OF PUBLIC"],
    };
    const second = await subject.backup("--kind", kind);
    for (const other of ["live", second]) {
      const { report, text } = await diff(subject, subject.id, other);
      expect(report.equal, `${kind} ${other}`).toBe(false);
      expect(report.properties, `${kind} ${other}`).toEqual(expected);
      const shown = await text();
      expect(shown).toContain("DATABASE SETTING app.token is only in the second");
      expect(shown + JSON.stringify(report)).not.toContain("hush");
      const turned = await diff(subject, other, subject.id);
      expect(turned.report.properties.onlyFirst).toEqual(expected.onlySecond);
    }
  }
});

test("comments and privileges of what is in it count as definitions", async () => {
  await using subject = await backedUp({ sql: SQL, backup: ["--kind", "snapshot"] });
  await subject.live.query("comment on table small is 'little'; grant select on small to public");
  const { report } = await diff(subject, subject.id, "live");
  expect(report.equal).toBe(false);
  expect(report.definitions?.onlySecond.toSorted()).toEqual([
    "ACL public.TABLE small",
    "COMMENT public.TABLE small",
  ]);
});

test("the rows of materialized views are never called the same: no backup has them", async () => {
  await using subject = await backedUp({ sql: SQL + VIEW, backup: ["--kind", "snapshot"] });
  const second = await subject.backup("--kind", "snapshot");
  for (const other of ["live", second]) {
    const { report, text } = await diff(subject, subject.id, other);
    expect(report, other).toMatchObject({
      equal: null,
      notCompared: [{ what: "the rows of 1 materialized view" }],
    });
    expect(await text(), other).toContain("no difference was found in what was compared (rows,");
    const place = ["--url", subject.live.url, "--repository", subject.repository];
    expect((await runCli(["diff", subject.id, other, "--exit-code", ...place])).code, other).toBe(3);
  }
  await subject.live.query(
    "drop materialized view totals; create materialized view totals as select 1::bigint as n",
  );
  const { report } = await diff(subject, subject.id, "live");
  expect(report).toMatchObject({
    equal: false,
    definitions: { changed: ["MATERIALIZED VIEW public.totals"] },
  });
});

test("of a backup of some schemas only those are compared, which is said; a missing one is a difference", async () => {
  const sql =
    "create schema a; create table a.t (id int); create schema b; create table b.t (id int); create table t (id int);";
  const only = ["--kind", "snapshot", "--schema", "a", "--schema", "b"];
  await using subject = await backedUp({ sql, backup: only });
  await subject.live.query("insert into t values (1)");
  const same = await diff(subject, subject.id, "live");
  expect(same.report).toMatchObject({
    equal: true,
    first: { schemas: ["a", "b"], database: subject.live.name },
  });
  expect(await same.text()).toContain("of what the backup has: a, b)");
  await subject.live.query("drop schema b cascade");
  const { report } = await diff(subject, subject.id, "live");
  expect(report.definitions).toEqual({ onlyFirst: ["SCHEMA b", "TABLE b.t"], onlySecond: [], changed: [] });
});

describe("an error says that comparing failed, and what to do,", () => {
  const failing = async (subject: BackedUp, ...args: string[]) => {
    const result = await runCli(["diff", ...args, "--repository", subject.repository]);
    return { code: result.code, message: result.stderr };
  };

  test("when the live database is another one, or not there", async () => {
    const sql = "create schema a; create table a.t (id int);";
    await using subject = await backedUp({ sql, backup: ["--kind", "snapshot", "--schema", "a"] });
    await using other = await freshDatabase();
    const elsewhere = await failing(subject, subject.id, "live", "--url", other.url);
    expect(elsewhere.code).toBe(2);
    expect(elsewhere.message).toContain(
      `diff ${subject.id} live: compare with ${other.name}: it has none of the backup's schemas: a`,
    );
    expect(elsewhere.message).toContain("name that with `--url`");
    const url = new URL(other.url);
    url.pathname = "/no_such_database";
    const missing = await failing(subject, subject.id, "live", "--url", url.href);
    expect(missing.code).toBe(20);
    expect(missing.message).toContain(`diff ${subject.id} live: connect to `);
  });

  test("when a backup is not there, or several databases have one", async () => {
    await using subject = await backedUp({ sql: SQL });
    const missing = await failing(subject, subject.name, subject.id, "20200101T000000Z-0000");
    expect(missing.code).toBe(1);
    expect(missing.message).toContain(`diff ${subject.name} 20200101T000000Z-0000: there is no such backup`);
    const place = ["--url", subject.live.url, "--repository", subject.repository];
    expect((await runCli(["backup", "another", ...place])).code).toBe(0);
    const several = await failing(subject, "latest", "live");
    expect(several.code).toBe(2);
    expect(several.message).toMatch(/diff latest: .* each have one/);
    expect(several.message).toContain("`handled diff another FIRST SECOND`");
  });
});

test("an archive's large objects are called the same and different by nobody", async () => {
  await using subject = await backedUp({ sql: "create table t (); select lo_from_bytea(0, 'x')" });
  const snapshot = await subject.backup("--kind", "snapshot");
  for (const other of ["live", snapshot]) {
    const { report } = await diff(subject, subject.id, other);
    expect(report).toMatchObject({
      equal: null,
      tables: [{ name: "t" }],
      notCompared: [{ what: "definitions" }, { what: "large objects" }],
    });
  }
  expect((await diff(subject, snapshot, "live")).report).toMatchObject({ equal: true, notCompared: [] });
});

test("archives have rows alone, which is said; the exit code tells only when it is asked", async () => {
  await using subject = await backedUp({ sql: SQL });
  const second = await subject.backup();
  const { report, tables } = await diff(subject, subject.id, second);
  expect(
    (await runCli(["diff", subject.id, second, "--exit-code", "--repository", subject.repository])).code,
  ).toBe(3);
  expect(report).toMatchObject({
    equal: null,
    definitions: null,
    notCompared: [{ what: "definitions" }, { what: "the rows of 2 tables" }],
  });
  expect(tables.get("wide")).toMatchObject({
    first: { rows: 16_000, digest: null },
    same: null,
    ranges: null,
  });
  await subject.live.query("insert into gone values (1)");
  const live = await diff(subject, subject.id, "live");
  expect(live.tables.get("gone")).toMatchObject({ first: { rows: 0 }, second: { rows: 1 }, same: false });
  expect(live.tables.get("small")).toMatchObject({ first: { rows: 100 }, second: { rows: 100 }, same: null });

  const place = ["--repository", subject.repository, "--url", subject.live.url];
  expect((await runCli(["diff", subject.id, "live", ...place])).code).toBe(0);
  expect((await runCli(["diff", subject.id, "live", "--exit-code", ...place])).code).toBe(4);
  expect((await runCli(["diff", "live", "live", ...place])).code).toBe(2);
  expect((await runCli(["diff", subject.id, ...place])).code).toBe(2);
  const missing = await runCli(["diff", subject.id, "20200101T000000Z-0000", ...place]);
  expect(missing.code).toBe(1);
});
