import { quoteName, type Session } from "./session.ts";

/**
 * Tables of which ANALYZE also looks at partitions or children on foreign servers, as quoted names: it would connect to
 * them, and fail where they cannot be reached.
 */
export async function listForeignTrees(session: Session): Promise<Set<string>> {
  const rows = await session.query<{ schema: string; name: string }>(
    `with recursive above(oid) as (
       select i.inhparent from pg_catalog.pg_inherits i
         join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relkind = 'f'
       union select i.inhparent from above join pg_catalog.pg_inherits i on i.inhrelid = above.oid)
     select n.nspname as schema, c.relname as name
       from above join pg_catalog.pg_class c on c.oid = above.oid
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace`,
  );
  return new Set(rows.map(({ schema, name }) => quoteName(schema, name)));
}

/**
 * Gathers the statistics of all the database's own tables, without which its first queries would be slow; asks no foreign
 * server. Those of the system catalogs came with the database, and looking at all of them takes longer than at a small
 * database's rows.
 */
export async function analyzeDatabase(session: Session): Promise<void> {
  const foreign = await listForeignTrees(session);
  const rows = await session.query<{ schema: string; name: string; partition: boolean }>(
    `select n.nspname as schema, c.relname as name, c.relispartition as partition
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't'
        and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')`,
  );
  const names = rows
    // Partitions come with what they are of, unless that would ask foreign servers.
    .filter(({ partition }) => !partition || foreign.size > 0)
    .map(({ schema, name }) => quoteName(schema, name))
    .filter((name) => !foreign.has(name));
  if (names.length > 0) await session.query(`analyze ${names.join(", ")}`);
}
