import { describe, expect, test } from "vitest";
import { readPartList } from "../src/repository/part-lists.ts";
import { backedUp, type BackedUp, expectedDatabase, halfMade } from "./support/backed-up.ts";
import { jsonOf } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { INTRICATE_SQL } from "./support/intricate-database.ts";
import { freshDatabase, uniqueName } from "./support/postgres.ts";
import { readManifest } from "./support/rewrite-manifest.ts";
import { noAbort } from "./support/runtime.ts";
import { expectDone } from "./support/expect-done.ts";

const SNAPSHOT = ["--kind", "snapshot", "--jobs", "2"];
const ODD_TABLE = `"b ""2"" \nline"."t; drop\n-- ""able"""`;

async function intricate(): Promise<BackedUp> {
  return await backedUp({ sql: INTRICATE_SQL, backup: SNAPSHOT });
}

/** Rows of one table, sorted, as JSON with sorted keys. */
async function rowsOf(database: { url: string }, schema: string, name: string): Promise<readonly string[]> {
  const { tables } = await contentsOf(database.url, [schema]);
  return tables[`"${schema}"."${name}"`] ?? [];
}

const DEFINITIONS = `
  select pg_get_indexdef(indexrelid) as text from pg_index where indrelid = 'a.orders'::regclass
  union all select conname || pg_get_constraintdef(oid) from pg_constraint where conrelid = 'a.orders'::regclass
  union all select pg_get_triggerdef(oid) from pg_trigger where tgrelid = 'a.orders'::regclass and not tgisinternal
  union all select polname::text from pg_policy where polrelid = 'a.orders'::regclass order by 1`;

describe("one table of a snapshot", () => {
  test("comes into a new database with all that is its own; its keys to others are told", async () => {
    await using shop = await intricate();
    await using restored = expectedDatabase(uniqueName());
    const result = await shop.restore(["latest", "--new-database", restored.name, "--table", "a.orders"]);
    expectDone(result);
    expect(result.stderr).toContain("the chosen 300 rows in 1 table, every part is there");
    expect(await rowsOf(restored, "a", "orders")).toEqual(await rowsOf(shop.live, "a", "orders"));
    const foreignKey = ({ text }: { text: string }): boolean => text.includes("FOREIGN KEY");
    const [live, there] = [
      await shop.live.query<{ text: string }>(DEFINITIONS),
      await restored.query<{ text: string }>(DEFINITIONS),
    ];
    expect(there).toEqual(live.filter((one) => !foreignKey(one)));
    expect(live.filter(foreignKey)).toHaveLength(2);
    for (const name of ["orders_customer_fkey", "other_customer"]) {
      expect(result.stderr).toContain(
        `left out: foreign key "${name}" of "a"."orders", for "a"."customer" was not`,
      );
    }
    const others =
      "select relname from pg_class where relkind in ('r', 'p', 'm') and relnamespace = 'a'::regnamespace";
    expect(await restored.query(others)).toEqual([{ relname: "orders" }]);
  });

  test("needs the parts of no other table", async () => {
    await using shop = await intricate();
    const { repository, tables } = await readManifest(shop);
    const needed = tables.find(({ schema, name }) => schema === "a" && name === "parent")?.partList;
    if (!needed) throw new Error("the table has no part list");
    const { ranges } = await readPartList(repository, shop.name, needed, noAbort());
    const named = (await Array.fromAsync(ranges)).flatMap(({ parts }) => parts.map(({ name }) => name));
    expect(named.length).toBeGreaterThan(0);
    const parts = await shop.storage.keys(`${shop.name}/parts/`, "all", noAbort());
    const unneeded = parts.filter((key) => !named.some((name) => key.endsWith(name)));
    expect(unneeded.length).toBeGreaterThan(parts.length / 2);
    for (const key of unneeded) await shop.storage.delete(key, noAbort());
    await using again = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["latest", "--new-database", again.name, "--table", "a.parent"]));
    expect(await rowsOf(again, "a", "parent")).toEqual(await rowsOf(shop.live, "a", "parent"));
    const other = await shop.restore(["latest", "--new-database", uniqueName(), "--table", "a.event"]);
    expect(other.code, other.stderr).toBe(13);
    expect(await halfMade()).toEqual([]);
  });

  test.each([
    ["partitioned, with its partitions", "a.event", "a", "event"],
    ["partitioned by the hash of an enum", "a.by_mood", "a", "by_mood"],
    ["under a name that needs quotes", ODD_TABLE, 'b ""2"" \nline', 't; drop\n-- ""able""'],
    ["without columns", "a.nothing", "a", "nothing"],
  ])("%s", async (_, text, schema, name) => {
    await using shop = await intricate();
    await using restored = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["latest", "--new-database", restored.name, "--table", text]));
    const key = `"${schema}"."${name}"`;
    const [live, there] = [await contentsOf(shop.live.url), await contentsOf(restored.url)];
    expect(live.tables[key]?.length).toBeGreaterThan(0);
    expect(there.tables).toEqual({ [key]: live.tables[key] });
  });

  test("a partition alone becomes a table by itself", async () => {
    await using shop = await intricate();
    await using restored = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["latest", "--new-database", restored.name, "--table", "a.event_2024_a"]));
    const rows = "select count(*)::int as rows from a.event_2024_a";
    expect(await restored.query(rows)).toEqual(await shop.live.query(rows));
    const indexes = "select count(*)::int as n from pg_index where indrelid = 'a.event_2024_a'::regclass";
    expect(await restored.query(indexes)).toEqual(await shop.live.query(indexes));
  });

  test("with the table that its key refers to, keeps the key", async () => {
    await using shop = await intricate();
    await using restored = expectedDatabase(uniqueName());
    const tables = ["--table", "a.orders", "--table", "a.customer"];
    expectDone(await shop.restore(["latest", "--new-database", restored.name, ...tables]));
    expect(await restored.query(DEFINITIONS)).toEqual(await shop.live.query(DEFINITIONS));
  });

  test("a filled view comes with the tables that it reads, and not without", async () => {
    await using shop = await intricate();
    await using restored = expectedDatabase(uniqueName());
    const tables = ["a.a_first", "a.totals", "a.customer", "a.orders"].flatMap((name) => ["--table", name]);
    expectDone(await shop.restore(["latest", "--new-database", restored.name, ...tables]));
    expect(await rowsOf(restored, "a", "totals")).toEqual(await rowsOf(shop.live, "a", "totals"));
    expect(await rowsOf(restored, "a", "a_first")).toEqual(await rowsOf(shop.live, "a", "a_first"));
    const alone = await shop.restore(["latest", "--new-database", uniqueName(), "--table", "a.totals"]);
    expect(alone.stderr).toContain("needs what was not chosen");
    expect(alone.code).toBe(2);
  });

  test("goes back into the live database, with the keys and views that are its own", async () => {
    await using shop = await intricate();
    const before = await contentsOf(shop.live.url);
    await shop.live.query(
      `drop materialized view a.a_first; drop materialized view a.totals; drop view a.spending;
       alter table a.customer drop constraint customer_favourite; drop table a.orders`,
    );
    const tables = ["a.orders", "a.totals", "a.a_first"].flatMap((name) => ["--table", name]);
    expectDone(await shop.restore(["latest", "--to", shop.live.url, ...tables]));
    const after = await contentsOf(shop.live.url);
    expect(after.tables).toEqual(before.tables);
    expect(after.definitions).toEqual(
      before.definitions.filter((text) => !/^ SELECT c\.id,\n.*sum|^a\.customer FOREIGN/s.test(text)),
    );
    const checked =
      "select conname, convalidated from pg_constraint where conrelid = 'a.orders'::regclass order by 1";
    expect(await shop.live.query(checked)).toContainEqual({
      conname: "orders_customer_fkey",
      convalidated: true,
    });
  });

  test("that cannot go into the live database leaves it as it was", async () => {
    await using shop = await intricate();
    await shop.live.query(
      `alter table a.customer drop constraint customer_favourite; drop table a.orders cascade;
       alter table a.event drop constraint event_customer_fkey; delete from a.customer where id < 10`,
    );
    const before = await contentsOf(shop.live.url);
    const result = await shop.restore(["latest", "--to", shop.live.url, "--table", "a.orders"]);
    expect(result.code, result.stderr).toBe(1);
    expect(result.stderr).toContain("orders_customer_fkey");
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });

  test("that does not exist is refused with the nearest one", async () => {
    await using shop = await intricate();
    const result = await shop.restore(["latest", "--new-database", uniqueName(), "--table", "a.order"]);
    expect(result.stderr).toContain("did you mean a.orders?");
    expect(await halfMade()).toEqual([]);
  });
});

