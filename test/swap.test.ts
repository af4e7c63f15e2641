import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { databasesLike, expectedDatabase, halfMade } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { cuttingProxy } from "./support/cutting-proxy.ts";
import { contentsOf } from "./support/database-contents.ts";
import { uniqueLongestName } from "./support/odd-database.ts";
import { INSIDE } from "./support/platform-database.ts";
import { runSql, temporaryFolder } from "./support/postgres.ts";
import { findSqlNow } from "./support/stock-tools.ts";
import {
  SWAP,
  expectRefused,
  definitionsOutside,
  propertiesOf,
  shopWith,
  platform,
  SMALL_SQL,
  SMALL_BACKUP,
  SMALL_ACCIDENT,
  smallShop,
  itemsIn,
} from "./support/swapped-shop.ts";
import { expectDone } from "./support/expect-done.ts";

const run = promisify(execFile);

/** Runs SQL in the live database once the swap gets to this operation (for the so many-th time). */
async function meanwhile(
  url: string,
  { at, time = 1, sql }: { at: string; time?: number; sql: string },
): Promise<{ observer: (phase: string, operation: string) => void }> {
  const sqlNow = await findSqlNow();
  let times = 0;
  return {
    observer: (phase, operation) => {
      if (`${phase} ${operation}` === at && ++times === time) sqlNow(url, sql);
    },
  };
}

/** Resolves once the query gives a row. */
async function until(url: string, sql: string): Promise<void> {
  while ((await runSql(url, sql)).length === 0) await wait(10);
}

// Written after the backup: outside it must be there after a swap, inside it must be gone.
const LATER_SQL = `
insert into public.account (name) values ('later');
update public.account set name = 'renamed' where name = 'account 1';
delete from public.log where id = 3;
insert into public.rating (grade) values ('a');
update other.by_grade set grade = 'b' where n = 99;`;
const ACCIDENT_SQL = `
delete from workspace.import; update reference.product set name = 'wrong' where id > 100;
insert into reference.product (name) values ('too new'); create table reference.too_new (id int);`;

