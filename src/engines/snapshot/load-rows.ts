import { AppError } from "../../errors.ts";
import { mapBounded } from "../../lib/concurrency.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { readFrames } from "../../lib/zstd-frames.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, quoteName, type Session } from "../../postgres/session.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { readPartList } from "../../repository/part-lists.ts";
import { readPart } from "../../repository/parts.ts";
import type { Repository } from "../../repository/repository.ts";
import { addDigests, RowDigest, ZERO_DIGEST } from "./row-digest.ts";

export interface LoadRows {
  readonly repository: Repository;
  readonly database: string;
  readonly settings: ConnectionSettings;
  readonly tables: readonly SnapshotTable[];
  /** Connections that load at the same time, each a table of its own. */
  readonly lanes: number;
}

// Loading is bound by the server; these make it wait for its disk less often. Nothing counts before the restore's end,
// so a crash that loses the last commits loses nothing.
const LOAD_SETTINGS = ["set synchronous_commit = off"];

/**
 * Loads the rows of tables, several at a time, the largest first. Every part is checked against its size and SHA-256 as
 * stored, and its rows against its list, while they flow; a difference ends the load with `backup_damaged`, naming table
 * and part.
 */
export async function loadRows(runtime: Runtime, request: LoadRows, signal: AbortSignal): Promise<void> {
  const waiting = request.tables.toSorted((a, b) => b.bytes - a.bytes);
  const totalBytes = waiting.reduce((sum, table) => sum + table.bytes, 0);
  let bytes = 0;
  let done = 0;
  const next = waiting.values();
  await mapBounded(
    Array.from({ length: Math.min(request.lanes, waiting.length) }),
    request.lanes,
    async () => {
      await using session = await connect(runtime, request.settings, signal);
      for (const setting of LOAD_SETTINGS) await session.query(setting);
      for (const table of next) {
        await loadTable(request, session, table, signal, (read) => {
          bytes += read;
          runtime.reporter.progress({
            phase: "load",
            bytes,
            totalBytes,
            tables: done,
            totalTables: waiting.length,
            table: `${table.schema}.${table.name}`,
          });
        });
        done += 1;
      }
    },
  );
}

async function loadTable(
  { repository, database }: LoadRows,
  session: Session,
  table: SnapshotTable,
  signal: AbortSignal,
  told: (bytes: number) => void,
): Promise<void> {
  if (table.partList === null || table.rows === 0) return;
  const what = quoteName(table.schema, table.name);
  const { header, ranges } = await readPartList(repository, database, table.partList, signal);
  const loaded = { rows: 0, digest: ZERO_DIGEST };
  async function* text(): AsyncGenerator<Buffer> {
    for await (const { parts } of ranges) {
      for (const part of parts) {
        yield* readRows(repository, database, what, part, signal, told);
        loaded.rows += part.rows;
        loaded.digest = addDigests(loaded.digest, part.digest);
      }
    }
    // Before the COPY ends: what differs must not be committed.
    if (loaded.rows !== table.rows || loaded.digest !== table.digest) {
      throw new AppError("backup_damaged", `load ${what}: its parts are not all that it had`, {
        details: { rows: loaded.rows, expected: table.rows },
      });
    }
  }
  await session.copyIn(header.copy, text());
}

/** The COPY text of one part. Its last piece is given only after everything about the part was found right. */
async function* readRows(
  repository: Repository,
  database: string,
  table: string,
  part: PartLine,
  signal: AbortSignal,
  told: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const digest = new RowDigest();
  let bytes = 0;
  let held: Buffer | undefined;
  for await (const piece of readFrames(await readPart(repository, database, part, signal))) {
    if (held !== undefined) yield held;
    digest.update(piece);
    bytes += piece.length;
    told(piece.length);
    held = piece;
  }
  const found = digest.finish();
  if (bytes !== part.bytes || found.rows !== part.rows || found.digest !== part.digest) {
    throw new AppError(
      "backup_damaged",
      `load ${table}: part ${part.name} does not hold the rows it should`,
      {
        details: { part: part.name, rows: found.rows, expected: part.rows },
      },
    );
  }
  if (held !== undefined) yield held;
}
