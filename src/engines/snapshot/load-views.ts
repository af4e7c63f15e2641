import { isSqlState, quoteName, type Session } from "../../postgres/session.ts";

interface View {
  readonly schema: string;
  readonly name: string;
}

// 55000 object_not_in_prerequisite_state: "materialized view … has not been populated".
const NOT_POPULATED = "55000";

/**
 * Refreshes materialized views in the order in which they were made, for each was made after those it reads; one that
 * reads another by way of a function waits until that one is filled. Gathers their statistics.
 */
export async function refreshViews(session: Session, views: readonly View[]): Promise<void> {
  let waiting = await inOrder(session, views);
  while (waiting.length > 0) {
    const later: string[] = [];
    let reason: unknown;
    for (const view of waiting) {
      try {
        await session.query(`refresh materialized view ${view}`);
        await session.query(`analyze ${view}`);
      } catch (error) {
        if (!isSqlState(error, NOT_POPULATED)) throw error;
        reason = error;
        later.push(view);
      }
    }
    if (later.length === waiting.length) throw reason;
    waiting = later;
  }
}

async function inOrder(session: Session, views: readonly View[]): Promise<string[]> {
  if (views.length === 0) return [];
  const rows = await session.query<View>(
    `select n.nspname as schema, c.relname as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as v(schema, name)
         on v.schema = n.nspname and v.name = c.relname
      where c.relkind = 'm' order by c.oid`,
    [views.map(({ schema }) => schema), views.map(({ name }) => name)],
  );
  return rows.map(({ schema, name }) => quoteName(schema, name));
}
