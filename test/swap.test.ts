import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { listReplaced } from "../src/operations/replaced.ts";
import {
  backedUp,
  type BackedUp,
  databasesLike,
  expectedDatabase,
  freshRole,
  halfMade,
} from "./support/backed-up.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { cuttingProxy } from "./support/cutting-proxy.ts";
import { contentsOf } from "./support/database-contents.ts";
import { lyingProxy } from "./support/lying-proxy.ts";
import { manualClock } from "./support/manual-clock.ts";
import { uniqueLongestName } from "./support/odd-database.ts";
import { INSIDE, platformSql } from "./support/platform-database.ts";
import {
  clusterUrl,
  freshCluster,
  freshDatabase,
  runSql,
  temporaryFolder,
  uniqueName,
} from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { findSqlNow } from "./support/stock-tools.ts";
import { CTRL_C, ENTER, typeInto } from "./support/terminal.ts";

const run = promisify(execFile);
const SCHEMAS = INSIDE.flatMap((schema) => ["--schema", schema]);
const SWAP = ["latest", "--swap", "--yes"];

function expectDone(result: CliResult): void {
  expect(result.code, result.stderr).toBe(0);
}

function expectRefused(result: CliResult, text: string | RegExp, code = 1): void {
  expect(result.code, result.stderr).toBe(code);
  expect(result.stderr).toMatch(text);
}

