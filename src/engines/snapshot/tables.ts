import { quoteIdentifier, quoteLiteral, quoteName, type Session } from "../../postgres/session.ts";
import { listLargeObjectTables } from "./large-objects.ts";

/** A range of blocks: from the first up to, not including, the other; null is the end of the table, wherever that is. */
export interface BlockRange {
  readonly from: number;
  readonly to: number | null;
}

/** What identifies the file that a table's rows lie in. */
interface TableFile {
  readonly databaseOid: number;
  readonly tableOid: number;
  readonly filenode: number;
}

/** A table whose rows a snapshot copies, and how. */
export interface SourceTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Blocks of its main file, at the time of the snapshot. */
  readonly blocks: number;
  /** Bytes of its main file and of its long values, on the server's disk. */
  readonly serverBytes: number;
  /** Columns that are copied: all but generated ones, in the order of the table. */
  readonly columns: readonly string[];
  /** `COPY "s"."t" ("a", "b") FROM STDIN (ENCODING 'UTF8')`: loads what was copied. */
  readonly copyIn: string;
  /** PostgreSQL's name of the encoding that the rows are copied in: the database's own, for then nothing is converted. */
  readonly encoding: string;
  /** The rows to take of an extension's configuration table (`where …`), which is never cut; null for all rows. */
  readonly condition: string | null;
  /** Blocks a range has; null where blocks do not mean ranges of tuple ids, so that the table is not cut. */
  readonly rangeBlocks: number | null;
  /** Null where what is in the file cannot be told from tuple ids: then it is always read. */
  readonly file: TableFile | null;
  /** Why it is always read; null where it may be reused. */
  readonly alwaysRead: string | null;
  /** The query of a range, where it is not about the rows of a table of this name. */
  readonly select?: (range: BlockRange) => string;
}

interface TableRow {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly blocks: string;
  readonly bytes: string;
  readonly columns: string[];
  readonly encoding: string;
  readonly heap: boolean;
  readonly persistence: string;
  readonly database_oid: number;
  readonly filenode: number | null;
  readonly catalog_filenode: number;
  readonly condition: string | null;
  readonly root_schema: string | null;
  readonly root_name: string | null;
}

/**
 * The tables whose rows a dump of the chosen schemas (null: all) carries: ordinary ones and partitions, and the
 * configuration tables of extensions (`pg_extension_config_dump`). They have to be locked. For the whole database also
 * large objects, as two tables of `pg_catalog` (`large-objects.ts`).
 */
export async function listSourceTables(
  session: Session,
  schemas: readonly string[] | null,
): Promise<SourceTable[]> {
  const rows = await session.query<TableRow>(
    `select c.oid::int8::float8 as oid, n.nspname as schema, c.relname as name,
            pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int as blocks,
            pg_catalog.pg_table_size(c.oid) as bytes,
            array(select a.attname::text from pg_catalog.pg_attribute a
                   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                   order by a.attnum) as columns,
            pg_catalog.current_setting('server_encoding') as encoding,
            coalesce(am.amname = 'heap', false) as heap, c.relpersistence as persistence,
            (select d.oid::int8::float8 from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()) as database_oid,
            -- The first is the file that a scan reads now, the other what the snapshot says.
            pg_catalog.pg_relation_filenode(c.oid)::int8::float8 as filenode, c.relfilenode::int8::float8 as catalog_filenode,
            config.condition, root.schema as root_schema, root.name as root_name
       from pg_catalog.pg_class c
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       left join pg_catalog.pg_am am on am.oid = c.relam
       left join lateral (
         select e.extcondition[pg_catalog.array_position(e.extconfig, c.oid)] as condition
           from pg_catalog.pg_extension e where c.oid = any (e.extconfig)) config on true
       -- The hash of an enum value differs between databases, so such a partition's rows may belong elsewhere there.
       left join lateral (
         select rn.nspname as schema, r.relname as name
           from pg_catalog.pg_partition_ancestors(c.oid) with ordinality a(relid, depth)
           join pg_catalog.pg_class r on r.oid = a.relid
           join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
          where c.relispartition and r.relkind = 'p'
            and exists (select from pg_catalog.pg_partition_ancestors(c.oid) p(relid)
                          join pg_catalog.pg_partitioned_table t on t.partrelid = p.relid and t.partstrat = 'h'
                         cross join lateral pg_catalog.unnest(t.partattrs) k(attnum)
                          left join pg_catalog.pg_attribute ka on ka.attrelid = t.partrelid and ka.attnum = k.attnum
                          left join pg_catalog.pg_type kt on kt.oid = ka.atttypid
                         where k.attnum = 0 or kt.typtype = 'e')
          order by a.depth desc limit 1) root on true
      where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
        and ($1::text[] is null or n.nspname = any ($1))
        and (config.condition is not null
             or not exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass
                              and d.objid = c.oid and d.deptype = 'e'))
      order by n.nspname, c.relname`,
    [schemas],
  );
  const tables = rows.map(sourceTable);
  return schemas === null ? [...tables, ...(await listLargeObjectTables(session))] : tables;
}

