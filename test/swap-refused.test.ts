import { describe, expect, test } from "vitest";
import { runCli } from "./support/cli.ts";
import { lyingProxy } from "./support/lying-proxy.ts";
import { clusterUrl, freshCluster, freshDatabase, runSql } from "./support/postgres.ts";
import { CTRL_C, ENTER, typeInto } from "./support/terminal.ts";
import { SWAP, expectRefused, smallShop, itemsIn } from "./support/swapped-shop.ts";
import { expectDone } from "./support/expect-done.ts";

describe("a swap is refused, and nothing is changed,", () => {
  test.each([
    [
      "a publication names a table of the backup",
      "create publication p for table data.item",
      /publication p names table data\.item/,
    ],
    [
      "a publication names a schema of the backup",
      "create publication p for tables in schema data",
      /publication p names schema data/,
    ],
    [
      "the database has a security label",
      `set allow_system_table_mods = on;
       insert into pg_shseclabel select oid, 'pg_database'::regclass, 'dummy', 'secret' from pg_database where datname = current_database()`,
      /security label of dummy on the database/,
    ],
    [
      "the database has a subscription",
      "create subscription s connection 'host=127.0.0.1 port=1 dbname=x' publication p with (connect = false)",
      /subscription s/,
    ],
    [
      "a row outside needs a row that the backup does not have",
      "insert into data.item values (51, 'new'); insert into public.note (item) values (51)",
      /violates foreign key constraint "note_item_fkey"/,
    ],
    [
      "a view outside needs a table that the backup does not have",
      "create table data.newer (id int); create view public.newer as select * from data.newer",
      /relation "data\.newer" does not exist/,
    ],
    [
      "an object of the backup is needed as it is now",
      "alter table data.item add column extra int; create view public.extras as select extra from data.item",
      /column (item\.)?"?extra"? does not exist/,
    ],
  ])("when %s", async (_, sql, message) => {
    await using shop = await smallShop();
    await shop.live.query(sql);
    const before = await shop.state();
    expectRefused(await shop.restore(SWAP), message);
    expect(await shop.state()).toEqual(before);
    // What no dump carries can be seen without making anything.
    const foreseen = message.source.match(/publication|subscription|label/) !== null;
    expect((await shop.restore(["--swap", "--dry-run"])).code).toBe(foreseen ? 1 : 0);
    await shop.live.query(
      "do $$ begin if exists (select from pg_subscription where subname = 's' and subdbid = (select oid from pg_database where datname = current_database())) then alter subscription s set (slot_name = none); end if; end $$",
    );
    await shop.live.query("drop subscription if exists s");
  });

  test("when replication, a prepared transaction or a tablespace is tied to the database", async () => {
    await using cluster = await freshCluster({
      settings: { wal_level: "logical", max_prepared_transactions: "5", allow_in_place_tablespaces: "on" },
    });
    const server = cluster.url();
    await using shop = await smallShop({ cluster: server });
    const refuse = async (sql: string, message: RegExp, undo: string): Promise<void> => {
      await shop.live.query(sql);
      const before = await shop.state();
      expectRefused(await shop.restore(SWAP), message);
      expect(await shop.state()).toEqual(before);
      await shop.live.query(undo);
    };
    await refuse(
      "select pg_create_logical_replication_slot('slot', 'pgoutput')",
      /replication slot slot/,
      "select pg_drop_replication_slot('slot')",
    );
    await refuse(
      "begin; insert into public.note (body) values ('x'); prepare transaction 'two phases'",
      /prepared transaction 'two phases'/,
      "rollback prepared 'two phases'",
    );
    await runSql(server, "create tablespace elsewhere location ''");
    await runSql(server, `alter database ${shop.live.name} set tablespace elsewhere`);
    const before = await shop.state();
    expectRefused(await shop.restore(SWAP), /tablespace elsewhere/);
    expect(await shop.state()).toEqual(before);
    await runSql(server, `alter database ${shop.live.name} set tablespace pg_default`);
    expectDone(await shop.restore(SWAP));
    expect(await itemsIn(shop)).toBe(50);
  });

  test("behind a pooler", async () => {
    await using shop = await smallShop();
    await using proxy = await lyingProxy(Number(new URL(shop.live.url).port));
    const url = new URL(shop.live.url);
    url.port = String(proxy.port);
    const before = await shop.state();
    const args = ["restore", shop.live.name, ...SWAP, "--url", url.href, "--repository", shop.repository];
    expectRefused(await runCli(args), /through a pooler/);
    expect(await shop.state()).toEqual(before);
  });

  test("when there is no live database", async () => {
    await using shop = await smallShop();
    await runSql(clusterUrl(), `drop database ${shop.live.name}`);
    const result = await shop.restore(SWAP);
    expectRefused(result, /there is no such database to replace/);
    expect(result.stderr).toContain(`--new-database ${shop.live.name}`);
  });

  test("when the backup is of another database", async () => {
    await using shop = await smallShop();
    await using other = await freshDatabase({ sql: "create table precious as select 1 as id" });
    const what = ["restore", shop.live.name, "latest", "--swap", "--yes"];
    const result = await runCli([...what, "--url", other.url, "--repository", shop.repository]);
    expectRefused(result, /not of this one/);
    expect(await other.query("select id from precious")).toEqual([{ id: 1 }]);
  });

  test("when nobody confirms it, or somebody types another name", async () => {
    await using shop = await smallShop();
    const before = await shop.state();
    expectRefused(await shop.restore(["latest", "--swap"]), /nobody is there to confirm it/, 2);
    const args = [
      "restore",
      shop.live.name,
      "latest",
      "--swap",
      "--url",
      shop.live.url,
      "--repository",
      shop.repository,
    ];
    const question = `Type ${shop.live.name} to go on`;
    const options = { cwd: shop.scratch };
    const wrong = await typeInto(args, [[question, `something${ENTER}`]], options);
    expect(wrong.code, wrong.stdout).toBe(2);
    expect(wrong.stdout).toContain("nothing was changed");
    expect((await typeInto(args, [[question, CTRL_C]], options)).code).not.toBe(0);
    expect(await shop.state()).toEqual(before);
    const right = await typeInto(args, [[question, `${shop.live.name}${ENTER}`]], options);
    expect(right.code, right.stdout).toBe(0);
    expect(await itemsIn(shop)).toBe(50);
  });
});
