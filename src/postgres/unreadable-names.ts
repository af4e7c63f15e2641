import { readEncoding } from "./server.ts";
import type { Session } from "./session.ts";

/**
 * Names of schemas, relations and columns that are no UTF-8, which the server would not give to our connection: only a
 * database in SQL_ASCII can have them. Bytes beyond ASCII are written as `\xe9`.
 * @param schemas null: the whole database; names of schemas themselves are looked at in any case
 */
export async function listUnreadableNames(
  session: Session,
  schemas: readonly string[] | null,
): Promise<string[]> {
  if ((await readEncoding(session)) !== "SQL_ASCII") return [];
  // As bytes, which are not converted. The kind of a relation does not matter to whoever looks for it.
  const rows = await session.query<{ kind: "schema" | "relation" | "column"; parts: string[] }>(
    `with relation as (
       select c.oid, n.nspname::text as schema, c.relname::text as name from pg_catalog.pg_class c
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and (n.nspname = any ($1) or ($1::text[] is null and
              n.nspname <> 'information_schema' and n.nspname !~ '^pg_'))
     ), named as (
       select 1 as rank, 'schema' as kind, array[nspname::text] as parts from pg_catalog.pg_namespace
       union all select 2, 'relation', array[schema, name] from relation
       union all select 3, 'column', array[r.schema, r.name, a.attname::text] from relation r
         join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
     )
     select kind, array(select pg_catalog.encode(pg_catalog.convert_to(p, 'SQL_ASCII'), 'hex')
                          from pg_catalog.unnest(parts) with ordinality u(p, at) order by at) as parts
       from named where pg_catalog.octet_length(pg_catalog.regexp_replace(parts[pg_catalog.cardinality(parts)], '[\\x01-\\x7f]', '', 'g')) > 0
      order by rank, parts`,
    [schemas],
  );
  return rows.flatMap(({ kind, parts }) => {
    const names = parts.map((part) => Buffer.from(part, "hex"));
    const own = names.at(-1) ?? Buffer.alloc(0);
    if (own.equals(Buffer.from(own.toString("utf8"), "utf8"))) return [];
    return [`${kind} ${names.map(quoteBytes).join(".")}`];
  });
}

function quoteBytes(name: Buffer): string {
  const shown = [...name].map((byte) =>
    byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16)}`,
  );
  return `"${shown.join("")}"`;
}
