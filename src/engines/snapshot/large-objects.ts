import { quoteLiteral, type Session } from "../../postgres/session.ts";
import type { SourceTable } from "./tables.ts";

/**
 * Large objects are copied as two tables that no database has, under the names of the catalogues that PostgreSQL keeps
 * them in, so that parts, part lists, digests and the collection of garbage need not know of them:
 *
 * - `pg_catalog.pg_largeobject`: what is in them, in chunks: `oid`, `offset` (bytes, a multiple of `CHUNK_BYTES`), `data`.
 *   Holes are zeros, as every reader sees them. An empty object has one empty chunk.
 * - `pg_catalog.pg_largeobject_metadata`: what is said about them: `oid`, `owner`, `grants`, `comment`, `labels`. `grants` is
 *   null for the defaults, else JSON: a list of `{grantor, grantee (null: PUBLIC), privilege, grantable}`, each after those
 *   that its grantor needs. `labels` is null, or JSON: a list of `{provider, label}`.
 *
 * Their COPY statements load temporary tables, out of which the objects are made. Read with `lo_get`, which needs no more
 * than the right to read the objects: only superusers may read the catalogue itself. Since PostgreSQL 17 `pg_dump` has
 * owners and privileges only in the same section as the contents, so it cannot give us the one without the other.
 */
const CONTENTS = "pg_largeobject";
const FACTS = "pg_largeobject_metadata";

/** The temporary tables that the COPY statements load. */
export const CONTENTS_STAGE = `"pg_temp"."handled_large_objects"`;
export const FACTS_STAGE = `"pg_temp"."handled_large_object_facts"`;

const CONTENTS_COLUMNS = ["oid", "offset", "data"];
const FACTS_COLUMNS = ["oid", "owner", "grants", "comment", "labels"];

/** True for the lines of a snapshot's tables that stand for large objects. */
export function isLargeObjects({ schema }: { readonly schema: string }): boolean {
  return schema === "pg_catalog";
}

/** True for the one that says what is in them; the other says whose they are. */
export function holdsContents({ name }: { readonly name: string }): boolean {
  return name === CONTENTS;
}

// Half a megabyte of text: the most that a row takes on either side, and large enough that calls cost nothing.
const CHUNK_BYTES = 256 * 1024;
// What a range should have of the objects' bytes, for several threads to share them.
const RANGE_BYTES = 16 * 1024 * 1024;
const MOST_OBJECTS = 2 ** 20;

/** The two tables, as a snapshot copies them; none where the database has no large objects. */
export async function listLargeObjectTables(session: Session): Promise<SourceTable[]> {
  const [facts] = await session.query<{ count: string; bytes: string; encoding: string }>(
    `select (select count(*) from pg_catalog.pg_largeobject_metadata) as count,
            pg_catalog.pg_relation_size('pg_catalog.pg_largeobject') as bytes,
            pg_catalog.current_setting('server_encoding') as encoding`,
  );
  const count = Number(facts?.count ?? 0);
  if (facts === undefined || count === 0) return [];
  const serverBytes = Number(facts.bytes);
  const starts = await findStarts(session, objectsPerRange(count, serverBytes));
  const { encoding } = facts;
  return [
    pseudoTable({ oid: 2613, name: CONTENTS, columns: CONTENTS_COLUMNS, stage: CONTENTS_STAGE }, encoding, {
      serverBytes,
      blocks: starts.length,
      select: ({ from, to }) => contentsSql(starts[from] ?? 0, to === null ? null : (starts[to] ?? null)),
    }),
    pseudoTable({ oid: 2995, name: FACTS, columns: FACTS_COLUMNS, stage: FACTS_STAGE }, encoding, {
      serverBytes: 0,
      blocks: 1,
      select: () => FACTS_SQL,
    }),
  ];
}

