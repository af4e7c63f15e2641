import { describe, expect, test } from "vitest";
import { DiffJson } from "../src/cli/json.ts";
import { type BackedUp, backedUp } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";

const RANGE_BLOCKS = 1024;

// Half of each page stays free, so that an update leaves its row in the page.
const SQL = `
  create table wide (id int primary key, note text) with (fillfactor = 50);
  insert into wide select g, repeat(md5(g::text), 28) from generate_series(1, 16000) g;
  create table small (id int primary key, title text);
  insert into small select g, 'item ' || g from generate_series(1, 100) g;
  create table gone (id int);
  create sequence tickets; select nextval('tickets');
  create materialized view totals as select count(*) as n from small;
`;

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

test("archives have rows alone, which is said; the exit code tells only when it is asked", async () => {
  await using subject = await backedUp({ sql: SQL });
  const second = await subject.backup();
  const { report, tables } = await diff(subject, subject.id, second);
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
