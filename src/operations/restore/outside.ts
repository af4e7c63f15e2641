import { runTool } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { type ConnectionSettings, toolEnvironment } from "../../postgres/connection.ts";
import { listExtensions } from "../../postgres/extensions.ts";
import { fingerprintTables } from "../../postgres/fingerprint.ts";
import { quoteIdentifier, quoteName, type Session } from "../../postgres/session.ts";

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
     union all
     select 'tablespace ' || pg_catalog.quote_ident(t.spcname) || ' of the database' from pg_catalog.pg_database d
       join pg_catalog.pg_tablespace t on t.oid = d.dattablespace
      where d.datname = pg_catalog.current_database() and t.spcname <> 'pg_default'
     union all
     select count(*) || ' large objects, which this role may not compare' from pg_catalog.pg_largeobject_metadata
      where $2 and not pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'SELECT') having count(*) > 0
     order by 1`,
    [inside, inside.length > 0],
  );
  return rows.map((row) => row.problem);
}

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

/** Locks every ordinary table outside against writing, so that a comparison stays true until the locks go. */
export async function lockOutside(
  live: Session,
  inside: readonly string[],
  lockTimeoutMs: number,
): Promise<void> {
  await live.query(`set local lock_timeout = ${Math.round(lockTimeoutMs)}`);
  const tables = await live.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
        and not n.nspname = any ($1) order by 1, 2`,
    [inside],
  );
  const names = tables.map((table) => `only ${quoteName(table.schema, table.name)}`);
  if ((await countLargeObjects(live)) > 0) names.push("pg_catalog.pg_largeobject");
  if (names.length > 0) await live.query(`lock table ${names.join(", ")} in share mode`);
}

async function countLargeObjects(session: Session): Promise<number> {
  const [row] = await session.query<{ count: string }>(
    "select count(*) as count from pg_catalog.pg_largeobject_metadata",
  );
  return Number(row?.count);
}

/** A quick look for what table locks do not stop: sequences that moved, relations that came, went or were altered. */
export async function readDrift(live: Session, inside: readonly string[]): Promise<string> {
  const [row] = await live.query<{ drift: string }>(
    `select pg_catalog.md5(coalesce(pg_catalog.string_agg(part, ',' order by part), '')) as drift from (
       select c.oid || ':' || c.xmin::text || ':' || coalesce(pg_catalog.pg_sequence_last_value(
                case when c.relkind = 'S' then c.oid end)::text, '') as part
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and not n.nspname = any ($1)
       union all select 'p' || p.oid || ':' || p.xmin::text from pg_catalog.pg_proc p
         join pg_catalog.pg_namespace n on n.oid = p.pronamespace
        where n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and not n.nspname = any ($1)
       union all select 'n' || n.oid || ':' || n.xmin::text from pg_catalog.pg_namespace n) parts`,
    [inside],
  );
  return row?.drift ?? "";
}

/**
 * Every difference, outside the given schemas, between the live database and its copy: rows and digests of all tables,
 * sequences, large objects, extensions with versions, and all definitions. Empty when they are equal.
 */
export async function compareOutside(
  runtime: Runtime,
  client: PostgresClient,
  live: { session: Session; snapshot: string },
  copy: Session,
  inside: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const before = await readOutside(live.session, inside);
  const after = await readOutside(copy, inside);
  const [liveBlocks, copyBlocks] = [
    await definitions(
      runtime,
      client,
      live.session.settings,
      [`--snapshot=${live.snapshot}`, ...outsideArgs(inside)],
      signal,
    ),
    await definitions(runtime, client, copy.settings, outsideArgs(inside), signal),
  ];
  return [...differences(before, after), ...differences(liveBlocks, copyBlocks)];
}

function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  for (const [name, value] of before) {
    const other = after.get(name);
    if (other === undefined) problems.push(`${name}: not carried over`);
    else if (other !== value) problems.push(`${name}: not the same in the copy`);
  }
  for (const name of after.keys()) if (!before.has(name)) problems.push(`${name}: only in the copy`);
  return problems;
}

async function readOutside(session: Session, inside: readonly string[]): Promise<Map<string, string>> {
  const facts = new Map<string, string>();
  for (const table of await fingerprintTables(session, "not n.nspname = any ($1)", [inside])) {
    facts.set(`rows of ${quoteName(table.schema, table.name)}`, `${table.rows} ${table.digest}`);
  }
  const sequences = await session.query<{ name: string; value: string | null }>(
    `select pg_catalog.quote_ident(schemaname) || '.' || pg_catalog.quote_ident(sequencename) as name, last_value::text as value
       from pg_catalog.pg_sequences where not schemaname = any ($1)`,
    [inside],
  );
  for (const { name, value } of sequences) facts.set(`value of sequence ${name}`, value ?? "not called");
  for (const extension of await listExtensions(session)) {
    facts.set(`extension ${extension.name}`, `${extension.version} in ${extension.schema}`);
  }
  const largeObjects = await countLargeObjects(session);
  facts.set(
    "large objects",
    `${largeObjects} ${largeObjects === 0 ? "" : await digestLargeObjects(session)}`,
  );
  return facts;
}

async function digestLargeObjects(session: Session): Promise<string> {
  const [row] = await session.query<{ digest: string }>(
    `select sum(pg_catalog.hashtextextended(loid || ' ' || pageno || ' ' || pg_catalog.md5(data), 0)::numeric)::text as digest
       from pg_catalog.pg_largeobject`,
  );
  return row?.digest ?? "";
}

/** The dump's definitions by their titles; the order in which they come may differ between equal databases. */
async function definitions(
  runtime: Runtime,
  client: PostgresClient,
  settings: ConnectionSettings,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const text = await runTool(
    runtime,
    {
      program: clientProgram(client, "pg_dump"),
      args: ["--schema-only", "--no-password", ...args],
      env: toolEnvironment(runtime, settings),
      output: async (stdout) => {
        const chunks: Buffer[] = [];
        for await (const chunk of stdout as AsyncIterable<Buffer>) chunks.push(chunk);
        return Buffer.concat(chunks).toString("utf8");
      },
    },
    signal,
  );
  const blocks = new Map<string, string>();
  for (const block of text.split(/^--\n-- (?=Name: )/m).slice(1)) {
    const [title = "", ...lines] = block.split("\n");
    // `\restrict` and `\unrestrict` carry a random word; SET lines before the next title belong to no object.
    const body = lines.filter(
      (line) => line !== "--" && line !== "" && !/^\\(un)?restrict |^SET |^-- PostgreSQL/.test(line),
    );
    // Overloaded functions and the like share a title: together they are one entry.
    const same = blocks.get(title);
    blocks.set(title, same === undefined ? body.join("\n") : [same, body.join("\n")].toSorted().join("\n"));
  }
  return blocks;
}
