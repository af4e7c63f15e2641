import { pipeDump } from "../../engines/archive/pipe-dump.ts";
import type { LeftForeignKey } from "../../engines/snapshot/load-choice.ts";
import type { RelationName } from "../../engines/snapshot/load-script.ts";
import { loadSnapshot } from "../../engines/snapshot/load-snapshot.ts";
import { refreshViews } from "../../engines/snapshot/load-views.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { Relation } from "../../postgres/catalog.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, quoteName, type Session } from "../../postgres/session.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import { checkParts } from "./check-parts.ts";
import { compareRows, type ExpectedRows, type RowComparison } from "./compare-rows.ts";
import { createMissingExtensions, snapshotIn } from "./fill.ts";
import { isolate } from "./isolate.ts";
import { isWrittenAs, type Selection } from "./plan.ts";
import { choose, type Chosen, chosenArguments } from "./select.ts";
import type { SnapshotSource } from "./source.ts";

export interface FillChosen {
  readonly source: SnapshotSource;
  readonly selection: Selection;
  readonly client: PostgresClient;
  /** The target: for `fillChosen` a database that was made for it, for `fillBeside` one that has what the tables need. */
  readonly to: ConnectionSettings;
  readonly lanes: number;
}

/**
 * Fills an empty database with chosen schemas or tables, and what they may need: types, functions, extensions. All tables
 * are made there, because nobody can tell what the chosen ones need of the others, but only the chosen ones get their rows,
 * and the others go again.
 */
export async function fillChosen(
  runtime: Runtime,
  call: FillChosen,
  signal: AbortSignal,
): Promise<RowComparison> {
  await using target = await connect(runtime, call.to, signal);
  const { chosen, leftForeignKeys } = await loadChosen(runtime, call, target, signal);
  for (const { name, table, references } of leftForeignKeys) {
    runtime.reporter.warn(`left out: foreign key ${name} of ${table}, for ${references} was not chosen`);
  }
  const relations = chosen.relations.map((relation) => relation.oid);
  await isolate(runtime, target, { relations, schemas: chosen.schemas });
  await refreshViews(target, filledViews(call.source, chosen));
  return await compareRows(runtime, target, expectedOf(call.source, chosen));
}

/**
 * Copies chosen schemas or tables beside what is in a database, in one transaction, by way of a scratch database that has
 * all definitions and the rows of the chosen tables.
 */
export async function fillBeside(
  runtime: Runtime,
  call: FillChosen & { readonly from: ConnectionSettings },
  signal: AbortSignal,
): Promise<RowComparison> {
  const { source, client, from, to } = call;
  await using scratch = await connect(runtime, from, signal);
  await using target = await connect(runtime, to, signal);
  const { chosen, leftForeignKeys } = await loadChosen(runtime, { ...call, to: from }, scratch, signal);
  const dumpArgs = await chosenArguments(scratch, chosen);
  const afterwards = [
    ...foreignKeysOf(chosen, leftForeignKeys),
    ...filledViews(source, chosen).map(
      ({ schema, name }) => `refresh materialized view ${quoteName(schema, name)};`,
    ),
  ];
  const leftOut = await pipeDump(runtime, { client, from, to, dumpArgs, afterwards }, signal);
  for (const omission of leftOut) runtime.reporter.warn(`left out: ${omission}`);
  const expected = expectedOf(source, chosen);
  const comparison = await compareRows(runtime, target, expected);
  for (const table of expected) await target.query(`analyze ${quoteName(table.schema, table.name)}`);
  return comparison;
}

/** Loads all definitions and the rows of the chosen tables. */
async function loadChosen(
  runtime: Runtime,
  { source, selection, client, to, lanes }: FillChosen,
  session: Session,
  signal: AbortSignal,
): Promise<{ chosen: Chosen; leftForeignKeys: readonly LeftForeignKey[] }> {
  await createMissingExtensions(runtime, session, source);
  const load = {
    ...snapshotIn(source),
    client,
    settings: to,
    lanes,
    statistics: true,
    choose: async (by: Session, toCome: readonly RelationName[]): Promise<ReadonlySet<string>> => {
      const isToCome = (text: string): boolean => toCome.some((view) => isWrittenAs(view, text));
      const tables = selection.tables.filter((text) => !isToCome(text));
      const names = namesOf(await choose(by, { ...selection, tables }));
      // Partitions of chosen tables are known only now.
      const lines = source.manifest.tables.filter(({ schema, name }) => names.has(quoteName(schema, name)));
      await checkParts(source, lines, signal);
      return names;
    },
  };
  const { leftOut, leftForeignKeys } = await loadSnapshot(runtime, load, signal);
  for (const omission of leftOut) runtime.reporter.warn(`left out: ${omission}`);
  return { chosen: await choose(session, selection), leftForeignKeys };
}

function namesOf({ relations }: Chosen): Set<string> {
  return new Set(relations.map(({ schema, name }) => quoteName(schema, name)));
}

/** What the backup says of the chosen relations; a table that it does not know has no rows. */
function expectedOf(source: SnapshotSource, chosen: Chosen): ExpectedRows[] {
  const lines = linesOf(source);
  return chosen.relations.map(({ schema, name, kind }) => ({
    schema,
    name,
    rows: kind === "table" ? (lines.get(quoteName(schema, name))?.rows ?? 0) : null,
  }));
}

/** The chosen materialized views that hold rows, each after those it reads: in the order in which they were made. */
function filledViews(source: SnapshotSource, chosen: Chosen): Relation[] {
  const lines = linesOf(source);
  return chosen.relations
    .filter(({ schema, name, kind }) => kind === "materialized view" && lines.has(quoteName(schema, name)))
    .toSorted((a, b) => a.oid - b.oid);
}

function linesOf({ manifest }: SnapshotSource): Map<string, SnapshotTable> {
  return new Map(manifest.tables.map((line) => [quoteName(line.schema, line.name), line]));
}

/** The statements of those that are the chosen tables' own. */
function foreignKeysOf(chosen: Chosen, left: readonly LeftForeignKey[]): string[] {
  const names = namesOf(chosen);
  return left.filter(({ table }) => names.has(table)).flatMap(({ statements }) => [...statements]);
}
