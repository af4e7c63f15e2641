import { AppError } from "../errors.ts";
import { counted, nearest } from "../lib/text.ts";
import { quoteName, type Session } from "./session.ts";

/** A relation that holds data: a table, a partition, a partitioned table, a materialized view or a foreign table. */
export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: "table" | "partitioned" | "materialized view" | "foreign table";
  /** Bytes on the server's disk with toast and indexes, as of the last VACUUM or ANALYZE. */
  readonly serverBytes: number;
  readonly readable: boolean;
}

// Schemas of the system, and temporary ones of other sessions.
const USER_SCHEMAS = `n.nspname <> 'information_schema' and n.nspname !~ '^pg_'`;
// Tables that belong to an extension come back with `CREATE EXTENSION`; pg_dump takes only their configured rows.
const notOfExtension = (classId: string, oid: string): string =>
  `not exists (select from pg_catalog.pg_depend e where e.classid = '${classId}'::regclass and e.objid = ${oid} and e.deptype = 'e')`;

/** The names of all user schemas. */
export async function listSchemas(session: Session): Promise<string[]> {
  const rows = await session.query<{ nspname: string }>(
    `select n.nspname from pg_catalog.pg_namespace n where ${USER_SCHEMAS} order by 1`,
  );
  return rows.map((row) => row.nspname);
}

/** Fails with `schema_missing` unless every named schema exists; the message has the nearest name that does. */
export async function requireSchemas(session: Session, schemas: readonly string[]): Promise<void> {
  const present = await listSchemas(session);
  const missing = schemas.filter((schema) => !present.includes(schema));
  const first = missing[0];
  if (first === undefined) return;
  const guess = nearest(first, present);
  throw new AppError(
    "schema_missing",
    `read ${counted(missing.length, "schema")}: not in the database: ${missing.join(", ")}`,
    {
      hint:
        guess === undefined
          ? `the database has: ${present.join(", ")}`
          : `did you mean ${guess}? the database has: ${present.join(", ")}`,
    },
  );
}

/** Relations of the chosen schemas (null: all user schemas), ordered by schema and name. */
export async function listRelations(
  session: Session,
  schemas: readonly string[] | null,
): Promise<Relation[]> {
  const rows = await session.query<{
    oid: number;
    schema: string;
    name: string;
    relkind: string;
    bytes: string;
    readable: boolean;
  }>(
    `select c.oid::int8::float8 as oid, n.nspname as schema, c.relname as name, c.relkind,
            -- Asking for real sizes would wait for whoever holds a lock, without any limit.
            (select coalesce(sum(p.relpages::int8), 0) * pg_catalog.current_setting('block_size')::int8
               from pg_catalog.pg_class p
              where p.oid in (c.oid, c.reltoastrelid)
                 or p.oid in (select i.indexrelid from pg_catalog.pg_index i
                               where i.indrelid in (c.oid, c.reltoastrelid) and i.indrelid <> 0)) as bytes,
            pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_table_privilege(c.oid, 'SELECT') as readable
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm', 'f') and c.relpersistence <> 't' and ${USER_SCHEMAS}
        and ($1::text[] is null or n.nspname = any ($1))
        and ${notOfExtension("pg_catalog.pg_class", "c.oid")}
      order by n.nspname, c.relname`,
    [schemas],
  );
  return rows.map((row) => ({
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    kind: relationKind(row.relkind),
    serverBytes: Number(row.bytes),
    readable: row.readable,
  }));
}

/** Tables of extensions whose rows a dump carries (`pg_extension_config_dump`), in the chosen schemas (null: all). */
export async function listConfigurationTables(
  session: Session,
  schemas: readonly string[] | null,
): Promise<Pick<Relation, "oid" | "schema" | "name">[]> {
  return await session.query<Pick<Relation, "oid" | "schema" | "name">>(
    `select c.oid::int8::float8 as oid, n.nspname as schema, c.relname as name
       from pg_catalog.pg_extension e cross join lateral pg_catalog.unnest(e.extconfig) as t(oid)
       join pg_catalog.pg_class c on c.oid = t.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r' and ($1::text[] is null or n.nspname = any ($1)) order by 2, 3`,
    [schemas],
  );
}

/**
 * Of extensions' configuration tables, by quoted name, which rows a dump carries: `where …`, or nothing for all. The others
 * come with the extension.
 */
export async function readConfigurationConditions(session: Session): Promise<Map<string, string>> {
  const rows = await session.query<{ schema: string; name: string; condition: string }>(
    `select n.nspname as schema, c.relname as name, t.condition
       from pg_catalog.pg_extension e
      cross join lateral rows from (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) as t(oid, condition)
       join pg_catalog.pg_class c on c.oid = t.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r'`,
  );
  return new Map(rows.map(({ schema, name, condition }) => [quoteName(schema, name), condition]));
}

function relationKind(relkind: string): Relation["kind"] {
  switch (relkind) {
    case "r":
      return "table";
    case "p":
      return "partitioned";
    case "m":
      return "materialized view";
    case "f":
      return "foreign table";
    default:
      throw new AppError("unexpected", `read the catalogue: unknown relation kind ${relkind}`);
  }
}

