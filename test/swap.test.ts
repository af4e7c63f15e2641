import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { backedUp, type BackedUp, databasesLike, expectedDatabase, freshRole } from "./support/backed-up.ts";
import { type CliResult, jsonOf, runCli } from "./support/cli.ts";
import { contentsOf } from "./support/database-contents.ts";
import { INSIDE, platformSql } from "./support/platform-database.ts";
import { clusterUrl, runSql, uniqueName } from "./support/postgres.ts";

const run = promisify(execFile);
const SCHEMAS = INSIDE.flatMap((schema) => ["--schema", schema]);

function expectDone(result: CliResult): void {
  expect(result.code, result.stderr).toBe(0);
}

/** The lines of `pg_dump --schema-only` of everything outside, in no order: two equal databases may differ in it. */
async function definitionsOutside(url: string): Promise<string[]> {
  const exclude = INSIDE.map((schema) => `--exclude-schema=${schema}`);
  const { stdout } = await run("pg_dump", ["--schema-only", ...exclude, url], { maxBuffer: 64 * 1024 * 1024 });
  return stdout
    .split("\n")
    .filter((line) => !/^\\(un)?restrict /.test(line))
    .toSorted();
}

/** What belongs to the database itself. */
async function propertiesOf(name: string): Promise<unknown> {
  return await runSql(
    clusterUrl(),
    `select pg_get_userbyid(datdba) as owner, encoding, datcollate, datctype, datlocprovider, daticulocale, datconnlimit,
            datistemplate, datallowconn, shobj_description(oid, 'pg_database') as comment,
            (select array_agg(a::text order by a::text) from unnest(datacl) a) as grants,
            (select array_agg(setrole || setconfig::text order by setrole) from pg_db_role_setting where setdatabase = d.oid) as settings
       from pg_database d where datname = $1`,
    [name],
  );
}

interface Platform extends AsyncDisposable, BackedUp {
  readonly reader: string;
  readonly owner: string;
}

/** The platform with a backup of its two schemas; everything that swaps make of it goes with it. */
async function platform(): Promise<Platform> {
  const owned = new AsyncDisposableStack();
  const name = uniqueName("platform");
  const owner = owned.use(await freshRole(uniqueName("owner"))).name;
  const reader = owned.use(await freshRole(uniqueName("reader"), "login")).name;
  owned.defer(async () => {
    for (const other of await databasesLike(`${name}%`)) await expectedDatabase(other)[Symbol.asyncDispose]();
  });
  const shop = owned.use(await backedUp({ name, sql: platformSql(name, { owner, reader }), backup: SCHEMAS }));
  return { ...shop, owner, reader, [Symbol.asyncDispose]: async () => await owned.disposeAsync() };
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
  test("brings them back, and carries everything else over as it is now", async () => {
    await using shop = await platform();
    const backedUpInside = await contentsOf(shop.live.url, INSIDE);
    await shop.live.query(LATER_SQL);
    await shop.live.query(ACCIDENT_SQL);
    await shop.live.query("refresh materialized view public.totals");
    const before = await contentsOf(shop.live.url);
    const definitions = await definitionsOutside(shop.live.url);
    const properties = await propertiesOf(shop.live.name);

    const result = await shop.restore(["latest", "--swap", "--yes", "--json"]);
    expectDone(result);

    expect(await contentsOf(shop.live.url, INSIDE)).toEqual(backedUpInside);
    expect(await definitionsOutside(shop.live.url)).toEqual(definitions);
    expect(await propertiesOf(shop.live.name)).toEqual(properties);
    const after = await contentsOf(shop.live.url);
    expect(after.largeObjects).toEqual(before.largeObjects);
    for (const [table, rows] of Object.entries(before.tables)) {
      const isInside = INSIDE.some((schema) => table.startsWith(`"${schema}".`));
      if (!isInside && table !== '"public"."totals"') expect([table, after.tables[table]]).toEqual([table, rows]);
    }
    const { before: aside } = jsonOf(result);
    expect(aside).toMatch(new RegExp(`^${shop.live.name}_before_\\d{8}_\\d{6}$`));
    await using replaced = expectedDatabase(String(aside));
    expect(await contentsOf(replaced.url)).toEqual(before);
    expect(await databasesLike("handled\\_restoring%")).toEqual([]);
  });
});
