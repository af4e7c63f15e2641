import { describe, expect, test } from "vitest";
import { backedUp, type BackedUp, expectedDatabase, halfMade } from "./support/backed-up.ts";
import type { CliResult } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { runSql, uniqueName } from "./support/postgres.ts";
import { SHOP_SQL } from "./support/shop-sql.ts";
import { expectDone } from "./support/expect-done.ts";

test.each([
  ["archive", "plain"],
  ["archive", "custom"],
  ["snapshot", null],
])("a table that a backup (%s, %s) does not have is told before anything is made", async (kind, format) => {
  await using shop = await backedUp({
    sql: `${SHOP_SQL} create materialized view sales.sums as select count(*) from sales.orders`,
    backup: ["--kind", kind, ...(format === null ? [] : ["--format", format])],
  });
  const restore = async (table: string, ...args: string[]) => {
    const made: string[] = [];
    const result = await shop.restore(["latest", "--table", table, ...args, "--new-database", uniqueName()], {
      observer: (_, operation) => void (operation.includes("CREATE") && made.push(operation)),
    });
    expect(made).toEqual([]);
    return result;
  };
  const unknown = await restore("sales.order");
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain("restore table sales.order: no such table in the backup");
  expect(unknown.stderr).toContain("did you mean sales.orders?");
  expect((await restore("sales.spending", "--dry-run")).code).toBe(2);
  // Those without rows of their own are there as well.
  for (const table of ["sales.event_2024", "sales.sums", '"sch.e""ma 2"."Tä ble*"', 'sch.e"ma 2.Tä ble*'])
    expectDone(await restore(table, "--dry-run"));
});

describe("a part of a backup", () => {
  const tablesIn = async (url: string): Promise<string[]> => Object.keys((await contentsOf(url)).tables);

  async function restorePart(
    shop: BackedUp,
    args: readonly string[],
    check: (url: string, result: CliResult) => Promise<void>,
  ) {
    await using restored = expectedDatabase(uniqueName());
    const result = await shop.restore(["latest", ...args, "--new-database", restored.name]);
    expectDone(result);
    await check(restored.url, result);
  }

  test("is a schema with everything in it", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    const expected = await contentsOf(shop.live.url, ["sales"]);
    await restorePart(shop, ["--schema", "sales"], async (url) => {
      expect(await contentsOf(url, ["sales"])).toEqual(expected);
      expect(Object.keys((await contentsOf(url)).tables)).toEqual(Object.keys(expected.tables));
      // Its trigger works: the function in another schema came along.
      await runSql(url, "update sales.orders set price = 2 where id = 1");
    });
    await restorePart(shop, ["--schema", 'sch.e"ma 2', "--schema", "public"], async (url) => {
      const chosen = await contentsOf(shop.live.url, ['sch.e"ma 2', "public"]);
      expect(await contentsOf(url, ['sch.e"ma 2', "public"])).toEqual(chosen);
      expect((await contentsOf(url)).tables).toEqual(chosen.tables);
    });
  });

  test("is a partitioned table with all its partitions", async () => {
    const EVENT = '"sales"."event"';
    await using shop = await backedUp({ sql: SHOP_SQL });
    const { tables } = await contentsOf(shop.live.url, ["sales"]);
    await restorePart(shop, ["--table", "sales.event"], async (url, result) => {
      expect((await contentsOf(url)).tables).toEqual({ [EVENT]: tables[EVENT] });
      expect(await runSql(url, "select count(*)::int as rows from sales.event_2024")).toEqual([{ rows: 29 }]);
      expect(result.stdout).toContain("60 rows in 3 tables");
    });
  });

  test("is one partition by itself", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    await restorePart(shop, ["--table", "sales.event_2023"], async (url) => {
      expect(await runSql(url, "select count(*)::int as rows from sales.event_2023")).toEqual([{ rows: 31 }]);
    });
  });

  test("is a table of an odd name, written plainly or as in SQL", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    for (const written of ['sch.e"ma 2.Tä ble*', '"sch.e""ma 2"."Tä ble*"']) {
      await restorePart(shop, ["--table", written], async (url) => {
        expect(await tablesIn(url)).toEqual(['"sch.e""ma 2"."Tä ble*"']);
      });
    }
  });

  test("comes without a foreign key to what was not chosen, and says so", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    await restorePart(shop, ["--table", "sales.orders"], async (url, { stderr }) => {
      expect(stderr).toMatch(
        /left out: foreign key "orders_customer_fkey" of "sales"\."orders", for "sales"\."customer"/,
      );
      expect(await runSql(url, "select count(*)::int as rows from sales.orders")).toEqual([{ rows: 20 }]);
      expect(
        await runSql(url, "select conname from pg_constraint where conrelid = 'sales.orders'::regclass"),
      ).toEqual([{ conname: "orders_pkey" }]);
      // What the table needs came along.
      expect(
        await runSql(
          url,
          "insert into sales.orders (customer, price) values (9, 10) returning id, state, tax",
        ),
      ).toEqual([{ id: 21, state: "new", tax: "2.0" }]);
    });
    await restorePart(
      shop,
      ["--table", "sales.orders", "--table", "sales.customer"],
      async (url, { stderr }) => {
        expect(stderr).not.toContain("left out");
        expect(await tablesIn(url)).toEqual(['"sales"."customer"', '"sales"."orders"']);
      },
    );
  });

  test("is a table that is gone from the live database, and goes back into it with --to", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    const definitions = `select conname, pg_get_constraintdef(oid) as def from pg_constraint
       where conrelid = 'sales.orders'::regclass
      union all select tgname, pg_get_triggerdef(oid) from pg_trigger where tgrelid = 'sales.orders'::regclass and not tgisinternal
      union all select relname, pg_get_indexdef(oid) from pg_class where relname like 'orders%' and relkind = 'i' order by 1`;
    const before = [(await contentsOf(shop.live.url)).tables, await shop.live.query(definitions)];
    await shop.live.query("drop table sales.orders cascade; drop table sales.event");
    const tables = ["--table", "sales.orders", "--table", "sales.event"];
    expectDone(await shop.restore(["latest", ...tables, "--to", shop.live.url]));
    expect([(await contentsOf(shop.live.url)).tables, await shop.live.query(definitions)]).toEqual(before);
    expect(await shop.live.query("insert into sales.orders (customer) values (1) returning id")).toEqual([
      { id: 21 },
    ]);
  });

  test("is a schema that is gone from the live database", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    const before = await contentsOf(shop.live.url);
    await shop.live.query("drop schema sales cascade");
    expectDone(await shop.restore(["latest", "--schema", "sales", "--to", shop.live.url]));
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });

  test("never replaces a table that is still there", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    await shop.live.query("delete from sales.orders where id > 3; drop table sales.event");
    const before = await contentsOf(shop.live.url);
    const result = await shop.restore([
      "latest",
      "--table",
      "sales.event",
      "--table",
      "sales.orders",
      "--to",
      shop.live.url,
    ]);
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining('"sales"."orders"') as string });
    expect(await contentsOf(shop.live.url)).toEqual(before);
    expect(await halfMade()).toEqual([]);
  });
});
