import { addRows } from "../../engines/snapshot/copy-ranges.ts";
import { digestRows, type RowPiece } from "../../engines/snapshot/digest-rows.ts";
import { addDigests, ZERO_DIGEST } from "../../engines/snapshot/row-digest.ts";
import {
  type BlockRange,
  cutTable,
  listSourceTables,
  type SourceTable,
} from "../../engines/snapshot/tables.ts";
import type { RowsRead } from "../../engines/snapshot/worker-messages.ts";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { listSchemas, type SequenceValue, readSequences } from "../../postgres/catalog.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { holdSnapshot } from "../../postgres/snapshot.ts";
import type { TableLine } from "../../repository/manifest.ts";
import type { PartListHeader } from "../../repository/part-list-lines.ts";
import type { BackupDetails } from "../show.ts";
import { pairRanges, readListOf } from "./ranges.ts";
import { compareFacts, type RangeDiff, type TableDiff } from "./report.ts";
import { factsOf, pairByName, snapshotLine } from "./sides.ts";

export interface LiveRequest {
  readonly connection: ConnectionSettings;
  readonly jobs: number;
  readonly lockTimeoutMs: number;
}

/** A live database compared with a backup, in one snapshot of it. */
export interface LiveDiff {
  /** As if the backup were the first side. */
  readonly tables: readonly TableDiff[];
  readonly sequences: readonly SequenceValue[];
  readonly takenAt: Date;
}

/**
 * Reads every row of a live database, as a snapshot of the backup's schemas would, and compares it with a backup, range by
 * range where the backup is a snapshot. `work` is called meanwhile with the session whose transaction holds it all, and
 * those of the backup's schemas that are there. Fails with `schema_missing` when none is: that is another database.
 */
export async function diffLive<T>(
  runtime: Runtime,
  backup: BackupDetails,
  { connection, jobs, lockTimeoutMs }: LiveRequest,
  work: (session: Session, snapshot: string, schemas: readonly string[] | null) => Promise<T>,
  signal: AbortSignal,
): Promise<LiveDiff & { readonly worked: T }> {
  await using session = await connect(runtime, connection, signal);
  await using observer = await connect(runtime, session.settings, signal);
  const schemas = await schemasThere(session, backup.index.schemas);
  const held = await holdSnapshot(session, observer, schemas, lockTimeoutMs);
  const live = await listSourceTables(session, schemas);
  const readings = await planReadings(runtime, backup, live, signal);
  const source = { settings: session.settings, snapshot: held.name, threads: jobs };
  const bytes = readings.reduce((sum, reading) => sum + (reading.live?.serverBytes ?? 0), 0);
  await digestRows(runtime, source, piecesOf(runtime, readings), bytes, signal);
  const tables: TableDiff[] = [];
  for (const reading of readings) tables.push(await judge(runtime, backup, reading, signal));
  const sequences = await readSequences(session, schemas);
  const worked = await work(session, held.name, schemas);
  await session.query("commit");
  return { tables, sequences, takenAt: held.takenAt, worked };
}

async function schemasThere(
  session: Session,
  wanted: readonly string[] | null,
): Promise<readonly string[] | null> {
  if (wanted === null) return null;
  const present = await listSchemas(session);
  const there = wanted.filter((schema) => present.includes(schema));
  if (there.length > 0) return there;
  const { database } = session.settings;
  throw new AppError(
    "schema_missing",
    `compare with ${database}: it has none of the backup's schemas: ${wanted.join(", ")}`,
    { hint: `if ${database} is not the database that was backed up, name that with \`--url\`` },
  );
}

/** A table that is in the backup, in the database, or in both. */
interface Reading {
  readonly schema: string;
  readonly name: string;
  readonly line: TableLine | undefined;
  /** How it is read; undefined where it is not in the database. */
  readonly live: SourceTable | undefined;
  /** Whether its ranges are the same blocks as the backup's. */
  readonly aligned: boolean;
  readonly ranges: LiveRange[];
}

interface LiveRange extends BlockRange {
  rows: RowsRead;
}

