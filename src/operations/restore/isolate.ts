import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { isSqlState, quoteIdentifier, quoteName, type Session } from "../../postgres/session.ts";

/** What is to stay of a scratch database. */
export interface Kept {
  /** Tables, materialized views and foreign tables, by oid. */
  readonly relations: readonly number[];
  /** Schemas of which everything stays, views and functions too. */
  readonly schemas: readonly string[];
}

/**
 * Takes from a scratch database every table and view that is not to stay, so that a dump of the rest is complete in
 * itself: types, functions and extensions of all schemas stay, for nobody knows what the kept tables use of them. What
 * goes with the others (foreign keys to them, views over them) is told. Fails with `usage` when a kept table itself
 * cannot be without one that goes.
 */
export async function isolate(runtime: Runtime, scratch: Session, kept: Kept): Promise<void> {
  // They would fire for what is dropped here, and belong to the whole database anyway.
  for (const { name } of await scratch.query<{ name: string }>(
    "select evtname as name from pg_catalog.pg_event_trigger",
  )) {
    await scratch.query(`drop event trigger ${quoteIdentifier(name)} cascade`);
  }
  await detach(runtime, scratch, kept);
  await dropForeignKeysLeaving(runtime, scratch, kept);
  const before = await describeKept(scratch, kept);
  await dropOthers(scratch, kept);
  const after = await describeKept(scratch, kept);
  const gone = [...before].filter(([key]) => !after.has(key));
  const essential = gone.find(([, object]) => object.essential);
  if (essential !== undefined) {
    throw new AppError("usage", `restore a part: ${essential[1].text} needs what was not chosen`, {
      hint: "choose also the tables or schemas that it uses, or restore the whole into a new database",
    });
  }
  for (const [, { text }] of gone)
    runtime.reporter.warn(`left out: ${text}, which needs what was not chosen`);
  await dropEmptySchemas(scratch, kept);
}

/** A partition or heir whose parent goes becomes a table by itself. */
async function detach(runtime: Runtime, scratch: Session, kept: Kept): Promise<void> {
  const rows = await scratch.query<{
    schema: string;
    name: string;
    parentSchema: string;
    parent: string;
    partition: boolean;
  }>(
    `select n.nspname as schema, c.relname as name, pn.nspname as "parentSchema", p.relname as parent,
            c.relispartition as partition
       from pg_catalog.pg_inherits i
       join pg_catalog.pg_class c on c.oid = i.inhrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join pg_catalog.pg_class p on p.oid = i.inhparent join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
      where c.relkind in ('r', 'p', 'f') and c.oid = any ($1::oid[]) and not p.oid = any ($1::oid[])`,
    [kept.relations],
  );
  for (const { schema, name, parentSchema, parent, partition } of rows) {
    const [table, above] = [quoteName(schema, name), quoteName(parentSchema, parent)];
    await scratch.query(
      partition
        ? `alter table ${above} detach partition ${table}`
        : `alter table ${table} no inherit ${above}`,
    );
    runtime.reporter.warn(`${table} becomes a table by itself, for ${above} was not chosen`);
  }
}

async function dropForeignKeysLeaving(runtime: Runtime, scratch: Session, kept: Kept): Promise<void> {
  const rows = await scratch.query<{
    name: string;
    schema: string;
    table: string;
    otherSchema: string;
    other: string;
  }>(
    `select k.conname as name, n.nspname as schema, c.relname as table, fn.nspname as "otherSchema", f.relname as other
       from pg_catalog.pg_constraint k
       join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
       join pg_catalog.pg_class f on f.oid = k.confrelid join pg_catalog.pg_namespace fn on fn.oid = f.relnamespace
      where k.contype = 'f' and k.conparentid = 0
        and k.conrelid = any ($1::oid[]) and not k.confrelid = any ($1::oid[])
      order by 2, 3, 1`,
    [kept.relations],
  );
  for (const { name, schema, table, otherSchema, other } of rows) {
    const constraint = quoteIdentifier(name);
    await scratch.query(`alter table ${quoteName(schema, table)} drop constraint ${constraint}`);
    runtime.reporter.warn(
      `left out: foreign key ${constraint} of ${quoteName(schema, table)}, for ${quoteName(otherSchema, other)} was not chosen`,
    );
  }
}