function sourceTable(row: TableRow): SourceTable {
  const target = quoteName(row.root_schema ?? row.schema, row.root_name ?? row.name);
  const list = row.columns.map(quoteIdentifier).join(", ");
  const blocks = Number(row.blocks);
  const serverBytes = Number(row.bytes);
  const alwaysRead = reasonToRead(row);
  return {
    oid: row.oid,
    schema: row.schema,
    name: row.name,
    blocks,
    serverBytes,
    columns: row.columns,
    encoding: row.encoding,
    copyIn: `COPY ${target}${list === "" ? "" : ` (${list})`} FROM STDIN (ENCODING ${quoteLiteral(row.encoding)})`,
    condition: row.condition === null || row.condition === "" ? null : row.condition,
    rangeBlocks: row.heap && row.condition === null ? blocksPerRange(blocks, serverBytes) : null,
    file:
      alwaysRead === null && row.filenode !== null
        ? { databaseOid: row.database_oid, tableOid: row.oid, filenode: row.filenode }
        : null,
    alwaysRead,
  };
}

/** Guard G2 of `docs/design/snapshot-engine.md`: an ordinary, logged heap whose file is the one the snapshot knows. */
function reasonToRead(row: TableRow): string | null {
  if (row.condition !== null) return "configuration of an extension";
  if (!row.heap) return "not a heap";
  if (row.persistence !== "p") return "unlogged";
  if (row.filenode !== row.catalog_filenode) return "its file was replaced";
  return null;
}

// 4 MiB of heap. A power of two, so that finer cuts line up with coarser ones.
const RANGE_BLOCKS = 512;
const LEAST_BLOCKS = 16;
// With the long values that its rows have outside, a range should not have much more: it is what one changed row costs.
const RANGE_BYTES = 6 * 1024 * 1024;

/** How many blocks make a range: fewer where much of the table lies outside its main file, in long values. */
function blocksPerRange(blocks: number, serverBytes: number): number {
  // A table that has hardly begun says nothing about itself.
  const perBlock = blocks < LEAST_BLOCKS ? 0 : serverBytes / blocks;
  let range = RANGE_BLOCKS;
  while (range > LEAST_BLOCKS && range * perBlock > RANGE_BYTES) range /= 2;
  return range;
}

/**
 * Cuts a table into ranges of so many blocks (null: one range), counted from block 0 so that the ranges of two snapshots
 * are the same blocks. The last one has no end: rows may be in blocks that came after we looked.
 */
export function* cutTable(blocks: number, rangeBlocks: number | null): Generator<BlockRange> {
  if (rangeBlocks === null) return yield { from: 0, to: null };
  for (let from = 0; from === 0 || from < blocks; from += rangeBlocks) {
    yield { from, to: from + rangeBlocks < blocks ? from + rangeBlocks : null };
  }
}

/** The statement that copies one range out, in the order of the tuple ids. */
export function copyOutSql(table: SourceTable, range: BlockRange): string {
  return `copy (${selectSql(table, range)}) to stdout (encoding ${quoteLiteral(table.encoding)})`;
}

/** The query in it. */
export function selectSql(table: SourceTable, range: BlockRange): string {
  if (table.select !== undefined) return table.select(range);
  const columns = table.columns.map((column) => `t.${quoteIdentifier(column)}`).join(", ");
  const where = table.rangeBlocks === null ? (table.condition ?? "") : `where ${rangeCondition(range)}`;
  return `select ${columns} ${fromOnly(table)} ${where}`;
}

export function fromOnly({ schema, name }: SourceTable): string {
  return `from only ${quoteName(schema, name)} t`;
}

export function rangeCondition({ from, to }: BlockRange): string {
  return `t.ctid >= '(${from},0)'${to === null ? "" : ` and t.ctid < '(${to},0)'`}`;
}

/** The materialized views of the chosen schemas that hold rows: a restore refreshes them. */
export async function listFilledViews(
  session: Session,
  schemas: readonly string[] | null,
): Promise<{ schema: string; name: string }[]> {
  return await session.query<{ schema: string; name: string }>(
    `select schemaname as schema, matviewname as name from pg_catalog.pg_matviews
      where ispopulated and ($1::text[] is null or schemaname = any ($1)) order by 1, 2`,
    [schemas],
  );
}
