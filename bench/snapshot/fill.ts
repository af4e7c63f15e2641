import type { Session } from "../../src/postgres/session.ts";
import { importRows, movementRows, productRows } from "./rows.ts";

const TABLES_SQL = [
  `create table public.imports (
     id bigint not null, source text not null, file_name text not null, received_at timestamptz not null,
     state text not null, payload jsonb not null, original text)`,
  `create table public.products (
     id integer not null, code text not null, name text not null, description text not null, category text not null,
     supplier text not null, price numeric(10,2) not null, weight_g integer not null, attributes jsonb not null,
     active boolean not null, created_at timestamptz not null, updated_at timestamptz not null)`,
  `create table public.movements (
     id bigint not null, product_id integer not null, location_id integer not null, quantity integer not null,
     price numeric(10,2) not null, moved_at timestamptz not null, kind smallint not null)`,
];

const INDEXES_SQL = [
  "alter table public.imports add primary key (id)",
  "create index on public.imports (source, received_at)",
  "alter table public.products add primary key (id)",
  "create unique index on public.products (code)",
  "create index on public.products (name)",
  "create index on public.products (category, price)",
  "create index on public.products (updated_at)",
  "alter table public.movements add primary key (id)",
  "create index on public.movements (product_id)",
  "create index on public.movements (moved_at)",
  "alter table public.movements add foreign key (product_id) references public.products",
  "vacuum analyze",
  "checkpoint",
];

/** The tables, and how many rows each has. */
export interface Filled {
  readonly imports: number;
  readonly products: number;
  readonly movements: number;
}

export type TableName = keyof Filled;

// Of the whole text: the catalogue is the one table that is brought back alone, and a tenth of everything.
const SHARES = { imports: 0.53, products: 0.1, movements: 0.37 } as const;

/** Makes and fills the three tables, with keys, indexes and a foreign key. Every time the same rows. */
export async function fillDatabase(session: Session, size: number): Promise<Filled> {
  for (const sql of TABLES_SQL) await session.query(sql);
  const load = async (table: TableName, rows: Generator<string>): Promise<number> => {
    const text = new Text(rows, size * SHARES[table]);
    await session.copyIn(`copy public.${table} from stdin`, text.chunks());
    return text.rows;
  };
  const imports = await load("imports", importRows());
  const products = await load("products", productRows());
  const movements = await load("movements", movementRows(products));
  for (const sql of INDEXES_SQL) await session.query(sql);
  return { imports, products, movements };
}

const CHUNK = 256 * 1024;

class Text {
  rows = 0;
  readonly #source: Generator<string>;
  readonly #size: number;

  constructor(source: Generator<string>, size: number) {
    this.#source = source;
    this.#size = size;
  }

  async *chunks(): AsyncGenerator<Buffer> {
    let sent = 0;
    let waiting: string[] = [];
    let length = 0;
    for (const row of this.#source) {
      waiting.push(row);
      length += row.length;
      this.rows += 1;
      if (length < CHUNK && sent + length < this.#size) continue;
      yield Buffer.from(waiting.join(""));
      sent += length;
      waiting = [];
      length = 0;
      if (sent >= this.#size) return;
    }
  }
}