/** Bytes of the given tables on the server's disk with toast and indexes, now. They must be locked, or this may wait. */
export async function measureTables(session: Session, tables: readonly Relation[]): Promise<number> {
  const [row] = await session.query<{ bytes: string }>(
    "select coalesce(sum(pg_catalog.pg_total_relation_size(oid)), 0) as bytes from pg_catalog.unnest($1::oid[]) oid",
    [tables.map((table) => table.oid)],
  );
  return Number(row?.bytes);
}

/** Sequences the role may not read: pg_dump needs SELECT on them too. */
async function listUnreadableSequences(
  session: Session,
  schemas: readonly string[] | null,
): Promise<string[]> {
  const rows = await session.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'S' and c.relpersistence <> 't' and ${USER_SCHEMAS} and ($1::text[] is null or n.nspname = any ($1))
        and not (pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_sequence_privilege(c.oid, 'SELECT'))
      order by 1, 2`,
    [schemas],
  );
  return rows.map((row) => quoteName(row.schema, row.name));
}

/** Everything in the chosen schemas that the role may not read, as quoted names. Empty means a backup can read it all. */
export async function listUnreadable(
  session: Session,
  relations: readonly Relation[],
  schemas: readonly string[] | null,
): Promise<string[]> {
  const tables = relations.filter((relation) => relation.kind !== "foreign table" && !relation.readable);
  return [
    ...tables.map((table) => quoteName(table.schema, table.name)),
    ...(await listUnreadableSequences(session, schemas)),
  ];
}

/** Tables of the chosen schemas whose row level security hides rows from the role, as quoted names: unfit for a dump. */
export async function listRowSecured(session: Session, schemas: readonly string[] | null): Promise<string[]> {
  const rows = await session.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and c.relrowsecurity and c.relpersistence <> 't' and ${USER_SCHEMAS}
        and ($1::text[] is null or n.nspname = any ($1)) and pg_catalog.row_security_active(c.oid)
      order by 1, 2`,
    [schemas],
  );
  return rows.map(({ schema, name }) => quoteName(schema, name));
}

/** The exact number of rows of each given table, as this session's snapshot sees them. */
export async function countRows(
  session: Session,
  tables: readonly Relation[],
  onTable: (table: Relation) => void,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const table of tables) {
    onTable(table);
    const [row] = await session.query<{ count: string }>(
      `select count(*) as count from only ${quoteName(table.schema, table.name)}`,
    );
    counts.set(quoteName(table.schema, table.name), Number(row?.count));
  }
  return counts;
}

export interface SequenceValue {
  readonly schema: string;
  readonly name: string;
  readonly value: string;
  readonly called: boolean;
}

/** The present value of every sequence of the chosen schemas. Sequences obey no snapshot: this is the value now. */
export async function readSequences(
  session: Session,
  schemas: readonly string[] | null,
): Promise<SequenceValue[]> {
  const rows = await session.query<SequenceValue>(
    `select s.schemaname as schema, s.sequencename as name, s.last_value::text as value, s.last_value is not null as called
       from pg_catalog.pg_sequences s join pg_catalog.pg_namespace n on n.nspname = s.schemaname
       join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = s.sequencename
      where ${USER_SCHEMAS} and ($1::text[] is null or s.schemaname = any ($1))
        -- An extension's own begin anew, unless they are of its configuration.
        and (${notOfExtension("pg_catalog.pg_class", "c.oid")}
             or exists (select from pg_catalog.pg_extension x where c.oid = any (x.extconfig)))
      order by 1, 2`,
    [schemas],
  );
  // What one that was not called since it was set will give, only the sequence itself says.
  const uncalled = await readUncalled(
    session,
    rows.filter(({ called }) => !called),
  );
  return rows.map((row) => ({ ...row, ...uncalled.get(row) }));
}

// One statement for many of them, yet far from what a server's parser takes.
const SEQUENCES_AT_ONCE = 200;

async function readUncalled(
  session: Session,
  sequences: readonly SequenceValue[],
): Promise<Map<SequenceValue, Pick<SequenceValue, "value" | "called">>> {
  const values = new Map<SequenceValue, Pick<SequenceValue, "value" | "called">>();
  for (let at = 0; at < sequences.length; at += SEQUENCES_AT_ONCE) {
    const some = sequences.slice(at, at + SEQUENCES_AT_ONCE);
    const reads = some.map(
      ({ schema, name }, n) =>
        `select ${n} as n, last_value::text as value, is_called as called from ${quoteName(schema, name)}`,
    );
    const rows = await session.query<{ n: number; value: string; called: boolean }>(
      reads.join(" union all "),
    );
    for (const { n, value, called } of rows) {
      const sequence = some[n];
      if (sequence !== undefined) values.set(sequence, { value, called });
    }
  }
  return values;
}

/** Partitions and inheriting tables of the chosen schemas' tables that lie in other schemas, as quoted names. */
export async function listChildrenOutside(session: Session, schemas: readonly string[]): Promise<string[]> {
  const rows = await session.query<{ schema: string; name: string }>(
    `with recursive tree(oid) as (
       select c.oid from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p') and n.nspname = any ($1)
       union select i.inhrelid from tree join pg_catalog.pg_inherits i on i.inhparent = tree.oid)
     select n.nspname as schema, c.relname as name
       from tree join pg_catalog.pg_class c on c.oid = tree.oid
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and not n.nspname = any ($1) order by 1, 2`,
    [schemas],
  );
  return rows.map((row) => quoteName(row.schema, row.name));
}
