import { quoteIdentifier, quoteName, type Session } from "../../postgres/session.ts";

/** A table whose rows a snapshot copies, and how. */
export interface SourceTable {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** Blocks of its main file, at the time of the snapshot. */
  readonly blocks: number;
  /** Columns that are copied: all but generated ones, in the order of the table. */
  readonly columns: readonly string[];
  /** `COPY "s"."t" ("a", "b") FROM STDIN`: loads what was copied. */
  readonly copyIn: string;
  /** The rows to take of an extension's configuration table (`where …`), which is never cut; null for all rows. */
  readonly condition: string | null;
  /** True where blocks mean ranges of tuple ids: ordinary heaps. */
  readonly cuttable: boolean;
}

/**
 * The tables whose rows a dump of the chosen schemas (null: all) carries: ordinary ones and partitions, and the
 * configuration tables of extensions (`pg_extension_config_dump`).
 */
export async function listSourceTables(
  session: Session,
  schemas: readonly string[] | null,
): Promise<SourceTable[]> {
  const rows = await session.query<{
    oid: number;
    schema: string;
    name: string;
    blocks: string;
    columns: string[];
    heap: boolean;
    condition: string | null;
    root_schema: string | null;
    root_name: string | null;
  }>(
    `select c.oid::int8::float8 as oid, n.nspname as schema, c.relname as name,
            pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::int as blocks,
            array(select a.attname::text from pg_catalog.pg_attribute a
                   where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
                   order by a.attnum) as columns,
            coalesce(am.amname = 'heap', false) as heap,
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
  return rows.map((row) => {
    const target = quoteName(row.root_schema ?? row.schema, row.root_name ?? row.name);
    const list = row.columns.map(quoteIdentifier).join(", ");
    return {
      oid: row.oid,
      schema: row.schema,
      name: row.name,
      blocks: Number(row.blocks),
      columns: row.columns,
      copyIn: `COPY ${target}${list === "" ? "" : ` (${list})`} FROM STDIN`,
      condition: row.condition === null || row.condition === "" ? null : row.condition,
      cuttable: row.heap && row.condition === null,
    };
  });
}

/** A range of blocks: from the first up to, not including, the other; null is the end of the table, wherever that is. */
export interface BlockRange {
  readonly from: number;
  readonly to: number | null;
}

// 8 MiB of heap. Fixed, and counted from block 0, so that the ranges of two backups are the same blocks.
const RANGE_BLOCKS = 1024;

/** Cuts a table into ranges. The last one has no end: rows may be in blocks that came after we looked. */
export function cutTable(table: SourceTable): BlockRange[] {
  if (!table.cuttable) return [{ from: 0, to: null }];
  const ranges: BlockRange[] = [];
  for (let from = 0; from === 0 || from < table.blocks; from += RANGE_BLOCKS) {
    ranges.push({ from, to: from + RANGE_BLOCKS });
  }
  return ranges.map((range, index) => (index === ranges.length - 1 ? { from: range.from, to: null } : range));
}

/** The statement that copies one range out, in the order of the tuple ids. */
export function copyOutSql(table: SourceTable, range: BlockRange): string {
  const columns = table.columns.map((column) => `t.${quoteIdentifier(column)}`).join(", ");
  const from = `from only ${quoteName(table.schema, table.name)} t`;
  if (!table.cuttable) return `copy (select ${columns} ${from} ${table.condition ?? ""}) to stdout`;
  const bounds = [`t.ctid >= '(${range.from},0)'`];
  if (range.to !== null) bounds.push(`t.ctid < '(${range.to},0)'`);
  return `copy (select ${columns} ${from} where ${bounds.join(" and ")}) to stdout`;
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
