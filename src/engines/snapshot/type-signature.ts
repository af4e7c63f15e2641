import type { Session } from "../../postgres/session.ts";

/** What the text of a table's rows depends on beside the rows. */
export interface TypeSignature {
  /** Of columns and of all types in them, down to the last: any change of it may change the text of unchanged rows. */
  readonly signature: string;
  /** Types whose text also depends on what no signature can hold, so that the table must always be read. */
  readonly unsafe: readonly string[];
}

// Their output functions read other catalogues (aclitem, reg…, pg_node_tree) or a setting of the operating system (money).
const UNSAFE = [
  "aclitem",
  "money",
  "regclass",
  "regcollation",
  "regconfig",
  "regdictionary",
  "regnamespace",
  "regoper",
  "regoperator",
  "regproc",
  "regprocedure",
  "regrole",
  "regtype",
  "regdatabase",
  "pg_node_tree",
];
// Objects made after initdb; a base type among them has its output function in a library that may be replaced
// (src/include/access/transam.h, FirstNormalObjectId).
const FIRST_NORMAL_OID = 16384;

/**
 * Guard G4 and G6 of `docs/design/snapshot-engine.md`: the signature of each table by its oid. Types are followed through
 * arrays, domains, composites, row types and ranges. In a transaction with a snapshot it says what was then, outside one
 * what is now. Output functions always go by what is now. The versions (`xmin`) of the catalogue's rows about types are in
 * it, for types are not locked: one that was altered and altered back between two looks has not the same signature. The
 * table's own columns need none, a lock keeps them.
 */
export async function readSignatures(
  session: Session,
  tables: readonly number[],
): Promise<Map<number, TypeSignature>> {
  const rows = await session.query<{ oid: number; signature: string; unsafe: string[] }>(
    `with recursive wanted(relid) as (select pg_catalog.unnest($1::oid[])),
     ty(relid, oid) as (
       select w.relid, a.atttypid from wanted w
         join pg_catalog.pg_attribute a on a.attrelid = w.relid and a.attnum > 0 and not a.attisdropped
       union
       select ty.relid, s.x from ty join pg_catalog.pg_type t on t.oid = ty.oid
        cross join lateral (
          select t.typelem where t.typelem <> 0
          union all select t.typbasetype where t.typbasetype <> 0
          union all select a.atttypid from pg_catalog.pg_attribute a
                     where a.attrelid = t.typrelid and t.typrelid <> 0 and a.attnum > 0 and not a.attisdropped
          union all select r.rngsubtype from pg_catalog.pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)) s(x)),
     leaf as (select ty.relid, t.xmin as version, t.* from ty join pg_catalog.pg_type t on t.oid = ty.oid),
     columns(relid, line) as (
       select a.attrelid, pg_catalog.string_agg(pg_catalog.concat_ws(':', a.attnum, pg_catalog.quote_ident(a.attname), a.atttypid,
                a.atttypmod, a.attisdropped, a.attgenerated, coalesce(a.attmissingval::text, '-')), ',' order by a.attnum)
         from wanted w join pg_catalog.pg_attribute a on a.attrelid = w.relid and a.attnum > 0 group by 1),
     types(relid, line) as (
       select relid, pg_catalog.string_agg(pg_catalog.concat_ws(':', oid, version, typtype, typoutput::oid, typdelim, typelem,
                typbasetype, typrelid), ',' order by oid)
         from leaf group by 1),
     enums(relid, line) as (
       select l.relid, pg_catalog.string_agg(pg_catalog.concat_ws(':', e.enumtypid, e.oid, e.xmin,
                pg_catalog.quote_ident(e.enumlabel)), ','
                order by e.enumtypid, e.oid)
         from leaf l join pg_catalog.pg_enum e on e.enumtypid = l.oid group by 1),
     composites(relid, line) as (
       select l.relid, pg_catalog.string_agg(pg_catalog.concat_ws(':', a.attrelid, a.attnum, a.xmin, a.atttypid, a.atttypmod,
                a.attisdropped, coalesce(a.attmissingval::text, '-')), ',' order by a.attrelid, a.attnum)
         from leaf l join pg_catalog.pg_attribute a on a.attrelid = l.typrelid and a.attnum > 0 group by 1),
     unsafe(relid, names) as (
       select relid, pg_catalog.array_agg(distinct typname::text order by typname::text) from leaf
        -- Elements of arrays are leaves of their own. Other types that can be subscripted have their own output function.
        where typtype in ('b', 'p') and typoutput <> 'pg_catalog.array_out'::regproc
          and (oid >= ${FIRST_NORMAL_OID} or typname = any ($2) or typnamespace <> 'pg_catalog'::regnamespace)
        group by 1)
     select w.relid::int8::float8 as oid,
            pg_catalog.md5(pg_catalog.concat_ws('|', c.line, coalesce(t.line, '-'), coalesce(e.line, '-'), coalesce(m.line, '-'))) as signature,
            coalesce(u.names, '{}') as unsafe
       from wanted w
       left join columns c on c.relid = w.relid left join types t on t.relid = w.relid
       left join enums e on e.relid = w.relid left join composites m on m.relid = w.relid
       left join unsafe u on u.relid = w.relid`,
    [tables, UNSAFE],
  );
  return new Map(rows.map(({ oid, signature, unsafe }) => [oid, { signature, unsafe }]));
}
