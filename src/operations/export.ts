import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { compress } from "../engines/archive/compress.ts";
import { readDumpText } from "../engines/archive/dump-text.ts";
import type { DumpFacts } from "../engines/archive/inspect-dump.ts";
import { Meter, through } from "../engines/archive/pipe.ts";
import { progressTeller } from "../engines/archive/progress.ts";
import { readBack } from "../engines/archive/read-back.ts";
import { exportText } from "../engines/snapshot/export-text.ts";
import { createUnnamed, giveName, requireWritable, temporaryName, type UnnamedFile } from "../lib/durable.ts";
import type { Runtime } from "../lib/runtime.ts";
import { chooseClient, findClients, type PostgresClient } from "../postgres/clients.ts";
import type { ArchiveFile } from "../repository/manifest.ts";
import type { Storage } from "../storage/storage.ts";
import { dumpThroughServer } from "./export-custom.ts";
import { compareExported } from "./export-compare.ts";
import { recordingDamage } from "./record-damage.ts";
import { type BackupSource, findSource, holdSource, storedOf } from "./restore/source.ts";
import { clientOf } from "./verify/integrity.ts";

export interface ExportRequest {
  readonly database: string;
  readonly storage: Storage;
  /** `latest`, a backup's id, the name of an archive, or a file. */
  readonly which: string;
  readonly format: ArchiveFile["format"];
  readonly compression: ArchiveFile["compression"];
  readonly file: { readonly path: string; readonly overwrite: boolean };
  /** Connections that load at the same time, where a server is needed. */
  readonly jobs: number;
}

export interface ExportReport {
  /** The backup's id, or the file it was. */
  readonly backup: string;
  readonly kind: BackupSource["kind"];
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  readonly tables: number;
  readonly rows: number;
}

/** A file that was written under a temporary name. */
interface Written {
  readonly size: number;
  readonly sha256: string;
  readonly client: PostgresClient;
  /** Whether rows are in the partitions that they were in. */
  readonly samePartitions: boolean;
}

/**
 * Makes a stock archive of a backup: one file that `psql` or `pg_restore` restores without us. It gets its name only after
 * it was read back from the disk, from the first byte to the end marker, and the rows of each table in it were found to be
 * those of the backup. Errors: `backup_missing`, `backup_damaged`, `target_exists`, `usage`, and for `custom` those of a
 * throw-away server.
 */
export async function exportBackup(
  runtime: Runtime,
  request: ExportRequest,
  signal: AbortSignal,
): Promise<ExportReport> {
  const { file, format, compression } = request;
  await requireWritable(file.path, file.overwrite);
  const source = await findSource(runtime, { ...request, operation: "export" }, signal);
  await using _held = await holdSource(runtime, source, signal);
  const temporary = temporaryName(file.path);
  try {
    const make = async () => await write(runtime, { request, source, temporary }, signal);
    const written = await recordingDamage(runtime, storedOf(source), "export", make, signal);
    const { size, sha256, client } = written;
    const open = (openSignal: AbortSignal): Promise<Readable> =>
      Promise.resolve(createReadStream(temporary, { signal: openSignal }));
    const stored = { open, format, compression, client, expected: { size, sha256 } };
    const facts = await readBack(runtime, stored, signal);
    if (source.manifest !== null) compareExported(facts, source.manifest.tables, written.samePartitions);
    await giveName(temporary, file.path, file.overwrite);
    return {
      backup: source.label,
      kind: source.kind,
      path: file.path,
      size,
      sha256,
      tables: facts.tables.length,
      rows: countRows(facts),
    };
  } finally {
    await rm(temporary, { force: true });
  }
}

const countRows = (facts: DumpFacts): number => facts.tables.reduce((sum, { rows }) => sum + rows, 0);

interface Writing {
  readonly request: ExportRequest;
  readonly source: BackupSource;
  /** The file's name while it is written. */
  readonly temporary: string;
}

async function write(runtime: Runtime, writing: Writing, signal: AbortSignal): Promise<Written> {
  await using file = await createUnnamed(writing.temporary, writing.request.file.path);
  const written = await writeTo(runtime, file, writing, signal);
  await file.sync();
  return written;
}

async function writeTo(
  runtime: Runtime,
  file: UnnamedFile,
  { request, source }: Writing,
  signal: AbortSignal,
): Promise<Written> {
  const { format, compression } = request;
  const client = await clientFor(runtime, source, signal);
  if (source.kind === "archive" && source.format === format && source.compression === compression) {
    const stored = await store(await source.open(signal), file);
    return { ...stored, client, samePartitions: true };
  }
  if (format === "custom") {
    const { jobs } = request;
    const dumped = await dumpThroughServer(runtime, { source, file, compression, jobs }, signal);
    return { ...dumped, samePartitions: false };
  }
  const pack = (text: Readable) =>
    compress(runtime, { source: text, compression, output: (stream) => store(stream, file) }, signal);
  if (source.kind === "archive") {
    const stored = await readDumpText(runtime, { ...source, client }, { output: pack }, signal);
    return { ...stored, client, samePartitions: true };
  }
  const { repository, manifest } = source;
  const tell = progressTeller(runtime, { phase: "export", totalBytes: manifest.index.totals.bytes });
  let bytes = 0;
  const text = exportText(
    runtime,
    {
      repository,
      database: manifest.index.database,
      ...manifest,
      client,
      told: (table, more) => {
        bytes += more;
        tell({ bytes, table });
      },
    },
    signal,
  );
  const stored = await pack(Readable.from(text, { highWaterMark: 1 }));
  return { ...stored, client, samePartitions: true };
}

/** Writes a stream to a file, and says what it was. */
async function store(stream: Readable, file: UnnamedFile): Promise<Pick<Written, "size" | "sha256">> {
  const meter = new Meter();
  // Not a pipeline into the file, which would tell a full disk to whatever makes the stream before it tells us.
  for await (const chunk of through(stream, meter) as AsyncIterable<Buffer>) await file.write(chunk);
  return { size: meter.size, sha256: meter.digest() };
}

async function clientFor(
  runtime: Runtime,
  { manifest }: BackupSource,
  signal: AbortSignal,
): Promise<PostgresClient> {
  if (manifest !== null) return await clientOf(runtime, manifest.index, signal);
  const clients = await findClients(runtime, signal);
  // Of a file from elsewhere only its text can tell; the newest reads most.
  return clients.at(-1) ?? chooseClient(clients, 0);
}