describe("a swap of the backed-up schemas", () => {
  test("brings them back, and carries everything else over as it is now; --undo takes it back", async () => {
    await using shop = await platform();
    const backedUpInside = await contentsOf(shop.live.url, INSIDE);
    await shop.live.query(LATER_SQL);
    await shop.live.query(ACCIDENT_SQL);
    await shop.live.query("refresh materialized view public.totals");
    const before = await contentsOf(shop.live.url);
    const definitions = await definitionsOutside(shop.live.url);
    const properties = await propertiesOf(shop.live.name);

    const result = await shop.restore([...SWAP, "--json"]);
    expectDone(result);

    expect(await contentsOf(shop.live.url, INSIDE)).toEqual(backedUpInside);
    expect(await definitionsOutside(shop.live.url)).toEqual(definitions);
    expect(await propertiesOf(shop.live.name)).toEqual(properties);
    const after = await contentsOf(shop.live.url);
    expect(after.largeObjects).toEqual(before.largeObjects);
    for (const [table, rows] of Object.entries(before.tables)) {
      const isInside = INSIDE.some((schema) => table.startsWith(`"${schema}".`));
      // Views with contents of their own are filled anew.
      if (!isInside && table !== '"public"."totals"')
        expect([table, after.tables[table]]).toEqual([table, rows]);
    }
    const { before: aside } = jsonOf(result);
    expect(aside).toMatch(new RegExp(`^${shop.live.name}_before_\\d{8}_\\d{6}$`));
    expect(await contentsOf(expectedDatabase(String(aside)).url)).toEqual(before);
    expect(await halfMade()).toEqual([]);

    expectDone(await shop.restore(["--undo", "--yes"]));
    expect(await contentsOf(shop.live.url)).toEqual(before);
    expect(await propertiesOf(shop.live.name)).toEqual(properties);
  });

  test("works for a custom archive, and for one schema of several", async () => {
    await using shop = await shopWith({
      sql: `${SMALL_SQL} create schema more; create table more.of_it as select 1 as x;
        alter table more.of_it add item int references data.item;`,
      backup: [...SMALL_BACKUP, "--schema", "more", "--format", "custom"],
    });
    await shop.live.query(`${SMALL_ACCIDENT}; insert into more.of_it values (2)`);
    expectDone(await shop.restore([...SWAP, "--schema", "data"]));
    expect(await itemsIn(shop)).toBe(50);
    expect(await shop.live.query("select x from more.of_it order by x")).toEqual([{ x: 1 }, { x: 2 }]);
    expectDone(await shop.restore(SWAP));
    expect(await shop.live.query("select x from more.of_it order by x")).toEqual([{ x: 1 }]);
  });

  test("works for a backup of the whole database: all of it is as it was, with the live one's properties", async () => {
    await using shop = await shopWith({ sql: `${SMALL_SQL} select lo_from_bytea(99, 'scan');` });
    const before = await contentsOf(shop.live.url);
    await shop.live.query(`${SMALL_ACCIDENT}; drop table public.note; create table public.later ();
      alter database ${shop.live.name} set work_mem = '11MB'; comment on database ${shop.live.name} is 'now'`);
    const properties = await propertiesOf(shop.live.name);
    expectDone(await shop.restore(SWAP));
    expect(await contentsOf(shop.live.url)).toEqual(before);
    expect(await propertiesOf(shop.live.name)).toEqual(properties);
  });

  test("works for an archive of other tools", async () => {
    await using shop = await smallShop();
    await using folder = await temporaryFolder();
    await shop.live.query("insert into data.item select g, 'by hand' from generate_series(11, 30) g");
    const path = join(folder.path, "data.sql.gz");
    await run("bash", ["-c", 'set -o pipefail; pg_dump -n data "$0" | gzip > "$1"', shop.live.url, path]);
    await shop.live.query(`${SMALL_ACCIDENT}; insert into public.note (body) values ('later')`);
    expectDone(await shop.restore([path, "--swap", "--yes"]));
    expect(await itemsIn(shop)).toBe(30);
    expect(await shop.live.query("select body from public.note order by id")).toEqual([
      { body: "first" },
      { body: "later" },
    ]);
  });

  test("takes a name of 63 bytes, which it cuts for the one that is kept, and gives back whole", async () => {
    await using shop = await smallShop({ name: uniqueLongestName() });
    const before = await contentsOf(shop.live.url);
    const result = await shop.restore([...SWAP, "--json"]);
    expectDone(result);
    expect(Buffer.byteLength(String(jsonOf(result)["before"]))).toBeLessThanOrEqual(63);
    expect(await itemsIn(shop)).toBe(50);
    expectDone(await shop.restore(["--undo", "--yes"]));
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });
});