async function planReadings(
  runtime: Runtime,
  backup: BackupDetails,
  live: readonly SourceTable[],
  signal: AbortSignal,
): Promise<Reading[]> {
  const readings: Reading[] = [];
  for (const { schema, name, a: line, b: table } of pairByName(backup.tables, live)) {
    // A materialized view is filled anew by a restore; no backup has rows of it.
    if (line?.rows === null) continue;
    const header = await headerOf(runtime, backup, line, signal);
    const comparable =
      table !== undefined && header !== undefined && isSameSet(table.columns, header.columns)
        ? header
        : undefined;
    const aligned =
      comparable !== undefined && comparable.rangeBlocks !== null && table?.select === undefined;
    const adapted =
      table === undefined || comparable === undefined
        ? table
        : {
            ...table,
            columns: comparable.columns,
            rangeBlocks: aligned ? comparable.rangeBlocks : table.rangeBlocks,
          };
    readings.push({ schema, name, line, live: adapted, aligned, ranges: [] });
  }
  return readings;
}

/** The first line of a table's part list, where the backup is a snapshot. */
async function headerOf(
  runtime: Runtime,
  backup: BackupDetails,
  line: TableLine | undefined,
  signal: AbortSignal,
): Promise<PartListHeader | undefined> {
  const partList = snapshotLine(line)?.partList ?? null;
  if (partList === null) return undefined;
  const { header, ranges } = await readListOf(runtime, backup, partList, signal);
  await ranges.return(undefined);
  return header;
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify(a.toSorted()) === JSON.stringify(b.toSorted());
}

function* piecesOf(runtime: Runtime, readings: readonly Reading[]): Generator<RowPiece> {
  let bytes = 0;
  const largestFirst = readings.toSorted((a, b) => (b.live?.blocks ?? 0) - (a.live?.blocks ?? 0));
  for (const { schema, name, live, ranges } of largestFirst) {
    if (live === undefined) continue;
    for (const bounds of cutTable(live.blocks, live.rangeBlocks)) {
      const range: LiveRange = { ...bounds, rows: { rows: 0, bytes: 0, digest: ZERO_DIGEST } };
      ranges.push(range);
      yield {
        table: live,
        range: bounds,
        done: (rows) => {
          range.rows = rows;
          bytes += rows.bytes;
          runtime.reporter.progress({ phase: "read the database", bytes, table: `${schema}.${name}` });
        },
      };
    }
  }
}

async function judge(
  runtime: Runtime,
  backup: BackupDetails,
  reading: Reading,
  signal: AbortSignal,
): Promise<TableDiff> {
  const { schema, name, line, live, ranges } = reading;
  const first = factsOf(line);
  const second = live === undefined ? null : ranges.map(({ rows }) => rows).reduce(addRows, NO_ROWS);
  return {
    schema,
    name,
    first,
    second,
    same: compareFacts(first, second),
    ranges: await diffWithStored(runtime, backup, reading, signal),
  };
}

const NO_ROWS: RowsRead = { rows: 0, bytes: 0, digest: ZERO_DIGEST };

/** By the digests of their rows: what is stored has one for each part. */
async function diffWithStored(
  runtime: Runtime,
  backup: BackupDetails,
  { line, aligned, ranges }: Reading,
  signal: AbortSignal,
): Promise<RangeDiff | null> {
  const partList = snapshotLine(line)?.partList ?? null;
  if (partList === null || !aligned) return null;
  const stored = await readListOf(runtime, backup, partList, signal);
  const changed: BlockRange[] = [];
  let total = 0;
  for await (const [before, after] of pairRanges(stored.ranges, ranges)) {
    total += 1;
    const digest = (before?.parts ?? []).reduce((sum, part) => addDigests(sum, part.digest), ZERO_DIGEST);
    const { rows } = after ?? { rows: NO_ROWS };
    if ((before?.rows ?? 0) === rows.rows && digest === rows.digest) continue;
    const { from, to } = after ?? before ?? WHOLE;
    changed.push({ from, to });
  }
  return { total, changed };
}

const WHOLE: BlockRange = { from: 0, to: null };