/** The lines of `pg_dump --schema-only` of everything outside, in no order: two equal databases may differ in it. */
async function definitionsOutside(url: string): Promise<string[]> {
  const exclude = INSIDE.map((schema) => `--exclude-schema=${schema}`);
  const { stdout } = await run("pg_dump", ["--schema-only", ...exclude, url], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout
    .split("\n")
    .filter((line) => !/^\\(un)?restrict /.test(line))
    .toSorted();
}

/** What belongs to the database itself. */
async function propertiesOf(name: string): Promise<unknown> {
  return await runSql(
    clusterUrl(),
    `select pg_get_userbyid(datdba) as owner, encoding, datcollate, datctype, datlocprovider,
            coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') as locale, datconnlimit,
            datistemplate, datallowconn, shobj_description(oid, 'pg_database') as comment,
            (select array_agg(a::text order by a::text) from unnest(datacl) a) as grants,
            (select array_agg(setrole || setconfig::text order by setrole) from pg_db_role_setting where setdatabase = d.oid) as settings
       from pg_database d where datname = $1`,
    [name],
  );
}

interface Shop extends BackedUp {
  /** Everything that a swap could change: the database's identity, what is in it, and what else is on the server. */
  readonly state: () => Promise<unknown>;
}

interface ShopOptions {
  readonly sql: string;
  readonly name?: string;
  readonly backup?: readonly string[];
  readonly cluster?: string;
}

/** A database with a backup; whatever swaps make of it goes with it. */
async function shopWith(options: ShopOptions): Promise<Shop> {
  const name = options.name ?? uniqueName("shop");
  const server = options.cluster ?? clusterUrl();
  const owned = new AsyncDisposableStack();
  owned.defer(async () => {
    // Long names are cut before a suffix is added.
    for (const other of await databasesLike(`${name.slice(0, 15)}%`, server)) {
      await expectedDatabase(other, server)[Symbol.asyncDispose]();
    }
  });
  const shop = owned.use(await backedUp({ ...options, name }));
  return {
    ...shop,
    state: async () => [
      await runSql(server, "select oid, datname from pg_database where datname like $1 order by 1", [
        `${name.slice(0, 15)}%`,
      ]),
      await halfMade(process.pid, server),
      await contentsOf(shop.live.url),
    ],
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

async function platform(): Promise<Shop> {
  const owned = new AsyncDisposableStack();
  const name = uniqueName("platform");
  const owner = owned.use(await freshRole(uniqueName("owner"))).name;
  const reader = owned.use(await freshRole(uniqueName("reader"))).name;
  const shop = owned.use(
    await shopWith({ name, sql: platformSql(name, { owner, reader }), backup: SCHEMAS }),
  );
  return { ...shop, [Symbol.asyncDispose]: async () => await owned.disposeAsync() };
}

/** Small: for tests that are about the swap, not about what is swapped. */
const SMALL_SQL = `
create schema data; create table data.item (id int primary key, name text);
insert into data.item select g, 'item ' || g from generate_series(1, 50) g;
create table public.note (id serial primary key, body text, item int references data.item);
insert into public.note (body) values ('first');
create sequence public.ticket;
create view public.items as select * from data.item;`;
const SMALL_BACKUP = ["--schema", "data"];
const SMALL_ACCIDENT = "delete from public.note where item is not null; delete from data.item where id > 10";

async function smallShop(options: Partial<ShopOptions> = {}): Promise<Shop> {
  const shop = await shopWith({ sql: SMALL_SQL, backup: SMALL_BACKUP, ...options });
  await shop.live.query(SMALL_ACCIDENT);
  return shop;
}

async function itemsIn(shop: Shop): Promise<number | undefined> {
  const [row] = await shop.live.query<{ rows: number }>("select count(*)::int as rows from data.item");
  return row?.rows;
}

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
      await until(
        shop.live.url,
        "select from pg_locks where not granted and mode = 'ShareLock' and relation is not null",
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

describe("a role that is no superuser", () => {
  async function managed(memberships: string): Promise<Shop & { admin: string; app: string }> {
    const owned = new AsyncDisposableStack();
    const admin = owned.use(await freshRole(uniqueName("admin"), `login createdb ${memberships}`)).name;
    const app = owned.use(await freshRole(uniqueName("app"), "login")).name;
    const shop = owned.use(await smallShop());
    await runSql(clusterUrl(), `alter database ${shop.live.name} owner to ${admin}`);
    await shop.live.query(`
      alter schema data owner to ${admin};
      do $$ declare t regclass; begin
        for t in select oid from pg_class where relnamespace in ('data'::regnamespace, 'public'::regnamespace) and relkind in ('r', 'v')
        loop execute format('alter table %s owner to ${admin}', t); end loop; end $$;
      alter sequence public.ticket owner to ${admin};
      grant select, insert on public.note to ${app}; grant usage on sequence public.note_id_seq to ${app}`);
    const url = shop.live.url.replace("postgres@", `${admin}@`);
    return {
      ...shop,
      admin,
      app,
      restore: async (args, options) =>
        await runCli(
          ["restore", shop.live.name, ...args, "--url", url, "--repository", shop.repository],
          options,
        ),
      [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
    };
  }

  test("swaps its own database, and ends the sessions of others where it may", async () => {
    await using shop = await managed("in role pg_signal_backend");
    await using client = await connectAs(shop, shop.app);
    await client.query("insert into public.note (body) values ('by the application')");
    const definitions = await definitionsOutside(shop.live.url);
    const swapped = await shop.restore([...SWAP, "--json"]);
    expectDone(swapped);
    expect(jsonOf(swapped)).toMatchObject({ endedSessions: 1 });
    expect(await itemsIn(shop)).toBe(50);
    expect(await definitionsOutside(shop.live.url)).toEqual(definitions);
    expect(await shop.live.query("select body from public.note order by id")).toEqual([
      { body: "first" },
      { body: "by the application" },
    ]);
    const undone = await shop.restore(["--undo", "--yes"]);
    expectDone(undone);
    expect(undone.stdout).toContain("none had to be ended");
    expect(await itemsIn(shop)).toBe(10);
  });

  test("is refused where it may not, and the writes of those sessions stay", async () => {
    await using shop = await managed("");
    await using client = await connectAs(shop, shop.app);
    // Waits for the lock on its table, and is gone once its write is acknowledged: a swap that does not see this
    // session (a role without privileges sees little of others) would release the lock, and swap, and lose the row.
    let writing: Promise<void> | undefined;
    const write = async (): Promise<void> => {
      await client.query("insert into public.note (id, body) values (100, 'acknowledged')");
      await client.end();
    };
    const swap = await shop.restore(SWAP, {
      observer: (_, operation) => {
        if (operation === "child psql") writing ??= write();
      },
    });
    expectRefused(swap, new RegExp(`sessions do not leave it: .*user ${shop.app}`));
    await writing;
    expect(await shop.live.query("select body from public.note order by id")).toEqual([
      { body: "first" },
      { body: "acknowledged" },
    ]);
    expect(await itemsIn(shop)).toBe(10);
  });

  async function connectAs(shop: Shop, role: string): Promise<pg.Client & AsyncDisposable> {
    const client = new pg.Client({ connectionString: shop.live.url.replace("postgres@", `${role}@`) });
    client.on("error", () => undefined);
    await client.connect();
    return Object.assign(client, { [Symbol.asyncDispose]: async () => await client.end() });
  }
});

describe("the application", () => {
  /** A strategy whose commands write down when they ran and which database had the name then. */
  async function strategyFor(shop: Shop, health: string, parts: { stop?: string; start?: string } = {}) {
    const log = join(shop.scratch, "commands.log");
    const say = (what: string): string =>
      `psql -XAt -d "$DATABASE_URL" -c "select '${what} ' || oid from pg_database where datname = current_database()" >> ${log}`;
    const file = join(shop.scratch, "handled.yaml");
    const stop = parts.stop === undefined ? say("stop") : `${say("stop")}; ${parts.stop}`;
    const start = parts.start === undefined ? say("start") : `${say("start")}; ${parts.start}`;
    await writeFile(
      file,
      JSON.stringify({
        version: 1,
        repositories: { local: { url: shop.repository } },
        databases: { [shop.live.name]: { url: "${DATABASE_URL}", schemas: ["data"] } },
        application: { stop, start, health, healthTimeout: "1s" },
      }),
    );
    return {
      log: async () => (await readFile(log, "utf8").catch(() => "")).trim().split("\n"),
      restore: async (...args: string[]) =>
        await runCli(["restore", shop.live.name, ...args, "--config", file], {
          env: { DATABASE_URL: shop.live.url },
        }),
    };
  }

  interface Health extends AsyncDisposable {
    readonly url: string;
    readonly asked: () => number;
  }

  async function healthServer(answer: (asked: number) => number): Promise<Health> {
    let asked = 0;
    const server = createServer((_, response) => {
      asked += 1;
      response.writeHead(answer(asked)).end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("the server has no port");
    return {
      url: `http://127.0.0.1:${address.port}/health`,
      asked: () => asked,
      [Symbol.asyncDispose]: async () => {
        server.close();
        server.closeAllConnections();
        await once(server, "close");
      },
    };
  }

  async function oidOf(shop: Shop): Promise<string> {
    const [row] = await shop.live.query<{ oid: string }>(
      "select oid::text from pg_database where datname = current_database()",
    );
    return row?.oid ?? "";
  }

  test("is stopped before the swap, started after it, and asked until it is healthy", async () => {
    await using shop = await smallShop();
    await using health = await healthServer((asked) => (asked < 2 ? 503 : 200));
    const strategy = await strategyFor(shop, health.url);
    const old = await oidOf(shop);
    expectDone(await strategy.restore(...SWAP));
    const swapped = await oidOf(shop);
    expect(swapped).not.toBe(old);
    expect(await strategy.log()).toEqual([`stop ${old}`, `start ${swapped}`]);
    expect(health.asked()).toBe(2);
    expectDone(await strategy.restore("--undo", "--yes"));
    expect(await strategy.log()).toEqual([
      `stop ${old}`,
      `start ${swapped}`,
      `stop ${swapped}`,
      `start ${old}`,
    ]);
  });

  test("is left alone by a restore that replaces nothing, and by a dry run", async () => {
    await using shop = await smallShop();
    const strategy = await strategyFor(shop, "http://127.0.0.1:1/");
    expectDone(await strategy.restore("latest"));
    expectDone(await strategy.restore("latest", "--swap", "--dry-run"));
    expect(await strategy.log()).toEqual([""]);
  });

  test("is started again when the swap fails, and when it could not be stopped", async () => {
    await using shop = await smallShop();
    const old = await oidOf(shop);
    const refused = await strategyFor(shop, "http://127.0.0.1:1/");
    // What can be seen before is told before the application is stopped.
    await shop.live.query("create publication p for table data.item");
    expectRefused(await refused.restore(...SWAP), /publication p names table data\.item/);
    expect(await refused.log()).toEqual([""]);
    await shop.live.query(
      "drop publication p; create table data.newer (id int); create view public.newer as select * from data.newer",
    );
    expectRefused(await refused.restore(...SWAP), /relation "data\.newer" does not exist/);
    expect(await refused.log()).toEqual([`stop ${old}`, `start ${old}`]);
    const stuck = await strategyFor(shop, "http://127.0.0.1:1/", { stop: "echo it hangs >&2; exit 3" });
    expectRefused(await stuck.restore(...SWAP), /stop the application.*exit code 3.*it hangs/s);
    expect((await stuck.log()).slice(2)).toEqual([`stop ${old}`, `start ${old}`]);
    expect(await itemsIn(shop)).toBe(10);
  });

  test("that does not come up is an error that says how to go back", async () => {
    await using shop = await smallShop();
    await using health = await healthServer(() => 500);
    const unhealthy = await strategyFor(shop, health.url);
    const result = await unhealthy.restore(...SWAP);
    expectRefused(result, /the database was swapped, but then: .*HTTP 500/s);
    expect(result.stderr).toContain(`--undo`);
    expect(await itemsIn(shop)).toBe(50);
    expect((await unhealthy.log()).length).toBe(2);
    const undone = await unhealthy.restore("--undo", "--yes");
    expectRefused(undone, /is in place again, but then/);
    expect(await itemsIn(shop)).toBe(10);
  });
});

describe("--undo", () => {
  test("tells what was written since, keeps it under another name, and works once", async () => {
    await using shop = await smallShop();
    const before = await contentsOf(shop.live.url);
    expectDone(await shop.restore(SWAP));
    const nothing = await shop.restore(["--undo", "--dry-run"]);
    expectDone(nothing);
    expect(nothing.stdout).toContain("no row that is in it was written since");
    await shop.live.query(`
      insert into public.note (body) select 'later' from generate_series(1, 3);
      update data.item set name = 'changed' where id <= 2; delete from data.item where id = 50`);
    const later = await contentsOf(shop.live.url);
    const preview = await shop.restore(["--undo", "--dry-run", "--json"]);
    expect(jsonOf(preview)).toMatchObject({
      dryRun: true,
      laterWrites: [
        { schema: "data", name: "item", rows: 2 },
        { schema: "public", name: "note", rows: 3 },
      ],
    });
    expectRefused(await shop.restore(["--undo"]), /nobody is there to confirm it/, 2);
    expect(await contentsOf(shop.live.url)).toEqual(later);

    const undone = await shop.restore(["--undo", "--yes", "--json"]);
    expectDone(undone);
    expect(await contentsOf(shop.live.url)).toEqual(before);
    const aside = String(jsonOf(undone)["undone"]);
    expect(aside).toMatch(new RegExp(`^${shop.live.name}_undone_`));
    expect(await contentsOf(expectedDatabase(aside).url)).toEqual(later);
    expectRefused(await shop.restore(["--undo", "--yes"]), /keeps no database that a swap replaced/);
  });

  test("brings the replaced database back when the one in place is gone", async () => {
    await using shop = await smallShop();
    const before = await contentsOf(shop.live.url);
    expectDone(await shop.restore(SWAP));
    await runSql(clusterUrl(), `drop database ${shop.live.name}`);
    const result = await shop.restore(["--undo", "--yes", "--json"]);
    expectDone(result);
    expect(jsonOf(result)).toMatchObject({ dryRun: false, undone: null, laterWrites: [] });
    expect(await contentsOf(shop.live.url)).toEqual(before);
  });

  test("goes back step by step", async () => {
    await using shop = await smallShop();
    expectDone(await shop.restore(SWAP));
    await shop.live.query(
      "insert into data.item values (51, 'between'); comment on database current_name is 'between'".replace(
        "current_name",
        shop.live.name,
      ),
    );
    expectDone(await shop.restore(SWAP));
    expect(await itemsIn(shop)).toBe(50);
    expectDone(await shop.restore(["--undo", "--yes"]));
    expect(await itemsIn(shop)).toBe(51);
    expect(await propertiesOf(shop.live.name)).toMatchObject([{ comment: "between" }]);
    expectDone(await shop.restore(["--undo", "--yes"]));
    expect(await itemsIn(shop)).toBe(10);
    expect(await propertiesOf(shop.live.name)).toMatchObject([{ comment: null }]);
  });
});

test("what a swap replaced is dropped after its lifetime, and nothing else is", async () => {
  await using shop = await smallShop();
  await using other = await smallShop();
  const result = await shop.restore([...SWAP, "--json"]);
  expectDone(result);
  expectDone(await other.restore(SWAP));
  const { before, dropAfter } = jsonOf(result);
  const days = (new Date(String(dropAfter)).getTime() - Date.now()) / 86_400_000;
  expect(days).toBeCloseTo(7, 1);
  const at = async (daysFromNow: number, drop: boolean) => {
    const runtime = testRuntime({ clock: manualClock(new Date(Date.now() + daysFromNow * 86_400_000)) });
    const replaced = await listReplaced(runtime, shop.live.settings, drop, noAbort());
    return replaced.map(({ database, of, expired }) => ({ database, of, expired }));
  };
  const entry = { database: before, of: shop.live.name };
  expect(await at(6.9, true)).toEqual([{ ...entry, expired: false }]);
  expect(await at(7.1, false)).toEqual([{ ...entry, expired: true }]);
  expect(await databasesLike(`${shop.live.name}%`)).toEqual([shop.live.name, before]);
  expect(await at(7.1, true)).toEqual([{ ...entry, expired: true }]);
  expect(await databasesLike(`${shop.live.name}%`)).toEqual([shop.live.name]);
  expect(await databasesLike(`${other.live.name}%`)).toHaveLength(2);
  expect(await at(7.1, true)).toEqual([]);
});