describe("a swap loses no write", () => {
  // The live database is locked and read by then.
  const LOAD = "before child psql";

  test("that was under way when the tables were locked", async () => {
    await using shop = await smallShop();
    const writer = new pg.Client({ connectionString: shop.live.url });
    // The swap ends its session.
    writer.on("error", () => undefined);
    await writer.connect();
    try {
      await writer.query("begin; insert into public.note (body) values ('under way')");
      const swap = shop.restore(SWAP);
      // Of this database: other tests swap, too.
      await until(
        shop.live.url,
        `select from pg_locks where not granted and mode = 'ShareLock' and relation is not null
          and database = (select oid from pg_database where datname = current_database())`,
      );
      await writer.query("commit");
      expectDone(await swap);
    } finally {
      await writer.end();
    }
    expect(await shop.live.query("select body from public.note order by id")).toEqual([
      { body: "first" },
      { body: "under way" },
    ]);
  });

  test("of an application that was not stopped and comes back again and again", async () => {
    await using shop = await smallShop();
    const stop = new AbortController();
    const written: number[] = [];
    const failures = { count: 0 };
    // As applications do: keep the connection while it works, and make a new one when it does not.
    const writeOn = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const client = new pg.Client({ connectionString: shop.live.url });
        client.on("error", () => undefined);
        try {
          await client.connect();
          while (!stop.signal.aborted) {
            const { rows } = await client.query<{ id: number }>(
              "insert into public.note (id, body) select coalesce(max(id), 0) + 1, 'loop' from public.note returning id",
            );
            written.push(...rows.map((row) => row.id));
          }
        } catch {
          failures.count += 1;
        } finally {
          await client.end();
        }
      }
    };
    const comeBack = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const client = new pg.Client({ connectionString: shop.live.url });
        client.on("error", () => undefined);
        await client.connect().catch(() => undefined);
        await wait(2);
        await client.end();
      }
    };
    const loops = [writeOn(), comeBack(), comeBack()];
    while (written.length < 20) await wait(5);
    const swap = await shop.restore(SWAP);
    const duringSwap = written.length;
    while (written.length < duringSwap + 20) await wait(5);
    stop.abort();
    await Promise.all(loops);
    expectDone(swap);
    const rows = await shop.live.query<{ id: number }>(
      "select id from public.note where body = 'loop' order by id",
    );
    expect(rows.map((row) => row.id)).toEqual(expect.arrayContaining(written));
    expect(failures.count).toBeGreaterThan(0);
    expect(await itemsIn(shop)).toBe(50);
  });

  test.each([
    ["a number of a sequence", { at: LOAD, sql: "select nextval('public.ticket')" }],
    ["a setting of the database", { at: LOAD, sql: "alter database current_name set work_mem = '9MB'" }],
    // The first transaction is the one that reads the live database, the second the one that renames.
    [
      "a table made at the last moment",
      { at: "before sql BEGIN", time: 2, sql: "create table public.meanwhile ()" },
    ],
  ])("and refuses when %s would be lost", async (_, change) => {
    await using shop = await smallShop();
    const sql = change.sql.replace("current_name", shop.live.name);
    const hook = await meanwhile(shop.live.url, { ...change, sql });
    const oid = "select oid from pg_database where datname = current_database()";
    const before = await shop.live.query(oid);
    expectRefused(await shop.restore(SWAP, hook), /changed outside the backup's schemas meanwhile/);
    expect(await shop.live.query(oid)).toEqual(before);
    expect(await itemsIn(shop)).toBe(10);
    expect(await halfMade()).toEqual([]);
  });

  test("and refuses when a large object was written meanwhile", async () => {
    await using shop = await smallShop({ sql: `${SMALL_SQL} select lo_from_bytea(4712, 'before');` });
    const hook = await meanwhile(shop.live.url, { at: LOAD, sql: "select lo_put(4712, 0, 'after!')" });
    expectRefused(await shop.restore(SWAP, hook), /changed outside/);
    expect(await itemsIn(shop)).toBe(10);
  });

  test("and names the session that keeps a table from it", async () => {
    await using shop = await smallShop();
    const writer = new pg.Client({ connectionString: shop.live.url, application_name: "long job" });
    await writer.connect();
    try {
      await writer.query("begin; insert into public.note (body) values ('never committed')");
      expectRefused(
        await shop.restore([...SWAP, "--lock-timeout", "1s"]),
        /"public"\."note".*application long job/s,
      );
    } finally {
      await writer.end();
    }
    expect(await itemsIn(shop)).toBe(10);
  });
});

test("a swap whose last answer is lost is known to be done", async () => {
  await using shop = await smallShop();
  const port = Number(new URL(shop.live.url).port);
  await using proxy = await cuttingProxy(port, ["rename to", "commit"]);
  const url = new URL(shop.live.url);
  url.port = String(proxy.port);
  const args = ["restore", shop.live.name, ...SWAP, "--url", url.href, "--repository", shop.repository];
  expectDone(await runCli(args));
  expect(proxy.cuts()).toBe(1);
  expect(await itemsIn(shop)).toBe(50);
  expect(await databasesLike(`${shop.live.name}%`)).toHaveLength(2);
});