interface Described {
  readonly text: string;
  /** Without it the rows would not be those of the backup. */
  readonly essential: boolean;
}

/** What is to stay, piece by piece, by its place in the catalogue. */
async function describeKept(scratch: Session, kept: Kept): Promise<Map<string, Described>> {
  const rows = await scratch.query<{ key: string; text: string; essential: boolean }>(
    `with kept(classid, objid, objsubid, essential) as (
       select 'pg_catalog.pg_class'::regclass, attrelid, attnum::int, true from pg_catalog.pg_attribute
        where attrelid = any ($1::oid[]) and attnum > 0 and not attisdropped
       union all select 'pg_catalog.pg_constraint'::regclass, oid, 0, false from pg_catalog.pg_constraint
        where conrelid = any ($1::oid[])
       union all select 'pg_catalog.pg_attrdef'::regclass, oid, 0, false from pg_catalog.pg_attrdef
        where adrelid = any ($1::oid[])
       union all select 'pg_catalog.pg_trigger'::regclass, oid, 0, false from pg_catalog.pg_trigger
        where tgrelid = any ($1::oid[]) and not tgisinternal
       union all select 'pg_catalog.pg_policy'::regclass, oid, 0, false from pg_catalog.pg_policy
        where polrelid = any ($1::oid[])
       union all select 'pg_catalog.pg_class'::regclass, c.oid, 0, false from pg_catalog.pg_class c
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relkind in ('v', 'S') and n.nspname = any ($2)
       union all select 'pg_catalog.pg_proc'::regclass, p.oid, 0, false from pg_catalog.pg_proc p
         join pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname = any ($2))
     select classid::int8 || ' ' || objid || ' ' || objsubid as key,
            pg_catalog.pg_describe_object(classid, objid, objsubid) as text, essential
       from kept order by text`,
    [kept.relations, kept.schemas],
  );
  return new Map(rows.map(({ key, text, essential }) => [key, { text, essential }]));
}

const KINDS: Readonly<Record<string, string>> = {
  v: "view",
  m: "materialized view",
  f: "foreign table",
  r: "table",
  p: "table",
};
// Each dropped table takes locks of a pool that the whole server shares (max_locks_per_transaction).
const AT_ONCE = 50;

async function dropOthers(scratch: Session, kept: Kept): Promise<void> {
  const others = await scratch.query<{ schema: string; name: string; relkind: string }>(
    `select n.nspname as schema, c.relname as name, c.relkind
       from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('v', 'm', 'f', 'r', 'p') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
        and not c.oid = any ($1::oid[]) and not (c.relkind = 'v' and n.nspname = any ($2))
        and not exists (select from pg_catalog.pg_depend e
                         where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
      order by 1, 2`,
    [kept.relations, kept.schemas],
  );
  for (const [relkind, kind] of Object.entries(KINDS)) {
    const names = others
      .filter((other) => other.relkind === relkind)
      .map((other) => quoteName(other.schema, other.name));
    for (let at = 0; at < names.length; at += AT_ONCE) {
      // Some went with those before them.
      await scratch.query(`drop ${kind} if exists ${names.slice(at, at + AT_ONCE).join(", ")} cascade`);
    }
  }
}

// 2BP01 dependent_objects_still_exist.
const NOT_EMPTY = "2BP01";

/** Schemas of which nothing is left would come along as empty ones. */
async function dropEmptySchemas(scratch: Session, kept: Kept): Promise<void> {
  const rows = await scratch.query<{ name: string }>(
    `select nspname as name from pg_catalog.pg_namespace n
      where nspname <> 'information_schema' and nspname !~ '^pg_' and nspname <> 'public' and not nspname = any ($2)
        and not exists (select from pg_catalog.pg_class c where c.relnamespace = n.oid and c.oid = any ($1::oid[]))`,
    [kept.relations, kept.schemas],
  );
  for (const { name } of rows) {
    try {
      await scratch.query(`drop schema ${quoteIdentifier(name)}`);
    } catch (error) {
      if (!isSqlState(error, NOT_EMPTY)) throw error;
    }
  }
}
