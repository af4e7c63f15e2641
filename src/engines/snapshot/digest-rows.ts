import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { type Check, runChecks } from "./check-pool.ts";
import { addRows } from "./copy-ranges.ts";
import { ZERO_DIGEST } from "./row-digest.ts";
import { type BlockRange, copyOutSql, cutTable, type SourceTable } from "./tables.ts";
import { threadsFor } from "./threads.ts";
import type { RowsRead } from "./worker-messages.ts";

/** Where tables are read. */
export interface DigestSource {
  readonly settings: ConnectionSettings;
  /** Exported by a session of the same server; null where nobody writes. */
  readonly snapshot: string | null;
  /** At most. */
  readonly threads: number;
}

/** A range of a table to be read, and who wants to know its rows. */
export interface RowPiece {
  readonly table: SourceTable;
  readonly range: BlockRange;
  readonly done: (rows: RowsRead) => void;
}

// 64 MiB of heap: enough work for a thread to be worth handing out, and a large table still goes to all of them.
const PIECE_BLOCKS = 8192;

/**
 * Counts and digests the rows of each piece, as a snapshot would copy them, in several threads.
 * @param bytes of all their tables on the server's disk, about
 */
export async function digestRows(
  runtime: Runtime,
  { settings, snapshot, threads }: DigestSource,
  pieces: Iterable<RowPiece> | AsyncIterable<RowPiece>,
  bytes: number,
  signal: AbortSignal,
): Promise<void> {
  async function* checks(): AsyncGenerator<Check> {
    for await (const { table, range, done } of pieces) {
      yield {
        task: { kind: "rows", sql: copyOutSql(table, range) },
        done: (outcome) => {
          if (outcome.kind === "rows") done(outcome.rows);
        },
      };
    }
  }
  const data = { env: runtime.env, store: null, server: { settings, snapshot } };
  await runChecks(checks(), threadsFor(bytes, threads), data, signal);
}

/**
 * Rows and digest of whole tables, in the order given.
 * @param totalBytes of COPY text, for the progress only
 */
export async function digestTables(
  runtime: Runtime,
  source: DigestSource,
  tables: readonly SourceTable[],
  totalBytes: number,
  signal: AbortSignal,
): Promise<RowsRead[]> {
  const sums = tables.map((): RowsRead => ({ rows: 0, bytes: 0, digest: ZERO_DIGEST }));
  let bytes = 0;
  const largestFirst = [...tables.entries()].toSorted(([, a], [, b]) => b.blocks - a.blocks);
  function* pieces(): Generator<RowPiece> {
    for (const [at, table] of largestFirst) {
      const cut = { ...table, rangeBlocks: table.rangeBlocks === null ? null : PIECE_BLOCKS };
      for (const range of cutTable(cut.blocks, cut.rangeBlocks)) {
        yield {
          table: cut,
          range,
          done: (rows) => {
            sums[at] = addRows(sums[at] ?? rows, rows);
            bytes += rows.bytes;
            const name = `${table.schema}.${table.name}`;
            runtime.reporter.progress({ phase: "compare", bytes, totalBytes, table: name });
          },
        };
      }
    }
  }
  const serverBytes = tables.reduce((sum, table) => sum + table.serverBytes, 0);
  await digestRows(runtime, source, pieces(), serverBytes, signal);
  return sums;
}