function pseudoTable(
  { oid, name, columns, stage }: { oid: number; name: string; columns: readonly string[]; stage: string },
  encoding: string,
  how: Pick<SourceTable, "blocks" | "serverBytes" | "select">,
): SourceTable {
  const list = columns.map((column) => `"${column}"`).join(", ");
  return {
    oid,
    schema: "pg_catalog",
    name,
    columns,
    encoding,
    copyIn: `COPY ${stage} (${list}) FROM STDIN (ENCODING ${quoteLiteral(encoding)})`,
    condition: null,
    rangeBlocks: 1,
    file: null,
    alwaysRead: "large objects",
    ...how,
  };
}

/** A power of two, so that it stays the same while the objects slowly change. */
function objectsPerRange(count: number, bytes: number): number {
  let objects = 1;
  while (objects < MOST_OBJECTS && (objects * 2 * bytes) / count <= RANGE_BYTES) objects *= 2;
  return objects;
}

/**
 * The oids at which ranges begin. An object begins one by the hash of its oid, so that others stay where they are when
 * objects come and go, and equal ranges become equal parts.
 */
async function findStarts(session: Session, objects: number): Promise<number[]> {
  const rows = await session.query<{ oid: number }>(
    `select m.oid::int8::float8 as oid from pg_catalog.pg_largeobject_metadata m
      where pg_catalog.hashoid(m.oid) & $1::int4 = 0 order by m.oid`,
    [objects - 1],
  );
  return [0, ...rows.map((row) => row.oid)];
}

/** The recursion only finds where chunks begin; their bytes are read outside of it, for it keeps all it has found. */
function contentsSql(from: number, to: number | null): string {
  return `select c.oid, c."offset", pg_catalog.lo_get(c.oid, c."offset", ${CHUNK_BYTES}) as data
            from (with recursive chunk(oid, "offset") as (
                    select m.oid, 0::pg_catalog.int8 from pg_catalog.pg_largeobject_metadata m
                     where m.oid >= ${from}::pg_catalog.oid${to === null ? "" : ` and m.oid < ${to}::pg_catalog.oid`}
                    union all
                    select oid, "offset" + ${CHUNK_BYTES} from chunk
                     where pg_catalog.length(pg_catalog.lo_get(oid, "offset" + ${CHUNK_BYTES}, 1)) > 0)
                  select oid, "offset" from chunk order by 1, 2) c`;
}

/**
 * A grant comes after those that gave its grantor the right to give. The owner always has it; chains cannot be circles.
 * Ordered beyond that by names: the same grants must give the same text, in whatever order they were made.
 */
const FACTS_SQL = `select m.oid, pg_catalog.pg_get_userbyid(m.lomowner) as owner,
       case when m.lomacl is not null then (
         with recursive grants as (
           select a.grantor, a.grantee, a.privilege_type as privilege, a.is_grantable as grantable
             from pg_catalog.aclexplode(m.lomacl) a),
         reach(role, privilege, depth) as (
           select m.lomowner, p.privilege, 0 from (select distinct privilege from grants) p
           union select g.grantee, g.privilege, r.depth + 1
             from reach r join grants g on g.grantor = r.role and g.privilege = r.privilege
            where g.grantable and g.grantee <> m.lomowner)
         select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
                  'grantor', pg_catalog.pg_get_userbyid(g.grantor),
                  'grantee', case when g.grantee <> 0 then pg_catalog.pg_get_userbyid(g.grantee) end,
                  'privilege', g.privilege, 'grantable', g.grantable)
                order by (select min(r.depth) from reach r where r.role = g.grantor and r.privilege = g.privilege),
                         pg_catalog.pg_get_userbyid(g.grantor)::text collate "C",
                         g.grantee <> 0, pg_catalog.pg_get_userbyid(g.grantee)::text collate "C", g.privilege), '[]')::text
           from grants g) end as grants,
       pg_catalog.obj_description(m.oid, 'pg_largeobject') as comment,
       (select pg_catalog.json_agg(pg_catalog.json_build_object('provider', s.provider, 'label', s.label)
               order by s.provider collate "C")::text
          from pg_catalog.pg_seclabel s
         where s.classoid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass and s.objoid = m.oid and s.objsubid = 0) as labels
  from pg_catalog.pg_largeobject_metadata m order by m.oid`;
