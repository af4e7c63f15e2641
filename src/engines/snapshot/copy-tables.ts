import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { quoteName } from "../../postgres/session.ts";
import type { KnownParts } from "../../repository/known-parts.ts";
import type { PartName, SnapshotTable } from "../../repository/manifest.ts";
import type { Repository } from "../../repository/repository.ts";
import type { CopyPool, CopyThreads } from "./copy-pool.ts";
import type { Baseline } from "./earlier-ranges.ts";
import type { ReuseClock } from "./reuse-policy.ts";
import { type CopyContext, type Sample, TableCopy } from "./table-copy.ts";
import type { SourceTable } from "./tables.ts";
import type { TypeSignature } from "./type-signature.ts";
import type { CopyJob, CopyOutcome } from "./worker-messages.ts";

export interface CopyRequest {
  readonly repository: Repository;
  readonly database: string;
  /** Pinned to the server that exported the snapshot. */
  readonly settings: ConnectionSettings;
  readonly snapshot: string;
  readonly tables: readonly SourceTable[];
  /** Materialized views to be refreshed by a restore. */
  readonly views: readonly { readonly schema: string; readonly name: string }[];
  readonly known: KnownParts;
  readonly threads: CopyThreads;
  /** Null: read everything. */
  readonly baseline: Baseline | null;
  /** Of each table, by its oid, in the snapshot. A table without one is never reused. */
  readonly signatures: ReadonlyMap<number, TypeSignature>;
  readonly clock: ReuseClock;
  /** See `SnapshotBaseline`. */
  readonly secret: number;
}

export interface CopyResult {
  readonly tables: readonly SnapshotTable[];
  readonly partsRead: number;
  readonly partsReused: number;
  readonly readBytes: number;
  readonly reusedBytes: number;
  readonly newParts: number;
  /** Of parts and part lists, as stored. */
  readonly newBytes: number;
  readonly namedBytes: number;
  /** Reused ranges that were read to see, and the tables in which one was not what is stored. */
  readonly sampled: number;
  readonly differing: readonly string[];
}

/**
 * Copies the rows of all tables in the exported snapshot into parts, and writes each table's part list. Ranges that are
 * as they were in the baseline are not read. A sample of them is; when one is not what is stored, nothing is reused and
 * everything is read. Returns when every part and list is durable. Tables go in the order of their size, the largest
 * first, so that no thread is left alone with a large one at the end.
 */
export async function copyTables(
  runtime: Runtime,
  request: CopyRequest,
  signal: AbortSignal,
): Promise<CopyResult> {
  const first = await copyOnce(runtime, request, signal);
  if (first.differing.length === 0) return first;
  runtime.reporter.warn(
    `rows of ${first.differing.join(", ")} are not what the last snapshot has, though their tuples are the same: ` +
      "nothing is reused, everything is read",
  );
  const again = await copyOnce(runtime, { ...request, baseline: null }, signal);
  const { sampled, differing } = first;
  return {
    ...again,
    newParts: first.newParts + again.newParts,
    newBytes: first.newBytes + again.newBytes,
    sampled,
    differing,
  };
}

/** Totals that grow while jobs come back. */
interface Tally {
  newParts: number;
  newBytes: number;
  namedBytes: number;
  readBytes: number;
  done: number;
}

async function copyOnce(runtime: Runtime, request: CopyRequest, signal: AbortSignal): Promise<CopyResult> {
  const { repository, known, baseline } = request;
  const tables = request.tables.toSorted((a, b) => b.serverBytes - a.serverBytes);
  const tally: Tally = { newParts: 0, newBytes: 0, namedBytes: 0, readBytes: 0, done: 0 };
  const totalBytes = tables.reduce((sum, table) => sum + table.serverBytes, 0);
  const pool = request.threads.open(
    {
      env: runtime.env,
      settings: request.settings,
      snapshot: request.snapshot,
      earlierXmin: baseline?.xmin ?? null,
      storageLocation: repository.storage.location,
      database: request.database,
      spoolFolder: runtime.env["TMPDIR"] ?? "/tmp",
    },
    totalBytes,
    {
      observer: runtime.observer,
      known: (textHash) => known.find(textHash),
      progress: (bytes) => {
        tally.readBytes += bytes;
        const { readBytes, done } = tally;
        const totalTables = tables.length;
        runtime.reporter.progress({ phase: "copy", bytes: readBytes, totalBytes, tables: done, totalTables });
      },
    },
    signal,
  );
  await using _ = pool;
  const { lines, samples } = await copyEach(request, tables, pool, tally, signal);
  const differing = await checkSamples(pool, samples);
  const parts = (kind: "read" | "reused", of: "parts" | "bytes"): number =>
    lines.reduce((sum, line) => sum + line[kind][of], 0);
  return {
    tables: [...lines, ...request.views.map(viewLine)],
    partsRead: parts("read", "parts"),
    partsReused: parts("reused", "parts"),
    readBytes: parts("read", "bytes"),
    reusedBytes: parts("reused", "bytes"),
    newParts: tally.newParts,
    newBytes: tally.newBytes,
    namedBytes: tally.namedBytes,
    sampled: samples.length,
    differing,
  };
}

