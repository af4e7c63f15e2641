import { execFile } from "node:child_process";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { createTemporaryDatabase } from "../src/operations/restore/temporary-database.ts";
import { connectBeside } from "../src/postgres/admin.ts";
import { readProperties } from "../src/postgres/properties.ts";
import {
  backedUp,
  type BackedUp,
  databasesLike,
  expectedDatabase,
  freshRole,
  halfMade,
} from "./support/backed-up.ts";
import { type CliOptions, type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { ODD_DATABASE_SQL, uniqueLongestName } from "./support/odd-database.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder, uniqueName } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { findSqlNow, restoreWithStockTools } from "./support/stock-tools.ts";

const run = promisify(execFile);

const SHOP_SQL = `
create schema sales;
create type sales.state as enum ('new', 'paid');
create function sales.tax(price numeric) returns numeric language sql immutable as 'select price * 0.2';
create table sales.customer (id int primary key, name text not null);
insert into sales.customer select g, 'customer ' || g from generate_series(1, 5) g;
create table sales.orders (
  id serial primary key, customer int not null references sales.customer, state sales.state default 'new',
  price numeric, tax numeric generated always as (sales.tax(price)) stored);
insert into sales.orders (customer, price) select 1 + g % 5, g from generate_series(1, 20) g;
create index orders_by_state on sales.orders (state);
create table sales.event (at date not null, what text) partition by range (at);
create table sales.event_2023 partition of sales.event for values from ('2023-01-01') to ('2024-01-01');
create table sales.event_2024 partition of sales.event for values from ('2024-01-01') to ('2025-01-01')
  partition by list (what);
create table sales.event_2024_a partition of sales.event_2024 for values in ('a');
create table sales.event_2024_rest partition of sales.event_2024 default;
insert into sales.event select date '2023-12-01' + g, substr('abc', 1 + g % 3, 1) from generate_series(0, 59) g;
create view sales.spending as select c.name, sum(o.price) as price
  from sales.customer c join sales.orders o on o.customer = c.id group by c.name;
create view sales.paid as select * from sales.orders where state = 'paid';
create function public.touch() returns trigger language plpgsql as $$ begin new.price := new.price + 0; return new; end $$;
create trigger touch before update on sales.orders for each row execute function public.touch();
create schema "sch.e""ma 2";
create table "sch.e""ma 2"."Tä ble*" (id int primary key, "wh at" text);
insert into "sch.e""ma 2"."Tä ble*" values (1, 'one'), (2, 'two');
create table public.note (id int primary key, body text);
insert into public.note values (1, 'a note');
`;

function expectDone(result: CliResult): void {
  expect(result.code, result.stderr).toBe(0);
}

/** Runs a shell command line that fails when any part of a pipe fails. */
async function shell(script: string, ...args: string[]): Promise<void> {
  await run("bash", ["-c", `set -euo pipefail; ${script}`, "bash", ...args]);
}

describe("a restore into a new database", () => {
  test.each([
    ["plain", "gzip"],
    ["plain", "zstd"],
    ["custom", "gzip"],
  ])("brings everything back from a %s archive with %s", async (format, compression) => {
    await using shop = await backedUp({
      sql: ODD_DATABASE_SQL,
      backup: ["--format", format, "--compression", compression],
    });
    const before = await contentsOf(shop.live.url);
    await using restored = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["latest", "--new-database", restored.name]));
    expect(await contentsOf(restored.url)).toEqual(before);
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });

  test("makes up a name with the time when none is given, and leaves the live database alone", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    await shop.live.query("delete from sales.orders where id > 3");
    const result = await shop.restore(["--json"]);
    expectDone(result);
    const report = jsonOf(result);
    await using restored = expectedDatabase(String(report["restoredInto"]));
    expect(restored.name).toMatch(new RegExp(`^${shop.live.name}_restored_\\d{8}_\\d{6}$`));
    expect(await restored.query("select count(*)::int as rows from sales.orders")).toEqual([{ rows: 20 }]);
    expect(await shop.live.query("select count(*)::int as rows from sales.orders")).toEqual([{ rows: 3 }]);
    expect(report).toMatchObject({ dryRun: false, replaces: false, tables: 7, rows: 88 });
  });

  test("brings a dropped database back under its own name", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    const before = await contentsOf(shop.live.url);
    await runSql(clusterUrl(), `drop database ${shop.live.name}`);
    expectDone(await shop.restore(["latest", "--new-database", shop.live.name]));
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });

  test("takes a name of 63 bytes, and refuses a longer one", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    const longest = uniqueLongestName();
    await using restored = expectedDatabase(longest);
    expectDone(await shop.restore(["--new-database", longest]));
    expect(await restored.query("select count(*)::int as rows from sales.orders")).toEqual([{ rows: 20 }]);
    const longer = await shop.restore(["--new-database", `${longest}x`]);
    expect(longer).toMatchObject({ code: 2, stderr: expect.stringContaining("at most 63 bytes") as string });
  });

  test("refuses a name that is taken", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    const result = await shop.restore(["--new-database", shop.live.name]);
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining("exists already") as string });
    expect(await halfMade()).toEqual([]);
  });

  test("gives back what stock tools do not: the database's own properties", async () => {
    const [app, reader] = [uniqueName("app"), uniqueName("reader")];
    await using _app = await freshRole(app);
    await using _reader = await freshRole(reader);
    await using shop = await backedUp({ sql: SHOP_SQL, backup: [] });
    await using odd = expectedDatabase(uniqueName());
    await runSql(
      clusterUrl(),
      `create database ${odd.name} template template0 encoding 'UTF8' lc_collate 'C.utf8' lc_ctype 'C.utf8'
         locale_provider icu icu_locale 'de-DE' owner ${app};`,
    );
    await odd.query(`
      create schema sales; create table sales.t as select 1 as x;
      comment on database ${odd.name} is 'it''s "the" shop';
      alter database ${odd.name} connection limit 17;
      alter database ${odd.name} set search_path = "$user", sales, "odd, schema";
      alter database ${odd.name} set work_mem = '5MB';
      alter database ${odd.name} set my.setting = 'a, "b"; it''s';
      alter role ${reader} in database ${odd.name} set search_path = sales;
      alter role ${reader} in database ${odd.name} set statement_timeout = '7s';
      revoke connect on database ${odd.name} from public;
      grant connect on database ${odd.name} to ${reader} with grant option;
      grant create, temporary on database ${odd.name} to ${reader};`);
    const facts = async (name: string): Promise<unknown> =>
      await runSql(
        clusterUrl(),
        `select pg_get_userbyid(datdba) as owner, encoding, datcollate, datctype, datlocprovider,
                coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as locale, datconnlimit, shobj_description(oid, 'pg_database') as comment,
                (select array_agg(a::text order by a::text) from unnest(datacl) a) as grants,
                (select array_agg(pg_get_userbyid(setrole) || setconfig::text order by setrole) from pg_db_role_setting
                  where setdatabase = d.oid) as settings
           from pg_database d where datname = '${name}'`,
      );
    const place = ["--url", odd.url, "--repository", shop.repository];
    // Schemas only: then the archive itself certainly carries nothing of the database.
    expectDone(await runCli(["backup", odd.name, "--schema", "sales", ...place]));
    await using restored = expectedDatabase(uniqueName());
    expectDone(await runCli(["restore", odd.name, "latest", "--new-database", restored.name, ...place]));
    expect(await facts(restored.name)).toEqual(await facts(odd.name));
    expect(await restored.query("show search_path")).toEqual([
      { search_path: '"$user", sales, "odd, schema"' },
    ]);
  });

  test("brings the data to a server that lacks the locale, and says so", async () => {
    const runtime = testRuntime();
    await using shop = await freshDatabase();
    await using admin = await connectBeside(runtime, shop.settings, [shop.name], noAbort());
    const properties = await readProperties(admin, shop.name);
    if (properties === null) throw new Error("the database is gone");
    const foreign = { ...properties, collate: "xx_XX.UTF-8", ctype: "xx_XX.UTF-8" };
    await using made = await createTemporaryDatabase(runtime, admin, "shop", foreign);
    expect(await readProperties(admin, made.name)).toMatchObject({ encoding: "UTF8", collate: "C" });
    expect(runtime.warnings).toEqual([expect.stringContaining("does not have the locale xx_XX.UTF-8")]);
  });

  test("only says what it would do with --dry-run", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    const name = uniqueName();
    for (const target of [["--new-database", name], ["--swap"], []]) {
      const state = async (): Promise<unknown> => [
        await runSql(clusterUrl(), "select datname, oid from pg_database where datname like $1 order by 1", [
          `${shop.live.name}%`,
        ]),
        await halfMade(),
        await contentsOf(shop.live.url),
      ];
      const before = await state();
      const result = await shop.restore([...target, "--dry-run", "--json"]);
      expectDone(result);
      expect(jsonOf(result)).toMatchObject({ dryRun: true, rows: 88, durationMs: null });
      expect(await state()).toEqual(before);
    }
  });

  test("is what stock tools make of the same archive", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    await using stock = await freshDatabase();
    await restoreWithStockTools(await shop.archiveFile(), stock.url);
    await using restored = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["--new-database", restored.name]));
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(stock.url));
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(shop.live.url));
  });

  test("works for a backup of the schema public alone", async () => {
    await using shop = await backedUp({
      sql: `${SHOP_SQL} grant usage on schema public to public; comment on schema public is 'ours';`,
      backup: ["--schema", "public"],
    });
    await using restored = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["--new-database", restored.name]));
    expect(await restored.query("select * from note")).toEqual([{ id: 1, body: "a note" }]);
    const rights =
      "select nspname, nspacl::text, obj_description(oid) from pg_namespace where nspname = 'public'";
    expect(await restored.query(rights)).toEqual(await shop.live.query(rights));
  });
});

