import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createTemporaryDatabase } from "../src/operations/restore/temporary-database.ts";
import { connectBeside } from "../src/postgres/admin.ts";
import { readProperties } from "../src/postgres/properties.ts";
import { backedUp, databasesLike, expectedDatabase, freshRole, halfMade } from "./support/backed-up.ts";
import { jsonOf, runCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { ODD_DATABASE_SQL, uniqueLongestName } from "./support/odd-database.ts";
import { clusterUrl, freshDatabase, runSql, temporaryFolder, uniqueName } from "./support/postgres.ts";
import { noAbort, testRuntime } from "./support/runtime.ts";
import { restoreWithStockTools } from "./support/stock-tools.ts";
import { SHOP_SQL } from "./support/shop-sql.ts";
import { expectDone } from "./support/expect-done.ts";

const run = promisify(execFile);

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
