import { isDeepStrictEqual } from "node:util";
import { addRows, copyRanges } from "../../src/engines/snapshot/copy-ranges.ts";
import type { PartBuilder } from "../../src/engines/snapshot/part-builder.ts";
import { RowDigest, ZERO_DIGEST } from "../../src/engines/snapshot/row-digest.ts";
import { SET_COPY_SETTINGS } from "../../src/engines/snapshot/session-settings.ts";
import { TableCopy } from "../../src/engines/snapshot/table-copy.ts";
import {
  type BlockRange,
  copyOutSql,
  listSourceTables,
  type SourceTable,
} from "../../src/engines/snapshot/tables.ts";
import { ageProblem, readAgeScale } from "../../src/engines/snapshot/tuple-identity.ts";
import { readSignatures, type TypeSignature } from "../../src/engines/snapshot/type-signature.ts";
import type { CopyJob, CopyOutcome, RowsRead } from "../../src/engines/snapshot/worker-messages.ts";
import { InFlight } from "../../src/lib/in-flight.ts";
import { quoteName, type Session } from "../../src/postgres/session.ts";
import type { SnapshotTable } from "../../src/repository/manifest.ts";
import type { PartRange } from "../../src/repository/part-list-lines.ts";
import { newPartName, textHashOf } from "../../src/repository/part-names.ts";
import { readPartList } from "../../src/repository/part-lists.ts";
import type { Repository } from "../../src/repository/repository.ts";
import { noAbort } from "../support/runtime.ts";

const signal = noAbort();
const NAME = "shop";

/** A snapshot that a session holds, and what is in it. */
export interface Held {
  readonly session: Session;
  readonly builder: PartBuilder;
  readonly digest: RowDigest;
  readonly xmin: string;
  readonly xmax: string;
  readonly tables: readonly SourceTable[];
  readonly signatures: ReadonlyMap<number, TypeSignature>;
}

/** What a table's copying left: the manifest's line, and the snapshot it was copied in. */
export interface TableState {
  readonly line: SnapshotTable;
  readonly xmin: string;
  readonly generation: number;
  readonly secret: number;
}

/** Reads what is in the snapshot of the session's transaction, which has its locks. Makes the settings for copying. */
export async function holdAsIs(session: Session, builder: PartBuilder): Promise<Held> {
  const [bounds] = await session.query<{ xmin: string; xmax: string }>(
    `select pg_snapshot_xmin(s)::text as xmin, pg_snapshot_xmax(s)::text as xmax from pg_current_snapshot() s`,
  );
  if (bounds === undefined) throw new Error("there is no snapshot");
  const tables = await listSourceTables(session, null);
  const signatures = await readSignatures(
    session,
    tables.map((table) => table.oid),
  );
  await session.query(SET_COPY_SETTINGS);
  return { session, builder, digest: new RowDigest(), ...bounds, tables, signatures };
}

export interface InProcessCopy {
  readonly state: TableState;
  /** Each job with what came of it. */
  readonly outcomes: readonly (readonly [CopyJob, CopyOutcome])[];
}

export interface CopyOptions {
  /** What it may build on. */
  readonly earlier?: TableState | undefined;
  /** Changes what is asked of the server. */
  readonly alter?: (job: CopyJob) => CopyJob;
  readonly generation?: number;
  /** What is not reused is not read either: of what comes only that counts which was. */
  readonly asking?: boolean;
}

