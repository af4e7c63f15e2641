import { AppError } from "../../errors.ts";
import { quoteIdentifier, quoteName, type Session } from "../../postgres/session.ts";

/** A unique index of a table. */
export interface UniqueIndex {
  readonly name: string;
  readonly primary: boolean;
  /** Of a partial one, in SQL. */
  readonly predicate: string | null;
  /** Columns and expressions, in SQL. */
  readonly columns: readonly string[];
  /** The equality of each, written with its schema: sessions have no search path. */
  readonly operators: readonly string[];
}

export interface ForeignKey {
  readonly name: string;
  /** The table it refers to, quoted. */
  readonly parent: string;
  readonly columns: readonly string[];
  readonly referenced: readonly string[];
  /** Of the parent's column and ours. */
  readonly operators: readonly string[];
}

interface Trigger {
  readonly name: string;
  /** As `pg_trigger.tgenabled`. */
  readonly enabled: string;
}

/** What has to be known of a live table before rows come back into it. */
export interface LiveTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Schema and name, quoted. */
  readonly quoted: string;
  readonly columns: readonly string[];
  /** Those that cannot be left out. */
  readonly required: readonly string[];
  readonly key: UniqueIndex;
  /** The primary key's columns, in its order. */
  readonly keyColumns: readonly { readonly name: string; readonly type: string }[];
  readonly unique: readonly UniqueIndex[];
  readonly foreignKeys: readonly ForeignKey[];
  readonly triggers: readonly Trigger[];
}

interface Found {
  readonly oid: number;
  readonly kind: string;
  readonly columns: string[];
  readonly required: string[];
}

/** Looks at a table of the live database. Fails with `schema_missing`, or `usage` where rows cannot be told apart in it. */
export async function readLiveTable(
  session: Session,
  { schema, name }: { readonly schema: string; readonly name: string },
): Promise<LiveTable> {
  const quoted = quoteName(schema, name);
  const [found] = await session.query<Found>(FIND_SQL, [schema, name]);
  if (found === undefined) {
    throw new AppError("schema_missing", `bring missing rows back: ${quoted} is not in the live database`, {
      hint: "leave `--missing-rows` out: the whole table is restored then",
    });
  }
  if (found.kind !== "r") {
    throw new AppError("usage", `bring missing rows back: ${quoted} is not an ordinary table`, {
      hint:
        found.kind === "p"
          ? "name its partitions, each with `--table`"
          : "only tables have rows of their own",
    });
  }
  const indexes = await session.query<UniqueIndex>(INDEXES_SQL, [found.oid]);
  const key = indexes.find(({ primary }) => primary);
  if (key === undefined) {
    throw new AppError(
      "usage",
      `bring missing rows back: ${quoted} has no primary key to tell its rows apart`,
      {
        hint: "restore it beside with `--new-database NAME --table …`, and copy what is needed yourself",
      },
    );
  }
  return {
    oid: found.oid,
    schema,
    name,
    quoted,
    columns: found.columns,
    required: found.required,
    key,
    keyColumns: await session.query(KEY_SQL, [found.oid]),
    unique: indexes.filter(({ primary }) => !primary),
    foreignKeys: (
      await session.query<ForeignKey & { of: string; table: string }>(FOREIGN_KEYS_SQL, [found.oid])
    ).map(({ of, table, ...foreignKey }) => ({ ...foreignKey, parent: quoteName(of, table) })),
    triggers: await session.query<Trigger>(TRIGGERS_SQL, [found.oid]),
  };
}

/** A table's columns with an alias before each. */
export function columnsWith(alias: string, columns: readonly string[]): string {
  return columns.map((column) => `${alias}.${quoteIdentifier(column)}`).join(", ");
}

/** That two rows have the same primary key. */
export function sameKey({ key, keyColumns }: LiveTable, a: string, b: string): string {
  return keyColumns
    .map(({ name }, at) => {
      const column = quoteIdentifier(name);
      return `${a}.${column} ${key.operators[at] ?? "="} ${b}.${column}`;
    })
    .join(" and ");
}

const FIND_SQL = `
  select c.oid::int8::float8 as oid, c.relkind::text as kind,
         array(select a.attname::text from pg_catalog.pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum) as columns,
         array(select a.attname::text from pg_catalog.pg_attribute a
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                  and a.attnotnull and not a.atthasdef and a.attidentity = '' order by a.attnum) as required
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
   where n.nspname = $1 and c.relname = $2`;

// The equality of an index is the third strategy of its operator class (PostgreSQL manual, "Index Method Strategies").
const INDEXES_SQL = `
  select c.relname::text as name, i.indisprimary as primary,
         pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate,
         array(select pg_catalog.pg_get_indexdef(i.indexrelid, k, true) from pg_catalog.generate_series(1, i.indnkeyatts) k order by k) as columns,
         array(select pg_catalog.format('operator(%I.%s)', n.nspname, o.oprname)
                 from pg_catalog.generate_series(1, i.indnkeyatts) k
                 join pg_catalog.pg_opclass oc on oc.oid = i.indclass[k - 1]
                 join pg_catalog.pg_amop ao on ao.amopfamily = oc.opcfamily and ao.amoplefttype = oc.opcintype
                                           and ao.amoprighttype = oc.opcintype and ao.amopstrategy = 3
                 join pg_catalog.pg_operator o on o.oid = ao.amopopr
                 join pg_catalog.pg_namespace n on n.oid = o.oprnamespace order by k) as operators
    from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
   where i.indrelid = $1 and i.indisunique and i.indisvalid order by c.relname`;

const KEY_SQL = `
  select a.attname::text as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type
    from pg_catalog.pg_index i
   cross join lateral pg_catalog.generate_series(1, i.indnkeyatts) k
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[k - 1]
   where i.indrelid = $1 and i.indisprimary order by k`;

const FOREIGN_KEYS_SQL = `
  select c.conname::text as name, n.nspname::text as of, p.relname::text as table,
         array(select a.attname::text from pg_catalog.unnest(c.conkey) with ordinality k(n, i)
                 join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.n order by k.i) as columns,
         array(select a.attname::text from pg_catalog.unnest(c.confkey) with ordinality k(n, i)
                 join pg_catalog.pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.n order by k.i) as referenced,
         array(select pg_catalog.format('operator(%I.%s)', on_.nspname, o.oprname)
                 from pg_catalog.unnest(c.conpfeqop) with ordinality k(op, i)
                 join pg_catalog.pg_operator o on o.oid = k.op
                 join pg_catalog.pg_namespace on_ on on_.oid = o.oprnamespace order by k.i) as operators
    from pg_catalog.pg_constraint c
    join pg_catalog.pg_class p on p.oid = c.confrelid join pg_catalog.pg_namespace n on n.oid = p.relnamespace
   where c.conrelid = $1 and c.contype = 'f' order by c.conname`;

// Bit 4 of the type: fires on INSERT (src/include/catalog/pg_trigger.h).
const TRIGGERS_SQL = `
  select tgname::text as name, tgenabled::text as enabled from pg_catalog.pg_trigger
   where tgrelid = $1 and not tgisinternal and tgtype & 4 <> 0 and tgenabled in ('O', 'A') order by tgname`;
