import type { Readable } from "node:stream";
import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, majorOf, type PostgresClient } from "../../postgres/clients.ts";
import { type ConnectionSettings, toolEnvironment } from "../../postgres/connection.ts";
import type { ArchiveFile } from "../../repository/manifest.ts";
import type { StagedObject } from "../../storage/storage.ts";
import { compress } from "./compress.ts";
import { explainLostServer } from "./lost-server.ts";
import { Meter, runBetween, through } from "./pipe.ts";
import { progressTeller } from "./progress.ts";

export interface DumpRequest {
  readonly client: PostgresClient;
  /** Pinned to the server that exported the snapshot. */
  readonly settings: ConnectionSettings;
  /** What the server calls the session of `pg_dump`. */
  readonly applicationName: string;
  /** From `pg_export_snapshot()`; its transaction must stay open until this returns. */
  readonly snapshot: string;
  /** Null: the whole database. */
  readonly schemas: readonly string[] | null;
  /** Extensions to take along with chosen schemas; a dump of the whole database has them all. */
  readonly extensions: readonly string[];
  /** Encoding of the dump's text, and of the names above; undefined for the database's own. */
  readonly encoding: "UTF8" | undefined;
  readonly format: ArchiveFile["format"];
  readonly compression: ArchiveFile["compression"];
  readonly staged: Pick<StagedObject, "write">;
  /** How long `pg_dump` itself waits for one table's lock. */
  readonly lockTimeoutMs: number;
  /** For the progress only. */
  readonly totalTables?: number | undefined;
  readonly totalBytes?: number | undefined;
}

export interface DumpResult {
  /** Bytes given to the storage, and their SHA-256. */
  readonly size: number;
  readonly sha256: string;
}

// Since 16 pg_dump compresses custom archives with zstd.
const ZSTD_SINCE = 16;
// The levels of compress.ts, so that both formats trade time for size alike.
const CUSTOM_COMPRESSION = { gzip: 6, zstd: "zstd:3" } as const;

/**
 * Runs `pg_dump` in an exported snapshot and writes what it gives to the storage while it comes. Returns only if
 * `pg_dump`, the compressor and the storage all succeeded; finishing and reading back is the caller's. Errors:
 * `client_missing` (no zstd), `space_missing` and others of the storage, `database_unreachable`, `tool_failed`.
 */
export async function dumpArchive(
  runtime: Runtime,
  request: DumpRequest,
  signal: AbortSignal,
): Promise<DumpResult> {
  const { client, settings, format, compression } = request;
  requireCompression(request);
  const tell = progressTeller(runtime, {
    phase: "dump",
    totalBytes: request.totalBytes,
    totalTables: request.totalTables,
  });
  let tables = 0;
  let table: string | undefined;
  const text = new Meter(() => tell({ bytes: text.size, tables, table }));
  const stored = new Meter();
  const store = async (stream: Readable): Promise<void> => {
    for await (const chunk of through(stream, stored) as AsyncIterable<Buffer>)
      await request.staged.write(chunk);
  };
  const call = {
    program: clientProgram(client, "pg_dump"),
    args: dumpArguments(request),
    env: { ...toolEnvironment(runtime, settings), PGAPPNAME: request.applicationName },
    onLine: (line: string): boolean => {
      const begun = DUMPING.exec(line)?.[1];
      if (begun !== undefined) {
        tables += 1;
        table = begun;
        tell({ bytes: text.size, tables, table });
      }
      return !COMPLAINT.test(line) && line.startsWith("pg_dump: ");
    },
    output: (stdout: Readable): Promise<void> =>
      compress(
        runtime,
        {
          source: through(stdout, text),
          compression: format === "custom" ? "none" : compression,
          output: store,
        },
        signal,
      ),
  };
  try {
    await runBetween(runtime, call, signal);
  } catch (error) {
    // pg_dump has one exit code for everything and prints no SQLSTATE: whether the server is gone, only it can tell.
    if (!isAppError(error, "tool_failed") || error.details["tool"] !== "pg_dump") throw error;
    throw await explainLostServer(runtime, settings, error, signal);
  }
  return { size: stored.size, sha256: stored.digest() };
}

// What `--verbose` tells, in the C locale. Names in it are for people only: they are not quoted, and one with a line
// break goes on in the next line.
const DUMPING = /^pg_dump: dumping contents of table "(.*?)"?$/;
const COMPLAINT = /^pg_dump: (error|warning|detail|hint|fatal):/;

/** Arguments that dump exactly what the request says, whatever characters its names have. */
export function dumpArguments(request: Omit<DumpRequest, "staged" | "client" | "applicationName">): string[] {
  const { format, compression, schemas, encoding } = request;
  return [
    ...(format === "custom"
      ? ["--format=custom", `--compress=${CUSTOM_COMPRESSION[compression]}`]
      : ["--format=plain"]),
    `--snapshot=${request.snapshot}`,
    `--lock-wait-timeout=${request.lockTimeoutMs}`,
    "--verbose",
    "--no-password",
    ...(encoding === undefined ? [] : [`--encoding=${encoding}`]),
    ...(schemas === null
      ? []
      : [
          "--strict-names",
          ...schemas.map((schema) => `--schema=${literalPattern(schema)}`),
          ...request.extensions.map((extension) => `--extension=${literalPattern(extension)}`),
        ]),
  ];
}

/**
 * The pattern that matches one name and no other: in quotes, dots and wildcards mean themselves and case counts.
 * (pg_dump reads patterns like psql's `\d` does.)
 */
export function literalPattern(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function requireCompression({ client, format, compression }: DumpRequest): void {
  if (format !== "custom" || compression !== "zstd" || majorOf(client.version) >= ZSTD_SINCE) return;
  throw new AppError(
    "client_missing",
    `dump in the custom format with zstd: ${client.label} cannot, it takes PostgreSQL ${ZSTD_SINCE} or newer`,
    { hint: "choose gzip, or the plain format, or install a newer PostgreSQL client" },
  );
}
