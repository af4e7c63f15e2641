import { readRelationRoots } from "../../postgres/relation-roots.ts";
import { quoteName, type Session } from "../../postgres/session.ts";
import { listForeignTrees } from "../../postgres/statistics.ts";

/** How the tables of a database are parts of each other. Names are quoted. */
export interface PartitionTrees {
  /** With each relation that of the partitioned table at its top, or itself. */
  readonly roots: ReadonlyMap<string, string>;
  /**
   * Partitions whose rows find their place from the root: those of a hash of an enum, which differs between databases, or
   * of an expression, of which nobody knows what it hashes.
   */
  readonly viaRoot: ReadonlySet<string>;
  /** See `listForeignTrees`. */
  readonly foreign: ReadonlySet<string>;
}

export async function readPartitionTrees(session: Session): Promise<PartitionTrees> {
  const rows = await session.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relispartition and c.relkind = 'r'
        and exists (select from pg_catalog.pg_partition_ancestors(c.oid) p(relid)
                      join pg_catalog.pg_partitioned_table t on t.partrelid = p.relid and t.partstrat = 'h'
                     cross join lateral pg_catalog.unnest(t.partattrs) k(attnum)
                      left join pg_catalog.pg_attribute a on a.attrelid = t.partrelid and a.attnum = k.attnum
                      left join pg_catalog.pg_type y on y.oid = a.atttypid
                     where k.attnum = 0 or y.typtype = 'e')`,
  );
  return {
    roots: await readRelationRoots(session),
    foreign: await listForeignTrees(session),
    viaRoot: new Set(rows.map(({ schema, name }) => quoteName(schema, name))),
  };
}
