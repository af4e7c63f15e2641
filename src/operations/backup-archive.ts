import { archiveFileName } from "../engines/archive/names.ts";
import { readBack } from "../engines/archive/read-back.ts";
import { AppError } from "../errors.ts";
import { PROGRAM } from "../lib/program.ts";
import { formatBytes } from "../lib/text.ts";
import { readServerFacts } from "../postgres/server.ts";
import { listBackups, newBackupId, publishBackup } from "../repository/backups.ts";
import { databaseFolder } from "../repository/layout.ts";
import type { ArchiveFile, ArchiveIndex } from "../repository/manifest.ts";
import { tableLines } from "./backup-content.ts";
import { dumpInSnapshot } from "./backup-dump.ts";
import type { BackupRun } from "./backup.ts";

/** How an archive is written. */
export interface ArchiveKind {
  readonly kind: "archive";
  readonly format: ArchiveFile["format"];
  readonly compression: ArchiveFile["compression"];
}

/**
 * Takes an archive backup. It becomes a backup only after its bytes were read back from the storage and the rows in it
 * equal the rows of the database's snapshot, table by table; its index is written last.
 */
export async function takeArchive(
  run: BackupRun,
  how: ArchiveKind,
  signal: AbortSignal,
): Promise<ArchiveIndex> {
  const { runtime, request, repository, session, client, lease } = run;
  await requireSpace(run, signal);
  const id = newBackupId(runtime.clock);
  const startedAt = runtime.clock.now();
  const started = runtime.clock.monotonic();
  const server = await readServerFacts(session);
  const key = await freeArchiveKey(run, how, startedAt, signal);
  await using staged = await repository.storage.stage(key, signal);
  const { schemas, lockTimeoutMs } = request;
  const { format, compression } = how;
  const dump = await dumpInSnapshot(
    runtime,
    { id, session, client, staged, schemas, format, compression, lockTimeoutMs },
    signal,
  );
  await staged.finish();
  const facts = await readBack(
    runtime,
    {
      open: (openSignal) => staged.read(openSignal),
      format,
      compression,
      client,
      expected: { size: dump.size, sha256: dump.sha256 },
    },
    signal,
  );
  const tables = tableLines(facts, dump.relations, dump.counts);
  const head = {
    id,
    database: request.database,
    kind: "archive" as const,
    schedule: request.schedule,
    startedAt: startedAt.toISOString(),
    snapshotAt: dump.takenAt.toISOString(),
    finishedAt: runtime.clock.now().toISOString(),
    durationMs: Math.round(runtime.clock.monotonic() - started),
    writtenBy: PROGRAM,
    client: client.label,
    server,
    schemas: request.schemas === null ? null : [...request.schemas],
    totals: {
      tables: tables.filter((table) => table.rows !== null).length,
      rows: tables.reduce((sum, table) => sum + (table.rows ?? 0), 0),
      bytes: facts.bytes,
      storedBytes: dump.size,
      serverBytes: dump.serverBytes,
    },
    archive: {
      key,
      format,
      compression,
      size: dump.size,
      sha256: dump.sha256,
      ...(staged.stored === undefined ? {} : { sealed: staged.stored }),
    },
  };
  const content = { ...dump.content, roles: [...facts.roles] };
  return await publishBackup(repository, staged, { head, tables, content }, lease, signal);
}

async function freeArchiveKey(
  { request, repository }: BackupRun,
  { format, compression }: ArchiveKind,
  at: Date,
  signal: AbortSignal,
): Promise<string> {
  const folder = databaseFolder(request.database);
  const taken = new Set<string>();
  for await (const object of repository.storage.list(folder, "here", signal)) {
    taken.add(object.key.slice(folder.length));
  }
  const { prefix, database, timeZone } = request;
  return (
    folder +
    archiveFileName({
      prefix,
      database,
      at,
      timeZone,
      format,
      compression,
      sealed: repository.file.sealing !== undefined,
      taken: (name) => taken.has(name),
    })
  );
}

/** Fails early when the last backup of this entry would not fit into what is free now. */
async function requireSpace({ repository, request }: BackupRun, signal: AbortSignal): Promise<void> {
  const free = await repository.storage.freeBytes(signal);
  if (free === undefined) return;
  const { backups } = await listBackups(repository, request.database, signal);
  const last = backups.find((backup) => backup.kind === "archive" && backup.schedule === request.schedule);
  if (last === undefined || last.totals.storedBytes <= free) return;
  throw new AppError(
    "space_missing",
    `write to ${repository.place}: ${formatBytes(free)} free, the last backup took ${formatBytes(last.totals.storedBytes)}`,
    { hint: "free some space, or keep fewer backups (`handled prune --dry-run`)" },
  );
}
