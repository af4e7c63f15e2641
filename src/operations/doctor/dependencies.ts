import { counted } from "../../lib/text.ts";
import type { Session } from "../../postgres/session.ts";
import { ok, type Outcome, warning } from "./finding.ts";

/** What lies in a schema, and how the catalogue of it names the schema. */
const IN_SCHEMAS: readonly (readonly [catalogue: string, column: string])[] = [
  ["pg_class", "relnamespace"],
  ["pg_type", "typnamespace"],
  ["pg_proc", "pronamespace"],
  ["pg_operator", "oprnamespace"],
  ["pg_opclass", "opcnamespace"],
  ["pg_opfamily", "opfnamespace"],
  ["pg_collation", "collnamespace"],
  ["pg_conversion", "connamespace"],
  ["pg_ts_config", "cfgnamespace"],
  ["pg_ts_dict", "dictnamespace"],
  ["pg_ts_parser", "prsnamespace"],
  ["pg_ts_template", "tmplnamespace"],
  ["pg_statistic_ext", "stxnamespace"],
  ["pg_constraint", "connamespace"],
];

/** What belongs to a relation, and so lies in its schema. */
const OF_RELATIONS: readonly (readonly [catalogue: string, column: string, condition: string])[] = [
  ["pg_rewrite", "ev_class", "true"],
  ["pg_attrdef", "adrelid", "true"],
  ["pg_policy", "polrelid", "true"],
  // The triggers that keep foreign keys lie on both tables; the constraint itself tells what needs what.
  ["pg_trigger", "tgrelid", "not o.tgisinternal"],
];

const PLACES = [
  ...IN_SCHEMAS.map(
    ([catalogue, column]) =>
      `select 'pg_catalog.${catalogue}'::regclass::oid, o.oid, o.${column} from pg_catalog.${catalogue} o`,
  ),
  ...OF_RELATIONS.map(
    ([catalogue, column, condition]) =>
      `select 'pg_catalog.${catalogue}'::regclass::oid, o.oid, c.relnamespace from pg_catalog.${catalogue} o
         join pg_catalog.pg_class c on c.oid = o.${column} where ${condition}`,
  ),
].join("\n union all ");

/**
 * Whether the chosen schemas can stand alone: what needs a view, type, function or table of a schema that is not
 * chosen cannot be created in an empty database. Extensions do not count, a restore installs them first.
 */
export async function checkDependencies(
  session: Session,
  schemas: readonly string[] | null,
): Promise<Outcome> {
  if (schemas === null) return ok("a backup of the whole database stands alone");
  const needs = await listOutwardNeeds(session, schemas);
  if (needs.length === 0) return ok("nothing in the chosen schemas needs other ones");
  return warning(
    `${counted(needs.length, "object")} in the chosen schemas ${needs.length === 1 ? "needs" : "need"} others: a backup would not restore into an empty database`,
    "add the missing schemas to `schemas`; `restore --swap` works all the same, it takes the rest from the live database",
    needs,
  );
}

/** `view customer.v needs table public.t`, sorted. */
async function listOutwardNeeds(session: Session, schemas: readonly string[]): Promise<string[]> {
  const rows = await session.query<{ need: string }>(
    `with places(classid, objid, space) as materialized (${PLACES}),
     outward as (
       select distinct d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid
         from pg_catalog.pg_depend d
         join places own on own.classid = d.classid and own.objid = d.objid
         join pg_catalog.pg_namespace here on here.oid = own.space and here.nspname = any ($1)
         join places other on other.classid = d.refclassid and other.objid = d.refobjid
         join pg_catalog.pg_namespace there on there.oid = other.space
        where d.deptype in ('n', 'a') and not there.nspname = any ($1)
          and there.nspname <> 'information_schema' and there.nspname !~ '^pg_'
          -- A foreign key also names the other table's index, which comes with that table.
          and not exists (select from pg_catalog.pg_class c where d.refclassid = 'pg_catalog.pg_class'::regclass
                             and c.oid = d.refobjid and c.relkind in ('i', 'I'))
     ),
     foreign_needs as (
       select o.* from outward o where not exists (
         -- Array and row types are no members of an extension themselves, what they are made from is.
         with recursive made_from(classid, objid) as (
           select o.refclassid, o.refobjid
           union
           select u.refclassid, u.refobjid from made_from m
             join pg_catalog.pg_depend u on u.classid = m.classid and u.objid = m.objid and u.deptype = 'i')
         select from made_from m join pg_catalog.pg_depend e on e.classid = m.classid and e.objid = m.objid and e.deptype = 'e')
     )
     select distinct pg_catalog.format('%s %s needs %s %s', needing.type, needing.identity, needed.type, needed.identity) as need
       from foreign_needs f
       left join pg_catalog.pg_rewrite r
         on f.classid = 'pg_catalog.pg_rewrite'::regclass and r.oid = f.objid and r.rulename = '_RETURN'
      cross join lateral pg_catalog.pg_identify_object(
        case when r.oid is null then f.classid else 'pg_catalog.pg_class'::regclass end,
        coalesce(r.ev_class, f.objid), case when r.oid is null then f.objsubid else 0 end) needing
      cross join lateral pg_catalog.pg_identify_object(f.refclassid, f.refobjid, 0) needed
      order by 1`,
    [schemas],
  );
  return rows.map(({ need }) => need);
}
