import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect } from "vitest";
import {
  backedUp,
  type BackedUp,
  databasesLike,
  expectedDatabase,
  freshRole,
  halfMade,
} from "./backed-up.ts";
import type { CliResult } from "./cli.ts";
import { contentsOf } from "./database-contents.ts";
import { INSIDE, platformSql } from "./platform-database.ts";
import { clusterUrl, runSql, uniqueName } from "./postgres.ts";

const run = promisify(execFile);
const SCHEMAS = INSIDE.flatMap((schema) => ["--schema", schema]);
export const SWAP = ["latest", "--swap", "--yes"];

export function expectRefused(result: CliResult, text: string | RegExp, code = 1): void {
  expect(result.code, result.stderr).toBe(code);
  expect(result.stderr).toMatch(text);
}

/** The lines of `pg_dump --schema-only` of everything outside, in no order: two equal databases may differ in it. */
export async function definitionsOutside(url: string): Promise<string[]> {
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
export async function propertiesOf(name: string): Promise<unknown> {
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

export interface Shop extends BackedUp {
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
export async function shopWith(options: ShopOptions): Promise<Shop> {
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

export async function platform(): Promise<Shop> {
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
export const SMALL_SQL = `
create schema data; create table data.item (id int primary key, name text);
insert into data.item select g, 'item ' || g from generate_series(1, 50) g;
create table public.note (id serial primary key, body text, item int references data.item);
insert into public.note (body) values ('first');
create sequence public.ticket;
create view public.items as select * from data.item;`;
export const SMALL_BACKUP = ["--schema", "data"];
export const SMALL_ACCIDENT =
  "delete from public.note where item is not null; delete from data.item where id > 10";

export async function smallShop(options: Partial<ShopOptions> = {}): Promise<Shop> {
  const shop = await shopWith({ sql: SMALL_SQL, backup: SMALL_BACKUP, ...options });
  await shop.live.query(SMALL_ACCIDENT);
  return shop;
}

export async function itemsIn(shop: Shop): Promise<number | undefined> {
  const [row] = await shop.live.query<{ rows: number }>("select count(*)::int as rows from data.item");
  return row?.rows;
}
