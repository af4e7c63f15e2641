import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { KnownParts } from "../../repository/known-parts.ts";
import { FORMAT_VERSION, type SnapshotTable } from "../../repository/manifest.ts";
import { startPartList } from "../../repository/part-lists.ts";
import type { Repository } from "../../repository/repository.ts";
import { copyRanges } from "./copy-pool.ts";
import { addDigests, ZERO_DIGEST } from "./row-digest.ts";
import { type BlockRange, copyOutSql, cutTable, type SourceTable } from "./tables.ts";
import type { CopiedPart, CopyJob } from "./worker-messages.ts";

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
  /** Worker threads: each has a connection and does all the work on its rows. */
  readonly threads: number;
}

export interface CopyResult {
  readonly tables: readonly SnapshotTable[];
  readonly partsRead: number;
  readonly readBytes: number;
  readonly newParts: number;
  /** Of parts and part lists, as stored. */
  readonly newBytes: number;
  readonly namedBytes: number;
}

/**
 * Copies the rows of all tables in the exported snapshot into parts, and writes each table's part list. Returns when every
 * part and list is durable. The rows of each table are in the order of their places; tables go in the order of their size,
 * the largest first, so that no thread is left alone with a large one at the end.
 */
export async function copyTables(
  runtime: Runtime,
  request: CopyRequest,
  signal: AbortSignal,
): Promise<CopyResult> {
  const { repository, database, known } = request;
  const tables = request.tables
    .map((table) => ({ table, ranges: cutTable(table), copied: new Map<number, readonly CopiedPart[]>() }))
    .toSorted((a, b) => b.table.blocks - a.table.blocks);
  const totals = { partsRead: 0, readBytes: 0, newParts: 0, newBytes: 0, namedBytes: 0 };
  const lines: SnapshotTable[] = [];
  const open = new Map<number, { work: (typeof tables)[number]; range: number }>();
  function* jobs(): Generator<CopyJob> {
    let id = 0;
    for (const work of tables) {
      for (const [range, blocks] of work.ranges.entries()) {
        open.set(id, { work, range });
        yield { id, sql: copyOutSql(work.table, blocks) };
        id += 1;
      }
    }
  }
  const progress = (bytes: number): void => {
    totals.readBytes += bytes;
    runtime.reporter.progress({
      phase: "copy",
      bytes: totals.readBytes,
      tables: tables.filter(({ ranges, copied }) => copied.size === ranges.length).length,
      totalTables: tables.length,
    });
  };
  await copyRanges(
    jobs(),
    request.threads,
    {
      env: runtime.env,
      settings: request.settings,
      snapshot: request.snapshot,
      storageLocation: repository.storage.place,
      database,
      spoolFolder: runtime.env["TMPDIR"] ?? "/tmp",
    },
    {
      known: (textHash) => known.find(textHash),
      progress,
      finished: (job, parts) => {
        const entry = open.get(job);
        if (entry === undefined) throw new AppError("unexpected", "copy tables: an unknown range came back");
        open.delete(job);
        entry.work.copied.set(entry.range, parts);
        for (const part of parts) {
          totals.partsRead += 1;
          totals.namedBytes += part.line.size;
          if (!part.stored) continue;
          totals.newParts += 1;
          totals.newBytes += part.line.size;
          known.add(part.line);
        }
      },
    },
    signal,
  );
  for (const { table, ranges, copied } of tables) {
    const line = await writeTable(repository, database, table, ranges, copied, signal);
    lines.push(line);
    totals.newBytes += line.partList?.size ?? 0;
    totals.namedBytes += line.partList?.size ?? 0;
  }
  const none = { parts: 0, bytes: 0 };
  for (const view of request.views) {
    lines.push({
      ...view,
      rows: null,
      bytes: 0,
      digest: null,
      partList: null,
      identity: null,
      read: none,
      reused: none,
      note: null,
    });
  }
  return { ...totals, tables: lines };
}

async function writeTable(
  repository: Repository,
  database: string,
  table: SourceTable,
  ranges: readonly BlockRange[],
  copied: ReadonlyMap<number, readonly CopiedPart[]>,
  signal: AbortSignal,
): Promise<SnapshotTable> {
  const { schema, name, columns, copyIn } = table;
  await using list = startPartList(
    repository,
    database,
    { format: FORMAT_VERSION, schema, name, columns: [...columns], copy: copyIn, rangeBlocks: null },
    signal,
  );
  const total = { rows: 0, bytes: 0, parts: 0, digest: ZERO_DIGEST };
  for (const [index, range] of ranges.entries()) {
    const parts = copied.get(index);
    if (parts === undefined) throw new AppError("unexpected", `copy ${schema}.${name}: a range is missing`);
    let rows = 0;
    for (const { line } of parts) {
      rows += line.rows;
      total.bytes += line.bytes;
      total.digest = addDigests(total.digest, line.digest);
    }
    total.rows += rows;
    total.parts += parts.length;
    await list.add({ ...range, rows, parts: parts.map(({ line }) => line), identity: null });
  }
  return {
    schema,
    name,
    rows: total.rows,
    bytes: total.bytes,
    digest: total.digest,
    partList: await list.finish(),
    identity: null,
    read: { parts: total.parts, bytes: total.bytes },
    reused: { parts: 0, bytes: 0 },
    note: null,
  };
}
