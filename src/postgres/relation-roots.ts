import { quoteName, type Session } from "./session.ts";

/**
 * Every table, materialized view and foreign table, those of extensions too, as quoted names; with each the partitioned table at its
 * top, or itself. Rows of two databases are compared by these: enum values hash differently in each, so a table
 * partitioned by such a hash has its rows in other partitions after a restore.
 */
export async function readRelationRoots(session: Session): Promise<Map<string, string>> {
  const rows = await session.query<{ schema: string; name: string; rootSchema: string; rootName: string }>(
    `select n.nspname as schema, c.relname as name, rn.nspname as "rootSchema", r.relname as "rootName"
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join pg_catalog.pg_class r on r.oid = coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)
       join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
      where c.relkind in ('r', 'p', 'm', 'f') and c.relpersistence <> 't'
        and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'`,
  );
  return new Map(
    rows.map((row) => [quoteName(row.schema, row.name), quoteName(row.rootSchema, row.rootName)]),
  );
}
