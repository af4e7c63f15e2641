import { quoteIdentifier, type Session } from "../../postgres/session.ts";

/** `pg_dump` arguments for everything but the given schemas. */
export function outsideArgs(inside: readonly string[]): string[] {
  return inside.map((schema) => `--exclude-schema=${quoteIdentifier(schema)}`);
}

/**
 * What keeps a database from being replaced by a copy, because no dump carries it: one sentence each. Replication is
 * tied to the database itself; publications name tables that the copy has anew.
 */
export async function listUncarriable(live: Session, inside: readonly string[]): Promise<string[]> {
  const rows = await live.query<{ problem: string }>(
    `select 'subscription ' || pg_catalog.quote_ident(s.subname) as problem from pg_catalog.pg_subscription s
       join pg_catalog.pg_database d on d.oid = s.subdbid where d.datname = pg_catalog.current_database()
     union all
     select 'replication slot ' || pg_catalog.quote_ident(slot_name) from pg_catalog.pg_replication_slots
      where database = pg_catalog.current_database()
     union all
     select 'prepared transaction ' || pg_catalog.quote_literal(gid) from pg_catalog.pg_prepared_xacts
      where database = pg_catalog.current_database()
     union all
     select 'publication ' || pg_catalog.quote_ident(p.pubname) || ' names table ' || c.oid::regclass::text
       from pg_catalog.pg_publication_rel r join pg_catalog.pg_publication p on p.oid = r.prpubid
       join pg_catalog.pg_class c on c.oid = r.prrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = any ($1)
     ${live.serverVersion >= 150_000 ? PUBLISHED_SCHEMAS : ""}
     union all
     select 'tablespace ' || pg_catalog.quote_ident(t.spcname) || ' of the database' from pg_catalog.pg_database d
       join pg_catalog.pg_tablespace t on t.oid = d.dattablespace
      where d.datname = pg_catalog.current_database() and t.spcname <> 'pg_default'
     union all
     select 'security label of ' || s.provider || ' on the database' from pg_catalog.pg_shseclabel s
       join pg_catalog.pg_database d on d.oid = s.objoid
      where s.classoid = 'pg_catalog.pg_database'::regclass and d.datname = pg_catalog.current_database()
     union all
     select count(*) || ' large objects, which this role may not compare' from pg_catalog.pg_largeobject_metadata
      where $2 and not pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') having count(*) > 0
     union all
     select 'user mapping of ' || pg_catalog.quote_ident(m.usename) || ' for server ' || pg_catalog.quote_ident(m.srvname)
              || ', whose options this role may not read' from pg_catalog.pg_user_mappings m
      where $2 and m.umoptions is null
        and not (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user)
     order by 1`,
    [inside, inside.length > 0],
  );
  return rows.map((row) => row.problem);
}

const PUBLISHED_SCHEMAS = `union all
     select 'publication ' || pg_catalog.quote_ident(p.pubname) || ' names schema ' || pg_catalog.quote_ident(n.nspname)
       from pg_catalog.pg_publication_namespace r join pg_catalog.pg_publication p on p.oid = r.pnpubid
       join pg_catalog.pg_namespace n on n.oid = r.pnnspid where n.nspname = any ($1)`;

/**
 * Catalogue entries (as `<catalogue oid> <object oid>`) outside the given schemas that need something inside them: a
 * view over their tables, a column of their type. These can be created only after what they need.
 */
export async function listDependents(live: Session, inside: readonly string[]): Promise<Set<string>> {
  const rows = await live.query<{ key: string }>(
    `with recursive needing(classid, objid) as (
       select d.classid, d.objid from pg_catalog.pg_depend d join pg_catalog.pg_namespace n on n.oid = d.refobjid
        where d.refclassid = 'pg_catalog.pg_namespace'::regclass and n.nspname = any ($1)
       union
       select next.classid, next.objid from needing cross join lateral (
         select d.classid, d.objid from pg_catalog.pg_depend d
          where d.refclassid = needing.classid and d.refobjid = needing.objid and d.deptype in ('n', 'a', 'i', 'P', 'S')
         union all
         -- A view needs what its rule needs, a table what its column defaults and checks need; they are dumped as one.
         select d.refclassid, d.refobjid from pg_catalog.pg_depend d
          where d.classid = needing.classid and d.objid = needing.objid and d.deptype in ('a', 'i')
            and (needing.classid in ('pg_catalog.pg_rewrite'::regclass, 'pg_catalog.pg_attrdef'::regclass)
              or needing.classid = 'pg_catalog.pg_constraint'::regclass
                 and (select k.contype from pg_catalog.pg_constraint k where k.oid = needing.objid) = 'c')
       ) next)
     select distinct classid::int8 || ' ' || objid::int8 as key from needing`,
    [inside],
  );
  return new Set(rows.map((row) => row.key));
}
