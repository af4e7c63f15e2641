import { type Baseline, openEarlier } from "../../engines/snapshot/earlier-ranges.ts";
import { findBaseline, readSnapshotState } from "../../engines/snapshot/baseline.ts";
import { textOf } from "../../engines/snapshot/load-text.ts";
import { findForeignSurvivors, type LostCall, lostRanges } from "../../engines/snapshot/lost-ranges.ts";
import { batchesOf } from "../../engines/snapshot/part-batches.ts";
import { SET_COPY_SETTINGS } from "../../engines/snapshot/session-settings.ts";
import { listSourceTables, type SourceTable } from "../../engines/snapshot/tables.ts";
import { readAgeScale } from "../../engines/snapshot/tuple-identity.ts";
import { readSignatures } from "../../engines/snapshot/type-signature.ts";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { namingBlocker } from "../../postgres/blockers.ts";
import { readServerFacts } from "../../postgres/server.ts";
import type { Session } from "../../postgres/session.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartLine, PartRange } from "../../repository/part-list-lines.ts";
import { type PartList, readPartList } from "../../repository/part-lists.ts";
import type { SnapshotSource } from "../restore/source.ts";
import type { LiveTable } from "./live-table.ts";
import { copyIntoStage, finishStage, makeStage, type Staged } from "./stage.ts";

interface StageCall {
  readonly source: SnapshotSource;
  /** Each with its line in the backup. */
  readonly tables: readonly { readonly live: LiveTable; readonly line: SnapshotTable }[];
  /** Not in a transaction: it gets the temporary tables. */
  readonly writer: Session;
  readonly reader: Session;
  readonly observer: Session;
  readonly lockTimeoutMs: number;
}

/**
 * Puts those rows of a snapshot into temporary tables that the live tables may lack: the rows of every range of which not
 * all tuples are in the live table any more. Where that cannot be told, all rows, and the result says why.
 */
export async function stageSnapshot(
  runtime: Runtime,
  call: StageCall,
  signal: AbortSignal,
): Promise<Staged[]> {
  const { source, reader, tables, writer } = call;
  const asked = await askLive(call, signal);
  const staged: Staged[] = [];
  for (const [number, { live, line }] of tables.entries()) {
    const chosen = await chooseRanges(call, asked, live, line, signal);
    const { list, fullRead } = chosen;
    const { columns } = list.header;
    const stage = await makeStage(writer, live, columns, number);
    const counts = { ranges: 0, read: 0 };
    const place = { storage: source.repository.storage, database: source.manifest.index.database };
    const batches = batchesOf(partsIn(chosen.ranges(counts)));
    const next = async (): Promise<readonly PartLine[]> => {
      const batch = await batches.next();
      return batch.done === true ? [] : batch.value;
    };
    let bytes = 0;
    const told = (more: number): void => {
      bytes += more;
      runtime.reporter.progress({ phase: "read the backup", bytes, table: `${live.schema}.${live.name}` });
    };
    const target = { live, stage, columns };
    await copyIntoStage(writer, target, encodingOf(list), textOf(place, { next, told }, signal));
    const done = { ...target, inBackup: line.rows ?? 0, parts: { ...counts, fullRead } };
    await finishStage(writer, done);
    staged.push(done);
  }
  // What was said of the ranges was said of one snapshot, whose locks lasted until now.
  await reader.query("commit");
  return staged;
}

interface Asked {
  readonly baseline: { readonly all: Baseline; readonly secret: number } | null;
  readonly reason: string | null;
  readonly live: readonly SourceTable[];
}

/** First the locks, then the snapshot, then whether the backup's history leads to it: the guards of a reuse. */
async function askLive(call: StageCall, signal: AbortSignal): Promise<Asked> {
  const { source, reader, observer, tables, lockTimeoutMs } = call;
  const { repository, manifest } = source;
  await reader.query("begin isolation level repeatable read read only");
  await reader.query(`set local lock_timeout = ${Math.max(1, Math.round(lockTimeoutMs))}`);
  const names = tables.map(({ live }) => `only ${live.quoted}`).join(", ");
  const wait = {
    operation: "lock the tables to read",
    relations: tables.map(({ live }) => live.oid),
    waitedMs: lockTimeoutMs,
  };
  await namingBlocker(observer, wait, () => reader.query(`lock table ${names} in access share mode`));
  await reader.query(SET_COPY_SETTINGS);
  const state = await readSnapshotState(reader, await readServerFacts(reader));
  const { index } = manifest;
  const chain = await findBaseline(repository, reader, state, [index], index.schemas, signal);
  const schemas = [...new Set(tables.map(({ live }) => live.schema))];
  return {
    baseline: chain.baseline === null ? null : { all: chain.baseline, secret: chain.secret },
    reason: chain.fullRead,
    live: await listSourceTables(reader, schemas),
  };
}

interface ChosenRanges {
  readonly list: PartList;
  readonly fullRead: string | null;
  readonly ranges: (counts: { ranges: number; read: number }) => AsyncGenerator<PartRange>;
}

async function chooseRanges(
  { source, reader }: StageCall,
  asked: Asked,
  live: LiveTable,
  line: SnapshotTable,
  signal: AbortSignal,
): Promise<ChosenRanges> {
  const { repository, manifest } = source;
  const { database } = manifest.index;
  const { baseline } = asked;
  const table = asked.live.find(({ oid }) => oid === live.oid);
  let fullRead = asked.reason ?? (table === undefined ? "nothing identifies it" : null);
  if (baseline !== null && table !== undefined) {
    const signature = (await readSignatures(reader, [live.oid])).get(live.oid);
    const earlier = await openEarlier(repository, database, table, signature, line, signal);
    if ("reason" in earlier) {
      fullRead = earlier.reason;
    } else {
      const scale = await readAgeScale(reader, baseline.all.xmin);
      const ask: LostCall = { session: reader, table, secret: baseline.secret, scale };
      const foreign = await findForeignSurvivors(ask);
      if (foreign === undefined) {
        const { list } = earlier;
        return { list, fullRead: null, ranges: (counts) => filtered(ask, list, counts) };
      }
      await earlier.list.ranges.return(undefined);
      fullRead = `the server reads it by ${foreign}`;
    }
  }
  if (line.partList === null) {
    const of = `${live.schema}.${live.name}`;
    throw new AppError("usage", `bring missing rows back: the backup holds no rows of ${of}`);
  }
  const list = await readPartList(repository, database, line.partList, signal);
  return { list, fullRead, ranges: (counts) => counting(list.ranges, counts, true) };
}

async function* filtered(
  ask: LostCall,
  list: PartList,
  counts: { ranges: number; read: number },
): AsyncGenerator<PartRange> {
  for await (const range of lostRanges(ask, counting(list.ranges, counts, false))) {
    counts.read += 1;
    yield range;
  }
}

async function* counting(
  ranges: AsyncIterable<PartRange>,
  counts: { ranges: number; read: number },
  read: boolean,
): AsyncGenerator<PartRange> {
  for await (const range of ranges) {
    counts.ranges += 1;
    if (read) counts.read += 1;
    yield range;
  }
}

async function* partsIn(ranges: AsyncIterable<PartRange>): AsyncGenerator<PartLine> {
  for await (const { parts } of ranges) yield* parts;
}

/** Of the statement that takes the parts' text. */
function encodingOf({ header }: PartList): string {
  return /\(ENCODING '([A-Za-z0-9_]+)'\)$/.exec(header.copy)?.[1] ?? "UTF8";
}
