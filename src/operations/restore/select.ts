import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { listRelations, listSchemas, type Relation, requireSchemas } from "../../postgres/catalog.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { listExtensions } from "../../postgres/extensions.ts";
import { pipeDump } from "../../engines/archive/pipe-dump.ts";
import { connect, quoteIdentifier, quoteName, type Session } from "../../postgres/session.ts";
import { compareRows, type ExpectedRows, type RowComparison } from "./compare-rows.ts";
import { isolate } from "./isolate.ts";
import { HOW_TO_WRITE, isWrittenAs, noSuchTable, type Selection } from "./plan.ts";

/** What of a scratch database goes over. */
export interface Chosen {
  readonly relations: readonly Relation[];
  /** Schemas that were chosen themselves. */
  readonly schemas: readonly string[];
}

export interface CopySelection {
  readonly client: PostgresClient;
  /** A scratch database that holds the whole backup; it may be changed. */
  readonly from: ConnectionSettings;
  readonly to: ConnectionSettings;
  readonly selection: Selection;
  /**
   * `empty`: the target was made for this and gets what the tables may need too: types, functions, extensions.
   * `live`: the target has that, and gets only what was chosen, in one transaction.
   */
  readonly beside: "empty" | "live";
}

/**
 * Copies chosen schemas or tables out of a scratch database that holds the whole backup. SQL text is never edited:
 * `pg_dump` of the scratch database says what belongs to a table.
 */
export async function copySelection(
  runtime: Runtime,
  call: CopySelection,
  signal: AbortSignal,
): Promise<RowComparison> {
  const { client, from, to, selection, beside } = call;
  await using scratch = await connect(runtime, from, signal);
  await using target = await connect(runtime, to, signal);
  const chosen = await choose(scratch, selection);
  const expected = await countChosen(scratch, chosen);
  if (beside === "empty") {
    const relations = chosen.relations.map((relation) => relation.oid);
    await isolate(runtime, scratch, { relations, schemas: chosen.schemas });
  }
  const dumpArgs = beside === "empty" ? REST : await chosenArguments(scratch, chosen);
  const leftOut = await pipeDump(runtime, { client, from, to, dumpArgs }, signal);
  for (const omission of leftOut) runtime.reporter.warn(`left out: ${omission}`);
  const comparison = await compareRows(runtime, target, expected);
  for (const table of expected) await target.query(`analyze ${quoteName(table.schema, table.name)}`);
  return comparison;
}

/** Fails with `target_exists` when a chosen schema or table is in the database: nothing there is ever replaced. */
export async function requireAbsent(session: Session, selection: Selection): Promise<void> {
  const schemas = (await listSchemas(session)).filter((schema) => selection.schemas.includes(schema));
  const tables = (await listRelations(session, null)).filter((relation) =>
    selection.tables.some((text) => isWrittenAs(relation, text)),
  );
  const there = [
    ...schemas.map((schema) => `schema ${quoteIdentifier(schema)}`),
    ...tables.map((table) => `table ${quoteName(table.schema, table.name)}`),
  ];
  if (there.length === 0) return;
  throw new AppError(
    "target_exists",
    `restore into ${session.settings.database}: it has ${there.join(", ")} already`,
    {
      hint: "rename or drop it first, or restore it into a new database (`--new-database`) and copy what is needed",
    },
  );
}

export async function choose(scratch: Session, selection: Selection): Promise<Chosen> {
  await requireSchemas(scratch, selection.schemas);
  const all = await listRelations(scratch, null);
  const named = new Set<number>();
  for (const text of selection.tables) named.add(findTable(all, text).oid);
  const withPartitions = await addPartitions(scratch, [...named]);
  const relations = all.filter(
    (relation) => selection.schemas.includes(relation.schema) || withPartitions.has(relation.oid),
  );
  return { relations, schemas: selection.schemas };
}

function findTable(relations: readonly Relation[], text: string): Relation {
  const found = relations.filter((relation) => isWrittenAs(relation, text));
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  if (first === undefined) throw noSuchTable(relations, text);
  throw new AppError("schema_missing", `restore table ${text}: more than one table is written like that`, {
    hint: HOW_TO_WRITE,
  });
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

// Everything in the scratch database but what belongs to a whole database rather than to tables.
const REST = ["--no-publications", "--no-subscriptions", "--no-blobs"];

/** Names in quotes mean themselves in `pg_dump`'s patterns, whatever characters they have. */
export async function chosenArguments(scratch: Session, { relations, schemas }: Chosen): Promise<string[]> {
  if (schemas.length === 0) {
    return ["--strict-names", ...relations.map(({ schema, name }) => `--table=${quoteName(schema, name)}`)];
  }
  // They come after their schema was created, which a dump without `-e` would leave out.
  const extensions = (await listExtensions(scratch)).filter(({ schema }) => schemas.includes(schema));
  return [
    "--strict-names",
    ...schemas.map((schema) => `--schema=${quoteIdentifier(schema)}`),
    ...extensions.map(({ name }) => `--extension=${quoteIdentifier(name)}`),
  ];
}