/** Copies one table as a run does, with the run's own code but without threads, on the session that holds the snapshot. */
export async function copyInProcess(
  repository: Repository,
  held: Held,
  table: SourceTable,
  { earlier, alter, generation, asking }: CopyOptions = {},
): Promise<InProcessCopy> {
  const { session, builder, digest, signatures, xmin, xmax } = held;
  if (earlier !== undefined && ageProblem(earlier.xmin, xmax) !== undefined)
    throw new Error("it is too long ago");
  const secret = earlier?.secret ?? 1;
  const clock = { generation: generation ?? (earlier?.generation ?? 0) + 1, now: new Date() };
  let jobs = 0;
  const copy = new TableCopy(
    {
      repository,
      database: NAME,
      baseline:
        earlier === undefined
          ? null
          : { xmin: earlier.xmin, tables: new Map([[quoteName(table.schema, table.name), earlier.line]]) },
      isLost: () => false,
      signatures,
      clock,
      secret,
      nextJob: () => jobs++,
      signal,
    },
    table,
  );
  const scale = earlier === undefined ? null : await readAgeScale(session, earlier.xmin);
  // Parts are described, never stored: what is compared is hashes.
  const findKnown = (textHash: string) =>
    Promise.resolve({ name: newPartName(textHash), size: 0, sha256: "0".repeat(64) });
  const reader = asking === true ? withoutRows(session) : session;
  const storage = repository.storage;
  const writing = new InFlight(1);
  const desk = { session: reader, storage, database: NAME, scale, builder, digest, writing, findKnown };
  const outcomes: [CopyJob, CopyOutcome][] = [];
  for await (const job of copy.jobs()) {
    const outcome = await (await copyRanges(desk, alter?.(job) ?? job, signal)).outcome;
    outcomes.push([job, outcome]);
    await copy.take(job, outcome);
  }
  if (copy.line === undefined) throw new Error("the table was not finished");
  return { state: { line: copy.line, xmin, generation: clock.generation, secret }, outcomes };
}

function withoutRows(session: Session): Session {
  return new Proxy(session, {
    get: (target, key) => {
      if (key === "copyOut") return () => Promise.resolve();
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** What a statement of a range really gives: read once more, cut into the same parts, and not stored. */
async function readTruth(
  { session, digest, builder }: Held,
  copySql: string,
): Promise<RowsRead & { text: readonly string[] }> {
  const text: string[] = [];
  let bytes = 0;
  builder.begin((part) => {
    text.push(part.textHash);
    return Promise.resolve();
  });
  await session.copyOut(copySql, async (chunk) => {
    digest.update(chunk);
    bytes += chunk.length;
    await builder.add(chunk);
  });
  await builder.finish();
  return { bytes, ...digest.finish(), text };
}

/** Remembers what ranges really hold, for one snapshot. */
export type Truths = Map<string, RowsRead & { text: readonly string[] }>;

/** The ranges whose stored parts are not what the snapshot has there, and how many with rows were not read. */
export async function compareWithTruth(
  repository: Repository,
  held: Held,
  table: SourceTable,
  { state, outcomes }: InProcessCopy,
  { truths = new Map(), asking = false }: { truths?: Truths; asking?: boolean } = {},
): Promise<{ wrong: BlockRange[]; reused: number; read: number }> {
  const same = new Set<string>();
  for (const [job, outcome] of outcomes) {
    for (const [index, { copySql }] of job.ranges.entries())
      if (outcome.ranges[index]?.kind === "same") same.add(copySql);
  }
  const wrong: BlockRange[] = [];
  let reused = 0;
  let read = 0;
  for await (const range of rangesOf(repository, state.line)) {
    const copySql = copyOutSql(table, range);
    if (asking && !same.has(copySql)) {
      read += 1;
      continue;
    }
    const truth = truths.get(copySql) ?? (await readTruth(held, copySql));
    truths.set(copySql, truth);
    const stored = range.parts.reduce<RowsRead>(addRows, { rows: 0, bytes: 0, digest: ZERO_DIGEST });
    const text = range.parts.map((part) => textHashOf(part.name));
    if (!isDeepStrictEqual({ ...stored, text }, truth) || range.rows !== stored.rows) wrong.push(range);
    if (range.rows === 0) continue;
    if (same.has(copySql)) reused += 1;
    else read += 1;
  }
  return { wrong, reused, read };
}

async function* rangesOf(repository: Repository, { partList }: SnapshotTable): AsyncGenerator<PartRange> {
  if (partList !== null) yield* (await readPartList(repository, NAME, partList, signal)).ranges;
}
