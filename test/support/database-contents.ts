import pg from "pg";
import { quoteName } from "../../src/postgres/quoting.ts";
import { clientConfig } from "./postgres.ts";

/** Everything in a database that a user would miss, in a form that two databases can be compared by. */
export interface DatabaseContents {
  /**
   * By quoted name: every row as JSON with sorted keys, sorted. A dump may change the order of rows and columns, and
   * the partition that a row is in (an enum hashes differently in each database): partitions count for their root.
   */
  readonly tables: Readonly<Record<string, readonly string[]>>;
  readonly sequences: readonly string[];
  readonly largeObjects: readonly string[];
  /** Definitions of views, functions, indexes, constraints, policies and triggers. */
  readonly definitions: readonly string[];
}

const USER_SCHEMAS = "n.nspname <> 'information_schema' and n.nspname !~ '^pg_'";

/** Reads the schemas given, or all. */
export async function contentsOf(
  url: string,
  schemas: readonly string[] | null = null,
): Promise<DatabaseContents> {
  const client = new pg.Client(clientConfig(url));
  await client.connect();
  try {
    const column = async (sql: string, params: readonly unknown[] = []): Promise<string[]> => {
      const { rows } = await client.query<{ value: string }>(sql, [...params]);
      return rows.map(({ value }) => value);
    };
    await client.query("set search_path = ''");
    const inSchemas = `${USER_SCHEMAS} and ($1::text[] is null or n.nspname = any ($1))`;
    const { rows: relations } = await client.query<{ schema: string; name: string; root: boolean }>(
      `select n.nspname as schema, c.relname as name, c.relkind = 'p' as root
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'm', 'p') and not c.relispartition and c.relpersistence <> 't' and c.relispopulated
          and ${inSchemas} order by 1, 2`,
      [schemas],
    );
    const tables: Record<string, string[]> = {};
    for (const { schema, name, root } of relations) {
      const table = quoteName(schema, name);
      const from = root ? table : `only ${table}`;
      tables[table] = await column(`select to_jsonb(t)::text as value from ${from} t order by 1`);
    }
    return {
      tables,
      sequences: await column(
        `select format('%I.%I %s', s.schemaname, s.sequencename, s.last_value) as value
           from pg_sequences s join pg_namespace n on n.nspname = s.schemaname where ${inSchemas} order by 1`,
        [schemas],
      ),
      largeObjects:
        schemas === null
          ? await column(
              "select oid || ' ' || encode(lo_get(oid), 'hex') as value from pg_largeobject_metadata order by oid",
            )
          : [],
      definitions: await column(
        `select pg_get_viewdef(c.oid) as value from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where c.relkind in ('v', 'm') and ${inSchemas}
         union all select pg_get_indexdef(c.oid) from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where c.relkind in ('i', 'I') and ${inSchemas}
         union all select pg_get_functiondef(p.oid) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
          where p.prokind = 'f' and ${inSchemas}
            and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
         union all select format('%s %s', k.conrelid::regclass, pg_get_constraintdef(k.oid))
           from pg_constraint k join pg_namespace n on n.oid = k.connamespace where ${inSchemas}
         union all select pg_get_triggerdef(g.oid) from pg_trigger g join pg_class c on c.oid = g.tgrelid
           join pg_namespace n on n.oid = c.relnamespace where not g.tgisinternal and ${inSchemas}
         union all select format('%s %s %s', p.tablename, p.policyname, p.qual) from pg_policies p
           join pg_namespace n on n.nspname = p.schemaname where ${inSchemas}
         order by 1`,
        [schemas],
      ),
    };
  } finally {
    await client.end();
  }
}
