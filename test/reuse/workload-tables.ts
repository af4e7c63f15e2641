import type { Random } from "./random.ts";

/** A table of the model, as its writers know it. */
export interface ModelTable {
  name: string;
  readonly kind: string;
  /** Columns that an update may set to their default, which is another value each time. */
  readonly columns: string[];
  /** No unique key: what is inserted is inserted again. */
  readonly keyless: boolean;
}

/** Ids are below this, so that tables stay small and ids come back. */
export const IDS = 3000;

export const TYPES_SQL = `
  create type mood as enum ('sad', 'ok', 'happy');
  create domain feeling as mood;
  create type pair as (a int, b text);
  create type span as range (subtype = mood);
  create domain positive as int check (value > 0);
  create table row_base (id int, b text);
  create table "Odd ""name""" (id int primary key, "v w" int default (random() * 1000)::int);
  insert into "Odd ""name""" (id) select generate_series(1, 300)`;

// Every default is another value each time it is asked for.
const SHORT = "text default md5(random()::text)";
const LONG = "text default repeat(md5(random()::text), 70 + (random() * 80)::int)";
const INT = "int default (random() * 100000)::int";

const KINDS: Readonly<
  Record<string, { rows: number; columns: readonly string[]; options?: string; before?: string }>
> = {
  narrow: { rows: 2800, columns: [INT], options: "with (fillfactor = 15)" },
  sparse: { rows: 1500, columns: [INT, SHORT], options: "with (fillfactor = 10)" },
  hot: { rows: 2500, columns: [SHORT, INT], options: "with (fillfactor = 30)" },
  toast: { rows: 250, columns: [LONG, SHORT] },
  wide: { rows: 400, columns: Array.from({ length: 16 }, () => SHORT) },
  unlogged: { rows: 300, columns: [SHORT], before: "unlogged" },
  typed: {
    rows: 1500,
    options: "with (fillfactor = 40)",
    columns: [
      "mood default (enum_range(null::mood))[1 + (random() * 2)::int]",
      "mood[] default array[(enum_range(null::mood))[1 + (random() * 2)::int]]",
      "feeling default (enum_range(null::mood))[1 + (random() * 2)::int]",
      "positive default 1 + (random() * 9)::int",
      "int[] default array[(random() * 9)::int, null]",
      "int4range default int4range(1, 3 + (random() * 9)::int)",
      "timestamptz default now() - random() * interval '1 day'",
      "numeric(12, 4) default random() * 1000",
      "uuid default gen_random_uuid()",
      "jsonb default jsonb_build_object('r', random())",
      "bytea default decode(md5(random()::text), 'hex')",
      "float8 default random()",
    ],
  },
  composite: {
    rows: 2000,
    options: "with (fillfactor = 30)",
    columns: [
      "pair default jsonb_populate_record(null::pair, jsonb_build_object('a', (random() * 9)::int, 'b', md5(random()::text)))",
      "row_base default jsonb_populate_record(null::row_base, jsonb_build_object('id', (random() * 9)::int))",
      "pair[]",
      INT,
    ],
  },
  castable: {
    rows: 2000,
    options: "with (fillfactor = 20)",
    columns: ["varchar(40) default md5(random()::text)", "timestamptz default now()", INT],
  },
  generated: {
    rows: 2800,
    options: "with (fillfactor = 12)",
    columns: [INT, "int generated always as (id * 2) stored"],
  },
  unsafe: { rows: 100, columns: ["regclass default 'row_base'::regclass", SHORT] },
};

/** The statements that make a table of a random kind, with rows. */
export function newTable(
  random: Random,
  name: string,
  kind = random.pick(Object.keys(KINDS)),
): {
  table: ModelTable;
  sql: string;
} {
  const { rows, columns, options = "", before = "" } = KINDS[kind] ?? { rows: 1, columns: [] };
  const named = columns.map((type, index) => [`c${index}`, type] as const);
  const list = ["id int primary key", ...named.map(([column, type]) => `${column} ${type}`)].join(", ");
  const storage = columns.includes(LONG) ? `alter table ${name} alter c0 set storage external;` : "";
  // Every other one has lost a column.
  const dropped = random.chance(0.5)
    ? `alter table ${name} add gone int default 5; alter table ${name} drop gone;`
    : "";
  return {
    table: {
      name,
      kind,
      columns: named.filter(([, type]) => !type.includes("generated")).map(([column]) => column),
      keyless: false,
    },
    sql: `create ${before} table ${name} (${list}) ${options}; ${storage} ${dropped}
      insert into ${name} (id) select generate_series(1, ${Math.min(rows, IDS - 1)})`,
  };
}

/** A partitioned table, partitions that come and go, and a table with a child. */
export const TREES_SQL = `
  create table part (id int not null, c0 ${SHORT}) partition by range (id);
  create table part_low (id int not null, c0 ${SHORT});
  create table part_high (id int not null, c0 ${SHORT});
  alter table part attach partition part_low for values from (0) to (1500);
  alter table part attach partition part_high for values from (1500) to (100000);
  insert into part (id) select generate_series(1, 2000);
  create table parent (id int, c0 ${SHORT});
  create table child (extra ${INT}) inherits (parent);
  insert into parent (id) select generate_series(1, 300);
  insert into child (id) select generate_series(1, 600)`;

export const TREES: readonly ModelTable[] = ["part", "part_low", "part_high", "parent", "child"].map(
  (name) => ({
    name,
    kind: "tree",
    columns: ["c0"],
    keyless: true,
  }),
);

/** One of its columns that an update may set. */
export const column = ({ columns }: ModelTable, random: Random): string => random.pick(columns);
