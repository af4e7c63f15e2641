import pg from "pg";
import type { Random } from "./random.ts";
import { column, IDS, type ModelTable, newTable } from "./workload-tables.ts";

/** What writers and those who alter know of the database. */
export interface Model {
  readonly tables: ModelTable[];
  /** Transactions that were prepared and are still open. */
  readonly prepared: string[];
  /** For names that were never used. */
  number: number;
}

/** A table that is picked, and everything else that a change may need. */
interface Scene {
  readonly client: pg.Client;
  readonly random: Random;
  readonly table: ModelTable;
  readonly model: Model;
}

type Change = (scene: Scene) => Promise<unknown>;

/** Those that alter types: while one is altered no snapshot can be taken. */
export const OF_TYPES: readonly string[] = [
  "rename value",
  "rename value and back",
  "add value",
  "add attribute",
  "drop attribute",
  "grow row type",
];

const one =
  (sql: (name: string) => string): Change =>
  async ({ client, table: { name } }) => {
    for (const statement of sql(name).split("; ")) await client.query(statement);
  };

const keyed =
  (sql: (name: string) => string): Change =>
  async (scene) => {
    if (scene.table.keyless) throw new pg.DatabaseError("it has no key", 0, "error");
    await one(sql)(scene);
  };

/** Everything but small transactions: what vacuums, rewrites and alters. */
export const CHANGES: readonly (readonly [name: string, change: Change])[] = [
  ["vacuum", one((name) => `vacuum ${name}`)],
  ["vacuum", one((name) => `vacuum ${name}`)],
  ["vacuum freeze", one((name) => `vacuum freeze ${name}`)],
  [
    "vacuum freeze, disabled skipping",
    one((name) => `vacuum (freeze, disable_page_skipping, truncate) ${name}`),
  ],
  ["vacuum full", one((name) => `vacuum full ${name}`)],
  ["vacuum full freeze", one((name) => `vacuum (full, freeze) ${name}`)],
  ["cluster", keyed((name) => `cluster ${name} using ${name}_pkey`)],
  [
    "cluster by another order",
    keyed(
      (name) =>
        `create index ${name}_back on ${name} ((-id)); cluster ${name} using ${name}_back; drop index ${name}_back`,
    ),
  ],
  [
    "truncate",
    one(
      (name) =>
        `begin; truncate only ${name}; insert into ${name} (id) select generate_series(1, 2500); commit`,
    ),
  ],
  [
    "truncate, rolled back",
    one(
      (name) => `begin; truncate ${name}; insert into ${name} (id) select generate_series(1, 90); rollback`,
    ),
  ],
  [
    "copy freeze",
    one(
      (name) => `begin; truncate ${name}; copy ${name} (id) from program 'seq 1 2000' with (freeze); commit`,
    ),
  ],
  [
    "refill",
    keyed(
      (name) => `insert into ${name} (id) select generate_series(1, ${IDS - 100}) on conflict do nothing`,
    ),
  ],
  [
    "refill",
    keyed(
      (name) => `insert into ${name} (id) select generate_series(1, ${IDS - 100}) on conflict do nothing`,
    ),
  ],
  ["emptied", one((name) => `delete from ${name} where id > 5; vacuum ${name}`)],
  [
    "add column",
    async ({ client, random, table, model }) => {
      const name = `a${model.number++}`;
      await client.query(`alter table ${table.name} add ${name} int default ${random.below(100)}`);
      table.columns.push(name);
    },
  ],
  [
    "add column, rewriting",
    async ({ client, table, model }) => {
      const name = `r${model.number++}`;
      await client.query(`alter table ${table.name} add ${name} int default (random() * 10)::int`);
      table.columns.push(name);
    },
  ],
  ["drop column", async ({ client, table }) => await dropColumn(client, table)],
  ["drop column", async ({ client, table }) => await dropColumn(client, table)],
  [
    "rename column",
    async ({ client, random, table, model }) => {
      const from = column(table, random);
      const to = `n${model.number++}`;
      await client.query(`alter table ${table.name} rename ${from} to ${to}`);
      table.columns.splice(table.columns.indexOf(from), 1, to);
    },
  ],
  [
    "alter type",
    async ({ client, random, model }) => {
      const table = model.tables.find(({ kind }) => kind === "castable");
      const [a = "c0", b = "c1", c = "c2"] = table?.columns ?? [];
      const change = random.pick([
        `alter ${a} type varchar(60)`,
        `alter ${a} type text`,
        `alter ${a} type varchar(50)`,
        `alter ${b} type timestamp`,
        `alter ${b} type timestamptz`,
        `alter ${b} type date`,
        `alter ${c} type oid using ${c}::int8::oid`,
        `alter ${c} type bigint`,
        `alter ${c} type int`,
      ]);
      await client.query(`alter table ${table?.name} ${change}`);
    },
  ],
  ["int to oid", keyed((name) => `alter table ${name} alter id type oid`)],
  ["oid to int", keyed((name) => `alter table ${name} alter id type int using id::int8::int`)],
  ["set unlogged", one((name) => `alter table ${name} set unlogged`)],
  ["set logged", one((name) => `alter table ${name} set logged`)],
  [
    "set storage",
    async ({ client, random, table }) => {
      await client.query(
        `alter table ${table.name} alter ${column(table, random)} set storage ${random.pick(["plain", "main", "external", "extended"])}`,
      );
    },
  ],
  [
    "set fillfactor",
    async ({ client, random, table }) => {
      await client.query(
        `alter table ${table.name} set (fillfactor = ${random.chance(0.7) ? 10 + random.below(30) : 100})`,
      );
    },
  ],
  [
    "rename value",
    async ({ client, random, model }) => {
      await client.query(`do $$ begin execute format('alter type mood rename value %L to %L',
        (enum_range(null::mood))[${1 + random.below(3)}], 'm${model.number++}'); end $$`);
    },
  ],
  [
    "rename value and back",
    async ({ client }) => {
      await client.query(`do $$ declare l mood := (enum_first(null::mood)); t text := l::text; begin
        execute format('alter type mood rename value %L to %L', t, t || '!'); commit;
        execute format('alter type mood rename value %L to %L', t || '!', t); end $$`);
    },
  ],
  [
    "add value",
    async ({ client, model }) => await client.query(`alter type mood add value 'v${model.number++}'`),
  ],
  [
    "add attribute",
    async ({ client, model }) => await client.query(`alter type pair add attribute x${model.number++} int`),
  ],
  [
    "drop attribute",
    async ({ client }) => {
      await client.query(`do $$ declare n name; begin select attname into n from pg_attribute where attrelid = 'pair'::regclass
        and attnum > 2 and not attisdropped limit 1; if n is not null then execute format('alter type pair drop attribute %I', n); end if; end $$`);
    },
  ],
  [
    "grow row type",
    async ({ client, model }) => await client.query(`alter table row_base add x${model.number++} int`),
  ],
  [
    "detach",
    async ({ client, random }) =>
      await client.query(`alter table part detach partition ${random.pick(["part_low", "part_high"])}`),
  ],
  [
    "attach",
    async ({ client }) => {
      await client.query(
        "delete from part_low where id not between 0 and 1499; alter table part attach partition part_low for values from (0) to (1500)",
      );
    },
  ],
  [
    "attach",
    async ({ client }) => {
      await client.query(
        "delete from part_high where id < 1500; alter table part attach partition part_high for values from (1500) to (100000)",
      );
    },
  ],
  [
    "inherit",
    async ({ client, random }) =>
      await client.query(`alter table child ${random.pick(["inherit", "no inherit"])} parent`),
  ],
  [
    "swap names",
    async ({ client, random, table, model }) => {
      const others = model.tables.filter((each) => each !== table && each.kind === table.kind);
      if (others.length === 0) return;
      const other = random.pick(others);
      await client.query(`begin; alter table ${table.name} rename to swapped; alter table ${other.name} rename to ${table.name};
        alter table swapped rename to ${other.name}; commit`);
      [table.name, other.name] = [other.name, table.name];
    },
  ],
  [
    "rename table",
    async ({ client, table, model }) => {
      if (table.keyless) return;
      const name = `t${model.number++}`;
      await client.query(
        `alter table ${table.name} rename to ${name}; alter index ${table.name}_pkey rename to ${name}_pkey`,
      );
      table.name = name;
    },
  ],
  [
    "create table",
    async ({ client, random, model }) => {
      if (model.tables.length < 24) await createTable(client, random, model);
    },
  ],
  [
    "drop table",
    async ({ client, table, model }) => {
      if (model.tables.length < 18 || table.keyless) return;
      await client.query(`drop table ${table.name}`);
      model.tables.splice(model.tables.indexOf(table), 1);
    },
  ],
  ["reindex", one((name) => `reindex table ${name}`)],
  ["analyze", one((name) => `analyze ${name}`)],
  ["checkpoint", async ({ client }) => await client.query("checkpoint")],
];

export async function endPrepared(client: pg.Client, random: Random, model: Model): Promise<void> {
  const name = model.prepared.shift();
  if (name !== undefined)
    await client.query(`${random.chance(0.5) ? "commit" : "rollback"} prepared '${name}'`);
}

async function dropColumn(client: pg.Client, table: ModelTable): Promise<void> {
  // What was added goes; of what a kind is made of enough stays.
  const name = table.columns.find((each) => /^[arn]\d/.test(each)) ?? table.columns.slice(3)[0];
  if (name === undefined) return;
  await client.query(`alter table ${table.name} drop ${name}`);
  table.columns.splice(table.columns.indexOf(name), 1);
}

export async function createTable(
  client: pg.Client,
  random: Random,
  model: Model,
  kind?: string,
): Promise<void> {
  const { table, sql } = newTable(random, `t${model.number++}`, kind);
  await client.query(sql);
  model.tables.push(table);
}