describe("a restore with --to", () => {
  test("makes the database when it is not there", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    await using target = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["latest", "--to", target.url]));
    expect(await contentsOf(target.url)).toEqual(await contentsOf(shop.live.url));
  });

  test("fills a database that is there and empty, and keeps what it is", async () => {
    await using owner = await freshRole(uniqueName("owner"));
    await using shop = await backedUp({ sql: `create extension pg_trgm; ${SHOP_SQL}` });
    await using target = await freshDatabase({ sql: "create extension pg_trgm" });
    await target.query(
      `alter database ${target.name} owner to ${owner.name}; alter database ${target.name} set work_mem = '7MB'`,
    );
    expectDone(await shop.restore(["latest", "--to", target.url]));
    expect(await contentsOf(target.url)).toEqual(await contentsOf(shop.live.url));
    expect(
      await target.query(
        "select pg_get_userbyid(datdba) as owner from pg_database where datname = current_database()",
      ),
    ).toEqual([{ owner: owner.name }]);
    expect(await target.query("show work_mem")).toEqual([{ work_mem: "7MB" }]);
  });

  test.each([
    ["a table", "create table t ()"],
    ["a schema", "create schema s"],
    ["a function", "create function f() returns int language sql as 'select 1'"],
    ["a type", "create type t as enum ('a')"],
    ["a large object", "select lo_create(77)"],
  ])("refuses a database that has %s before the archive is read", async (_, sql) => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    await using target = await freshDatabase({ sql });
    const before = await contentsOf(target.url);
    const operations: string[] = [];
    const result = await shop.restore(["latest", "--to", target.url], {
      observer: (phase, operation) => void operations.push(`${phase} ${operation}`),
    });
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining("not empty") as string });
    expect(operations.filter((operation) => operation.includes("storage open"))).toEqual([]);
    expect(await contentsOf(target.url)).toEqual(before);
  });
});