async function copyEach(
  request: CopyRequest,
  tables: readonly SourceTable[],
  pool: CopyPool,
  tally: Tally,
  signal: AbortSignal,
): Promise<{ lines: SnapshotTable[]; samples: Sample[] }> {
  let jobs = 0;
  const { repository, database, baseline, signatures, clock, secret, known } = request;
  const isLost = (name: PartName): boolean => known.isLost(name);
  const nextJob = (): number => jobs++;
  const context: CopyContext = {
    repository,
    database,
    baseline,
    isLost,
    signatures,
    clock,
    secret,
    nextJob,
    signal,
  };
  const open = new Map<number, TableCopy>();
  const begun = new Set<TableCopy>();
  const lines: SnapshotTable[] = [];
  const samples: Sample[] = [];
  async function* allJobs(): AsyncGenerator<CopyJob> {
    for (const table of tables) {
      const copy = new TableCopy(context, table);
      begun.add(copy);
      for await (const job of copy.jobs()) {
        open.set(job.id, copy);
        yield job;
      }
    }
  }
  const finished = async (job: CopyJob, outcome: CopyOutcome): Promise<void> => {
    const copy = open.get(job.id);
    if (copy === undefined) throw new AppError("unexpected", "copy tables: an unknown job came back");
    open.delete(job.id);
    for (const range of outcome.ranges) {
      if (range.kind !== "read") continue;
      for (const { line, stored } of range.parts) {
        if (!stored) continue;
        tally.newParts += 1;
        tally.newBytes += line.size;
        known.add(line);
      }
    }
    await copy.take(job, outcome);
    const { line } = copy;
    if (line === undefined || !begun.delete(copy)) return;
    tally.done += 1;
    lines.push(line);
    samples.push(...copy.samples);
    tally.namedBytes += copy.partBytes + (line.partList?.size ?? 0);
    if (line.partList?.name !== earlierList(baseline, line)) tally.newBytes += line.partList?.size ?? 0;
  };
  try {
    await pool.run(allJobs(), finished);
  } finally {
    for (const copy of begun) await copy.discard();
  }
  const [unfinished] = begun;
  if (unfinished !== undefined || lines.length !== tables.length)
    throw new AppError("unexpected", `copy tables: ${tables.length - lines.length} tables were not finished`);
  return { lines, samples };
}

function earlierList(baseline: Baseline | null, { schema, name }: SnapshotTable): string | undefined {
  return baseline?.tables.get(quoteName(schema, name))?.partList?.name;
}

/** Reads the sampled ranges; returns the tables in which one is not what is stored. */
async function checkSamples(pool: CopyPool, samples: readonly Sample[]): Promise<string[]> {
  const expected = new Map(samples.map((sample) => [sample.job.id, sample.expected]));
  const differing = new Set<string>();
  await pool.run(
    samples.values().map((sample) => sample.job),
    (job, { ranges: [outcome] }) => {
      const stored = expected.get(job.id);
      const same =
        outcome?.kind === "sampled" &&
        outcome.rows.rows === stored?.rows &&
        outcome.rows.bytes === stored.bytes &&
        outcome.rows.digest === stored.digest;
      if (!same) differing.add(quoteName(job.table.schema, job.table.name));
      return Promise.resolve();
    },
  );
  return [...differing];
}

/** A materialized view has no rows of its own here. */
function viewLine(view: { readonly schema: string; readonly name: string }): SnapshotTable {
  const none = { parts: 0, bytes: 0 };
  return {
    ...view,
    rows: null,
    bytes: 0,
    digest: null,
    partList: null,
    identity: null,
    read: none,
    reused: none,
    note: null,
  };
}