describe("one schema of a snapshot", () => {
  const SQL = `${INTRICATE_SQL} create schema c; create table c.mine (id int primary key, mood a.mood, customer int references a.customer);
    insert into c.mine select g, 'ok', g from generate_series(1, 20) g;
    create view c.known as select m.id, c.name from c.mine m join a.customer c on c.id = m.customer;
    create materialized view c.counted as select count(*) as n from c.mine;`;

  test("comes into a new database", async () => {
    await using shop = await backedUp({ sql: SQL, backup: SNAPSHOT });
    await using restored = expectedDatabase(uniqueName());
    const result = await shop.restore(["latest", "--new-database", restored.name, "--schema", "a", "--json"]);
    expectDone(result);
    expect(await contentsOf(restored.url, ["a"])).toEqual(await contentsOf(shop.live.url, ["a"]));
    expect((await contentsOf(restored.url, ["c"])).tables).toEqual({});
  });

  test("is swapped in, beside what the live database has", async () => {
    await using shop = await backedUp({ sql: SQL, backup: SNAPSHOT });
    const before = await contentsOf(shop.live.url);
    await shop.live.query("delete from c.mine; refresh materialized view c.counted; delete from a.booking");
    const changed = await contentsOf(shop.live.url, ["a"]);
    const result = await shop.restore(["latest", "--swap", "--schema", "c", "--yes", "--json"]);
    expectDone(result);
    await using _replaced = expectedDatabase(String(jsonOf(result)["before"]));
    expect(await contentsOf(shop.live.url, ["a"])).toEqual(changed);
    const after = await contentsOf(shop.live.url, ["c"]);
    expect(after.tables['"c"."mine"']).toEqual(before.tables['"c"."mine"']);
    expect(after.tables['"c"."counted"']).toEqual(before.tables['"c"."counted"']);
    expect(after.definitions.join("\n")).toContain("FOREIGN KEY (customer) REFERENCES a.customer(id)");
  });

  test("goes beside others into a database that is there", async () => {
    await using shop = await backedUp({ sql: SQL, backup: SNAPSHOT });
    const before = await contentsOf(shop.live.url);
    await shop.live.query("drop schema c cascade");
    expectDone(await shop.restore(["latest", "--to", shop.live.url, "--schema", "c"]));
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });

  test("is refused when the snapshot does not have it", async () => {
    await using shop = await backedUp({ sql: SQL, backup: SNAPSHOT });
    await using empty = await freshDatabase();
    const result = await shop.restore(["latest", "--to", empty.url, "--schema", "nowhere"]);
    expect(result.stderr).toContain("no such schema in the backup");
  });
});