describe("a backup of some schemas that needs something of another", () => {
  const START = { sql: SHOP_SQL, backup: ["--schema", "sales"] };
  const TOUCH = `create function public.touch() returns trigger language plpgsql as $$ begin return new; end $$;
    create table public.theirs as select 1 as x;`;

  test("does not restore alone, and says what to do", async () => {
    await using shop = await backedUp(START);
    const name = uniqueName();
    const result = await shop.restore(["latest", "--new-database", name]);
    expect(result.code, result.stderr).toBe(1);
    expect(result.stderr).toContain("function public.touch() does not exist");
    expect(result.stderr).toContain("the backup holds sales and nothing that they need of other schemas");
    expect(await databasesLike(name)).toEqual([]);
  });

  test("restores into a database that has it, beside what else is there", async () => {
    await using shop = await backedUp(START);
    await using target = await freshDatabase({ sql: TOUCH });
    expectDone(await shop.restore(["latest", "--to", target.url]));
    expect((await contentsOf(target.url, ["sales"])).tables).toEqual(
      (await contentsOf(shop.live.url, ["sales"])).tables,
    );
    expect(await target.query("select x from theirs")).toEqual([{ x: 1 }]);
    const again = await shop.restore(["latest", "--to", target.url]);
    expect(again).toMatchObject({ code: 2, stderr: expect.stringContaining('schema "sales"') as string });
  });

  test("swaps, with what the live database has", async () => {
    await using shop = await backedUp(START);
    const before = await contentsOf(shop.live.url);
    await shop.live.query("delete from sales.orders");
    const result = await shop.restore(["latest", "--swap", "--yes", "--json"]);
    await using _replaced = expectedDatabase(String(jsonOf(result)["before"]));
    expectDone(result);
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });
});

