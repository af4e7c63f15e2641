import type { Session } from "../../postgres/session.ts";

// Catalogues whose rows belong to a relation, with the column that says to which.
const OF_RELATIONS: Readonly<Record<string, string>> = {
  pg_attribute: "attrelid",
  pg_attrdef: "adrelid",
  pg_foreign_table: "ftrelid",
  pg_index: "indrelid",
  pg_inherits: "inhrelid",
  pg_partitioned_table: "partrelid",
  pg_policy: "polrelid",
  pg_rewrite: "ev_class",
  pg_sequence: "seqrelid",
  pg_statistic_ext: "stxrelid",
  pg_trigger: "tgrelid",
};
// Those whose rows belong to a schema.
const OF_SCHEMAS: Readonly<Record<string, string>> = {
  pg_class: "relnamespace",
  pg_collation: "collnamespace",
  pg_constraint: "connamespace",
  pg_conversion: "connamespace",
  pg_opclass: "opcnamespace",
  pg_operator: "oprnamespace",
  pg_opfamily: "opfnamespace",
  pg_proc: "pronamespace",
  pg_ts_config: "cfgnamespace",
  pg_ts_dict: "dictnamespace",
  pg_ts_parser: "prsnamespace",
  pg_ts_template: "tmplnamespace",
  pg_type: "typnamespace",
};
// The rest, as a whole. A change to the inside counts here as well: it would be lost, and nobody should make one now.
const OF_THE_DATABASE = [
  "pg_am",
  "pg_amop",
  "pg_amproc",
  "pg_cast",
  "pg_default_acl",
  "pg_description",
  "pg_enum",
  "pg_event_trigger",
  "pg_extension",
  "pg_foreign_data_wrapper",
  "pg_foreign_server",
  "pg_language",
  "pg_largeobject_metadata",
  "pg_publication",
  "pg_publication_rel",
  "pg_seclabel",
  "pg_transform",
  "pg_ts_config_map",
];

/**
 * A fingerprint of what table locks do not hold still: sequences, and every definition. Two are equal only when nothing
 * was created, dropped, altered or granted outside the given schemas and no sequence moved. Temporary tables do not
 * count. Quick, for it is taken while the database is closed for everybody.
 */
export async function readDrift(session: Session, inside: readonly string[]): Promise<string> {
  const part = (catalogue: string, condition: string): string =>
    `select '${catalogue} ' || count(*) || ' ' || ${SUM} as part from pg_catalog.${catalogue} t where ${condition}`;
  const parts = [
    part("pg_namespace", "t.oid in (select oid from space)"),
    ...Object.entries(OF_SCHEMAS).map(([name, column]) =>
      part(name, `t.${column} in (select oid from space)`),
    ),
    ...Object.entries(OF_RELATIONS).map(([name, column]) =>
      part(name, `t.${column} in (select oid from relation)`),
    ),
    ...OF_THE_DATABASE.map((name) => part(name, "true")),
  ];
  const [row] = await session.query<{ drift: string }>(
    `with space as materialized (
       select oid from pg_catalog.pg_namespace
        where nspname <> 'information_schema' and nspname !~ '^pg_' and not nspname = any ($1)),
     relation as materialized (select oid, relkind from pg_catalog.pg_class where relnamespace in (select oid from space))
     select pg_catalog.string_agg(part, '; ' order by part) as drift from (
       ${parts.join(" union all ")}
       union all select 'sequences ' || coalesce(pg_catalog.md5(pg_catalog.string_agg(
              oid || ' ' || coalesce(pg_catalog.pg_sequence_last_value(oid)::text, 'not called'), ',' order by oid)), '')
         from relation where relkind = 'S') parts`,
    [inside],
  );
  return row?.drift ?? "";
}

// Every change of a row gives it another transaction or another place.
const SUM = "coalesce(sum(pg_catalog.hashtextextended(t.ctid::text || ' ' || t.xmin::text, 0)::numeric), 0)";

/** A fingerprint of the contents of all large objects: no lock keeps writers out of them that would let readers in. */
export async function readLargeObjectDrift(session: Session): Promise<string> {
  const [row] = await session.query<{ drift: string }>(
    `select count(*) || ' ' || ${SUM} as drift from pg_catalog.pg_largeobject t`,
  );
  return row?.drift ?? "";
}
