import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { nearest } from "../../lib/text.ts";
import { listRelations, type Relation, requireSchemas } from "../../postgres/catalog.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { createExtensions, listExtensions } from "../../postgres/extensions.ts";
import { pipeDump } from "../../engines/archive/pipe-dump.ts";
import { connect, quoteIdentifier, quoteName, type Session } from "../../postgres/session.ts";
import { compareRows, type ExpectedRows, type RowComparison } from "./compare-rows.ts";
import type { Selection } from "./plan.ts";

/** What of a scratch database goes over: its relations, and whether their whole schemas go. */
interface Chosen {
  readonly relations: readonly Relation[];
  readonly schemas: readonly string[];
  /** Extensions that live in these schemas: `pg_dump -e` takes them along, after their schema was created. */
  readonly extensions: readonly string[];
  /** Relations of the same schemas that stay behind. */
  readonly others: readonly Relation[];
}

/**
 * Copies chosen schemas or tables out of a scratch database that holds the whole backup. SQL text is never edited:
 * `pg_dump` of the scratch database says what belongs to a table.
 * @param beside `empty`: the target was made for this and gets what the tables need (types, functions, extensions of
 * their schemas); `live`: the target has that, and gets only the tables, in one transaction
 */
export async function copySelection(
  runtime: Runtime,
  call: {
    client: PostgresClient;
    from: ConnectionSettings;
    to: ConnectionSettings;
    selection: Selection;
    beside: "empty" | "live";
  },
  signal: AbortSignal,
): Promise<RowComparison> {
  await using scratch = await connect(runtime, call.from, signal);
  await using target = await connect(runtime, call.to, signal);
  const chosen = await choose(scratch, call.selection);
  const expected = await countChosen(scratch, chosen);
  if (call.beside === "empty") {
    await dropForeignKeysLeaving(runtime, scratch, chosen);
    const outside = (await listExtensions(scratch)).filter(({ name }) => !chosen.extensions.includes(name));
    for (const note of await createExtensions(target, outside)) runtime.reporter.note(note);
  }
  const dumpArgs = dumpArguments(chosen, call.beside, call.selection);
  const leftOut = await pipeDump(
    runtime,
    { client: call.client, from: call.from, to: call.to, dumpArgs },
    signal,
  );
  for (const omission of leftOut) runtime.reporter.warn(`left out: ${omission}`);
  const comparison = await compareRows(runtime, target, expected);
  for (const table of expected) await target.query(`analyze ${quoteName(table.schema, table.name)}`);
  return comparison;
}

async function choose(scratch: Session, selection: Selection): Promise<Chosen> {
  await requireSchemas(scratch, selection.schemas);
  const all = await listRelations(scratch, null);
  const named = new Set<number>();
  for (const text of selection.tables) named.add(findTable(all, text).oid);
  const withPartitions = await addPartitions(scratch, [...named]);
  const relations = all.filter(
    (relation) => selection.schemas.includes(relation.schema) || withPartitions.has(relation.oid),
  );
  const schemas = [...new Set([...selection.schemas, ...relations.map((relation) => relation.schema)])];
  const taken = new Set(relations.map((relation) => relation.oid));
  const others = all.filter(
    (relation) =>
      schemas.includes(relation.schema) &&
      !taken.has(relation.oid) &&
      !selection.schemas.includes(relation.schema),
  );
  const extensions = (await listExtensions(scratch))
    .filter((extension) => schemas.includes(extension.schema) && extension.schema !== "public")
    .map((extension) => extension.name);
  return { relations, schemas, extensions, others };
}

/** Finds `schema.table` as written plainly or quoted as SQL does. */
function findTable(relations: readonly Relation[], text: string): Relation {
  const names = (relation: Relation): string[] => [
    `${relation.schema}.${relation.name}`,
    quoteName(relation.schema, relation.name),
  ];
  const found = relations.filter((relation) => names(relation).includes(text));
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  const guess = nearest(
    text,
    relations.map((relation) => `${relation.schema}.${relation.name}`),
  );
  throw new AppError(
    "schema_missing",
    found.length > 1
      ? `restore table ${text}: more than one table is written like that`
      : `restore table ${text}: no such table in the backup`,
    {
      hint:
        guess === undefined || found.length > 1
          ? `write it as schema.table, quoted as in SQL where needed: '"my schema"."my table"'`
          : `did you mean ${guess}?`,
    },
  );
}

async function addPartitions(scratch: Session, oids: readonly number[]): Promise<Set<number>> {
  const rows = await scratch.query<{ oid: number }>(
    `with recursive tree(oid) as (
       select pg_catalog.unnest($1::oid[])
       union select i.inhrelid from tree join pg_catalog.pg_inherits i on i.inhparent = tree.oid
         join pg_catalog.pg_class c on c.oid = i.inhrelid and c.relispartition)
     select oid::int8::float8 as oid from tree`,
    [oids],
  );
  return new Set(rows.map((row) => row.oid));
}

async function countChosen(scratch: Session, chosen: Chosen): Promise<ExpectedRows[]> {
  const expected: ExpectedRows[] = [];
  for (const { schema, name, kind } of chosen.relations) {
    if (kind !== "table") {
      expected.push({ schema, name, rows: null });
      continue;
    }
    const [row] = await scratch.query<{ count: string }>(
      `select count(*) from only ${quoteName(schema, name)}`,
    );
    expected.push({ schema, name, rows: Number(row?.count) });
  }
  return expected;
}

/**
 * A foreign key to a table that stays behind cannot come along. It is dropped in the scratch database, which is thrown
 * away, so that `pg_dump` does not mention it; the user is told which.
 */
async function dropForeignKeysLeaving(runtime: Runtime, scratch: Session, chosen: Chosen): Promise<void> {
  const rows = await scratch.query<{ name: string; schema: string; table: string; referenced: string }>(
    `select k.conname as name, n.nspname as schema, c.relname as table, k.confrelid::regclass::text as referenced
       from pg_catalog.pg_constraint k join pg_catalog.pg_class c on c.oid = k.conrelid
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where k.contype = 'f' and k.conparentid = 0 and k.conrelid = any ($1::oid[]) and not k.confrelid = any ($1::oid[])`,
    [chosen.relations.map((relation) => relation.oid)],
  );
  for (const { name, schema, table, referenced } of rows) {
    const constraint = quoteIdentifier(name);
    await scratch.query(`alter table ${quoteName(schema, table)} drop constraint ${constraint}`);
    runtime.reporter.warn(
      `left out: foreign key ${constraint} of ${quoteName(schema, table)}, for ${referenced} was not chosen`,
    );
  }
}

/** Names in quotes mean themselves in `pg_dump`'s patterns, whatever characters they have. */
function dumpArguments(chosen: Chosen, beside: "empty" | "live", selection: Selection): string[] {
  const names = (relations: readonly Relation[]): string[] =>
    relations.map((relation) => quoteName(relation.schema, relation.name));
  if (beside === "live" && selection.tables.length > 0) {
    return ["--strict-names", ...names(chosen.relations).map((name) => `--table=${name}`)];
  }
  return [
    "--strict-names",
    ...chosen.schemas.map((schema) => `--schema=${quoteIdentifier(schema)}`),
    ...chosen.extensions.map((name) => `--extension=${quoteIdentifier(name)}`),
    ...names(chosen.others).map((name) => `--exclude-table=${name}`),
  ];
}