describe("what to restore", () => {
  test("is named by latest, an id, an archive's name or a path", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    await shop.live.query("insert into note values (2, 'later')");
    const second = await shop.backup();
    const rowsOf = async (which: string): Promise<unknown> => {
      await using restored = expectedDatabase(uniqueName());
      expectDone(await shop.restore([which, "--new-database", restored.name]));
      const [row] = await restored.query<{ rows: number }>("select count(*)::int as rows from note");
      return row?.rows;
    };
    expect(await rowsOf("latest")).toBe(2);
    expect(await rowsOf(second)).toBe(2);
    expect(await rowsOf(shop.id)).toBe(1);
    expect(await rowsOf(shop.archiveName)).toBe(1);
    expect(await rowsOf(shop.archive)).toBe(1);
  });

  test("is suggested when the name is nearly right", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    const refuse = async (...args: string[]): Promise<string> => {
      const result = await shop.restore(args);
      expect(result.code).not.toBe(0);
      return result.stderr;
    };
    expect(await refuse(`${shop.id}x`)).toContain(`did you mean ${shop.id}?`);
    expect(await refuse(shop.archiveName.replace(".gz", ""))).toContain(`did you mean ${shop.archiveName}?`);
    expect(await refuse("latest", "--schema", "sale")).toContain("did you mean sales?");
    expect(await refuse("latest", "--table", "sales.order")).toContain("did you mean sales.orders?");
    expect(await refuse("./no/such/file.sql.gz")).toContain("no such file");
    expect(await databasesLike(`${shop.live.name}\\_restored%`)).toEqual([]);
    expect(await halfMade()).toEqual([]);
  });

  test("must make sense", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    for (const args of [
      ["--schema", "sales", "--table", "sales.orders"],
      ["--swap", "--table", "sales.orders"],
      ["--swap", "--undo"],
      ["--to", shop.live.url, "--new-database", "x"],
      ["--undo", "--table", "sales.orders"],
      ["--new-database", ""],
      ["--to", clusterUrl("x".repeat(64))],
    ]) {
      expect(await shop.restore(["latest", ...args])).toMatchObject({ code: 2 });
    }
  });
});

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

describe("an archive of other tools", () => {
  const makers: readonly [string, string, string][] = [
    ["pg_dump | gzip", "dump.sql.gz", 'pg_dump "$1" | gzip > "$2"'],
    ["pg_dump | zstd", "dump.sql.zst", 'pg_dump "$1" | zstd -q > "$2"'],
    ["pg_dump, uncompressed", "dump.sql", 'pg_dump "$1" > "$2"'],
    ["pg_dump -Fc", "dump.dump", 'pg_dump -Fc -f "$2" "$1"'],
    ["pg_dump --inserts", "inserts.sql", 'pg_dump --inserts "$1" > "$2"'],
    ["pg_dump --clean --if-exists", "clean.sql.gz", 'pg_dump --clean --if-exists "$1" | gzip > "$2"'],
    ["an unknown name", "backup", 'pg_dump "$1" | gzip > "$2"'],
  ];

  test.each(makers)("made by %s restores by its path, without a repository", async (_, file, script) => {
    await using live = await freshDatabase({ sql: SHOP_SQL });
    await using folder = await temporaryFolder();
    const path = join(folder.path, file);
    await shell(script, live.url, path);
    await using restored = expectedDatabase(uniqueName());
    expectDone(
      await runCli(["restore", live.name, path, "--url", live.url, "--new-database", restored.name]),
    );
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(live.url));
  });

  test("restores by its bare name when it lies in the repository's folder, and is never the latest", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL });
    await shop.live.query("insert into note values (2, 'later')");
    const byHand = join(shop.scratch, "by_hand.sql.gz");
    await shell('pg_dump "$1" | gzip > "$2"', shop.live.url, byHand);
    await shop.storage.put(`${shop.live.name}/by_hand.sql.gz`, await readFile(byHand), noAbort());
    await using foreign = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["by_hand.sql.gz", "--new-database", foreign.name]));
    expect(await foreign.query("select count(*)::int as rows from note")).toEqual([{ rows: 2 }]);
    await using latest = expectedDatabase(uniqueName());
    expectDone(await shop.restore(["latest", "--new-database", latest.name]));
    expect(await latest.query("select count(*)::int as rows from note")).toEqual([{ rows: 1 }]);
  });

  test("gives single tables too, a copy of ours among them", async () => {
    await using shop = await backedUp({ sql: SHOP_SQL, backup: ["--format", "custom"] });
    await using folder = await temporaryFolder();
    const path = join(folder.path, "copy.dump");
    await copyFile(await shop.archiveFile(), path);
    await using restored = expectedDatabase(uniqueName());
    expectDone(await shop.restore([path, "--table", "public.note", "--new-database", restored.name]));
    expect(Object.keys((await contentsOf(restored.url)).tables)).toEqual(['"public"."note"']);
  });
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

describe("roles that the server does not have", () => {
  const sqlFor = (owner: string, reader: string): string => `
    create table thing (id int); insert into thing values (1);
    alter table thing owner to ${owner}; grant select on thing to ${reader};`;

  test("are created without login", async () => {
    const [owner, reader] = [uniqueName("owner"), uniqueName("reader")];
    await runSql(clusterUrl(), `create role ${owner} login; create role ${reader} login`);
    await using shop = await backedUp({ sql: sqlFor(owner, reader) });
    await runSql(clusterUrl(), `drop database ${shop.live.name}`);
    await runSql(clusterUrl(), `drop role ${owner}; drop role ${reader}`);
    await using restored = expectedDatabase(uniqueName());
    const result = await shop.restore(["latest", "--new-database", restored.name]);
    expectDone(result);
    expect(result.stderr).toContain("created roles without login");
    expect(
      await restored.query(
        `select tableowner = '${owner}' as owned, has_table_privilege('${reader}', 'thing', 'select') as granted,
                (select bool_or(rolcanlogin) from pg_roles where rolname in ('${owner}', '${reader}')) as login
           from pg_tables where tablename = 'thing'`,
      ),
    ).toEqual([{ owned: true, granted: true, login: false }]);
    await restored[Symbol.asyncDispose]();
    await runSql(clusterUrl(), `drop role ${owner}; drop role ${reader}`);
  });

  test("are dropped again when the restore fails, but not those that were there or that something uses", async () => {
    const [owner, reader] = [uniqueName("owner"), uniqueName("reader")];
    await runSql(clusterUrl(), `create role ${owner} login; create role ${reader} login`);
    const sql = `${sqlFor(owner, reader)}
      create function ok(id int) returns boolean language sql as
        $$ select current_database() not like 'handled\\_restoring%' or 1 / (id - id) = 1 $$;
      alter table thing add check (ok(id))`;
    await using shop = await backedUp({ sql });
    await runSql(clusterUrl(), `drop database ${shop.live.name}`);
    const roles = async (): Promise<string[]> => {
      const found = await runSql<{ rolname: string }>(
        clusterUrl(),
        `select rolname from pg_roles where rolname in ('${owner}', '${reader}') order by 1`,
      );
      return found.map(({ rolname }) => rolname);
    };
    const fail = async (options: CliOptions = {}): Promise<CliResult> => {
      const result = await shop.restore(["latest", "--new-database", uniqueName()], options);
      expect(result.code, result.stderr).toBe(1);
      expect(result.stderr).toContain("division by zero");
      return result;
    };
    // One of them was there before.
    await runSql(clusterUrl(), `drop role ${reader}`);
    await fail();
    expect(await roles()).toEqual([owner]);
    await runSql(clusterUrl(), `drop role ${owner}`);
    await fail();
    expect(await roles()).toEqual([]);
    // Somebody uses one as soon as it is there.
    const sqlNow = await findSqlNow();
    const used = uniqueName("used");
    let done = false;
    const result = await fail({
      observer: (phase, operation) => {
        if (done || `${phase} ${operation}` !== "before child psql") return;
        done = true;
        sqlNow(clusterUrl(), `create table ${used} (); grant select on ${used} to ${reader}`);
      },
    });
    expect(result.stderr).toContain(`the role ${reader} stays: something depends on it by now`);
    expect(await roles()).toEqual([reader]);
    await runSql(clusterUrl(), `drop table ${used}; drop role ${reader}`);
  });

  test("are listed where we may not create them, before anything is made", async () => {
    const [owner, reader] = [uniqueName("owner"), uniqueName("reader")];
    await using admin = await freshRole(uniqueName("admin"), "login createdb");
    await runSql(clusterUrl(), `create role ${owner} login; create role ${reader} login`);
    await using shop = await backedUp({ sql: sqlFor(owner, reader) });
    await runSql(clusterUrl(), `drop database ${shop.live.name}`);
    await runSql(clusterUrl(), `drop role ${owner}; drop role ${reader}`);
    const name = uniqueName();
    const url = clusterUrl(shop.live.name).replace("postgres@", `${admin.name}@`);
    const result = await runCli([
      "restore",
      shop.live.name,
      "--url",
      url,
      "--repository",
      shop.repository,
      "--new-database",
      name,
    ]);
    expect(result.code, result.stderr).toBe(22);
    expect(result.stderr).toContain(owner);
    expect(result.stderr).toContain(`create role "${reader}" nologin`);
    expect(await databasesLike(name)).toEqual([]);
    expect(await halfMade()).toEqual([]);
  });
});

describe("a role that is no superuser, as on a managed server", () => {
  test("restores its database; what only a superuser could give back is left out and told", async () => {
    await using admin = await freshRole(uniqueName("admin"), "login createdb");
    await using app = await freshRole(uniqueName("app"));
    await using other = await freshRole(uniqueName("other"));
    await runSql(clusterUrl(), `grant ${app.name} to ${admin.name}`);
    await using live = await freshDatabase();
    await runSql(clusterUrl(), `alter database ${live.name} owner to ${admin.name}`);
    await live.query(`
      create extension pg_trgm; comment on extension pg_trgm is 'of the provider';
      set role ${admin.name};
      create table mine (id serial primary key, word text); create index on mine using gin (word gin_trgm_ops);
      insert into mine (word) values ('one'), ('two');
      create schema theirs authorization ${app.name};
      create table theirs.apps (id int primary key); insert into theirs.apps values (1);
      grant select on theirs.apps to ${other.name}; alter table theirs.apps owner to ${app.name};
      reset role;
      alter database ${live.name} set work_mem = '6MB';
      alter database ${live.name} set log_min_messages = 'error';
      alter role ${other.name} in database ${live.name} set work_mem = '8MB';
      grant connect on database ${live.name} to ${other.name};`);
    await using folder = await temporaryFolder();
    const url = live.url.replace("postgres@", `${admin.name}@`);
    const place = ["--url", url, "--repository", folder.path];
    expectDone(await runCli(["backup", live.name, ...place]));
    await using restored = expectedDatabase(uniqueName());
    const result = await runCli(["restore", live.name, "latest", "--new-database", restored.name, ...place]);
    expectDone(result);
    expect(await contentsOf(restored.url)).toEqual(await contentsOf(live.url));
    const owners =
      "select tablename, tableowner from pg_tables where schemaname in ('public', 'theirs') order by 1";
    expect(await restored.query(owners)).toEqual(await live.query(owners));
    expect(
      await restored.query(
        "select pg_get_userbyid(datdba) as owner from pg_database where datname = current_database()",
      ),
    ).toEqual([{ owner: admin.name }]);
    expect(await restored.query("show work_mem")).toEqual([{ work_mem: "6MB" }]);
    expect(result.stderr).toContain("left out: setting log_min_messages");
    expect(result.stderr).toContain(`left out: setting work_mem of ${other.name}`);
  });

  test("keeps what it cannot give away, and says so", async () => {
    await using admin = await freshRole(uniqueName("admin"), "login createdb");
    await using stranger = await freshRole(uniqueName("stranger"));
    await using shop = await backedUp({
      sql: `create table thing (id int); insert into thing values (1); alter table thing owner to ${stranger.name};`,
    });
    await runSql(clusterUrl(), `alter database ${shop.live.name} owner to ${stranger.name}`);
    await shop.backup();
    const url = shop.live.url.replace("postgres@", `${admin.name}@`);
    await using restored = expectedDatabase(uniqueName());
    const args = ["restore", shop.live.name, "--url", url, "--repository", shop.repository];
    const result = await runCli([...args, "--new-database", restored.name]);
    expectDone(result);
    expect(result.stderr).toContain(`left out: ownership of role ${stranger.name}`);
    expect(result.stderr).toContain(`left out: owner ${stranger.name}`);
    expect(await restored.query("select tableowner from pg_tables where tablename = 'thing'")).toEqual([
      { tableowner: admin.name },
    ]);
  });
});
