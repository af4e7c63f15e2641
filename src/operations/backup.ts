import { realpath } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { archiveFileName } from "../engines/archive/names.ts";
import { readBack } from "../engines/archive/read-back.ts";
import { AppError, errorCode } from "../errors.ts";
import { copyDurable, requireWritable } from "../lib/durable.ts";
import { PROGRAM } from "../lib/program.ts";
import type { Runtime } from "../lib/runtime.ts";
import { formatBytes } from "../lib/text.ts";
import {
  listChildrenOutside,
  listRelations,
  listRowSecured,
  listUnreadable,
  requireSchemas,
} from "../postgres/catalog.ts";
import { chooseClient, findClients, type PostgresClient } from "../postgres/clients.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { readServerFacts } from "../postgres/server.ts";
import { connect, quoteIdentifier, type Session } from "../postgres/session.ts";
import { listBackups, newBackupId, publishBackup, recoverUnfinished } from "../repository/backups.ts";
import { databaseFolder, REPOSITORY_FILE } from "../repository/layout.ts";
import { acquireLease, type Lease } from "../repository/lease.ts";
import type { ArchiveFile, ArchiveIndex, BackupIndex } from "../repository/manifest.ts";
import { openOrCreateRepository, type Repository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";
import { tableLines } from "./backup-content.ts";
import { dumpInSnapshot } from "./backup-dump.ts";
import { keptBackups, pruneUnderLease, type RetentionRules } from "./prune.ts";

export interface BackupRequest {
  /** The database's name in the repository. */
  readonly database: string;
  readonly connection: ConnectionSettings;
  readonly storage: Storage;
  /** Null: the whole database. */
  readonly schemas: readonly string[] | null;
  /** The strategy's entry this run belongs to; null for one by hand. */
  readonly schedule: string | null;
  readonly format: ArchiveFile["format"];
  readonly compression: ArchiveFile["compression"];
  /** First word of the archive's file name. */
  readonly prefix: string;
  /** IANA zone of the time in the file name. */
  readonly timeZone: string;
  readonly lockTimeoutMs: number;
  /** An extra copy of the archive outside the repository. */
  readonly file: { readonly path: string; readonly overwrite: boolean } | null;
  readonly retention: RetentionRules;
}

export interface BackupReport {
  readonly index: ArchiveIndex;
  /** Where the archive lies, and the link to the newest (null where the place has no links). */
  readonly location: string;
  readonly latest: string | null;
  /** The extra copy, if one was asked for. */
  readonly file: string | null;
  /** All backups of this database that are there now, this one included. */
  readonly totalBackups: number;
  readonly totalBytes: number;
  readonly deleted: readonly BackupIndex[];
}

/**
 * Takes an archive backup. The archive becomes a backup only after its bytes were read back from the storage and the
 * rows in it equal the rows of the database's snapshot, table by table; its index is written last. On any failure
 * nothing is left under a final name. Errors: those of connection, privileges, locks, clients, space, lease.
 */
export async function backupDatabase(
  runtime: Runtime,
  request: BackupRequest,
  signal: AbortSignal,
): Promise<BackupReport> {
  if (request.file !== null) {
    await requireWritable(request.file.path, request.file.overwrite);
    await requireOutside(request.file.path, request.storage);
  }
  await using session = await connect(runtime, request.connection, signal);
  const client = chooseClient(await findClients(runtime, signal), session.serverVersion);
  await requireReadable(session, request.schemas);
  if (request.schemas !== null) await warnOfChildren(runtime, session, request.schemas);
  const repository = await openOrCreateRepository(runtime, request.storage, signal);
  await using lease = await acquireLease(runtime, repository, request.database, "backup", signal);
  const whileHeld = AbortSignal.any([signal, lease.lost]);
  await recoverUnfinished(runtime, repository, request.database, lease, whileHeld);
  await requireSpace(repository, request, whileHeld);
  const index = await takeArchive({ runtime, request, repository, session, client, lease }, whileHeld);
  const { database, retention: rules, timeZone, prefix } = request;
  const scope = { repository, database, rules, timeZone, prefix };
  const { decisions, latest } = await pruneUnderLease(runtime, scope, lease, whileHeld);
  const kept = keptBackups(decisions);
  if (request.file !== null) await copyOut(repository, index, request.file, whileHeld);
  return {
    index,
    location: `${repository.place}/${index.archive.key}`,
    latest,
    file: request.file?.path ?? null,
    totalBackups: kept.length,
    totalBytes: kept.reduce((sum, backup) => sum + backup.totals.storedBytes, 0),
    deleted: decisions.filter((decision) => !decision.keep).map((decision) => decision.backup),
  };
}

/** The extra copy may lie beside the databases' folders, but not in one, where it could take the place of a backup. */
async function requireOutside(path: string, { place }: Storage): Promise<void> {
  const folder = await realpath(dirname(path));
  const repository = await realpath(place).catch((error: unknown) => {
    // Not made yet, or no folder at all: then nothing can lie in it.
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  });
  const inside = repository !== undefined && folder.startsWith(`${repository}/`);
  if (!inside && (folder !== repository || basename(path) !== REPOSITORY_FILE)) return;
  throw new AppError("usage", `write ${path}: that is where the repository ${place} keeps its own`, {
    hint: "choose another path",
  });
}

/** Makes the extra copy. That it fails takes nothing away from the backup, and the error says so. */
async function copyOut(
  { storage, place }: Repository,
  { archive }: ArchiveIndex,
  file: { readonly path: string; readonly overwrite: boolean },
  signal: AbortSignal,
): Promise<void> {
  try {
    await copyDurable(await storage.open(archive.key, signal), file.path, file.overwrite, signal);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, `the backup is complete, its copy is not: ${error.message}`, {
      cause: error,
      hint: error.hint ?? `the archive lies in ${place}/${archive.key}`,
      details: error.details,
    });
  }
}

/** Fails unless the schemas exist and the role may read everything in them: a skipped table would be a lie. */
async function requireReadable(session: Session, schemas: readonly string[] | null): Promise<void> {
  if (schemas !== null) await requireSchemas(session, schemas);
  const { user } = session.settings;
  const unreadable = await listUnreadable(session, await listRelations(session, schemas), schemas);
  if (unreadable.length > 0) {
    throw new AppError("privilege_missing", `role ${user} may not read ${someOf(unreadable)}`, {
      hint: `grant it: \`grant usage on schema … to ${quoteIdentifier(user)}; grant select on … to ${quoteIdentifier(user)}\``,
      details: { unreadable },
    });
  }
  const secured = await listRowSecured(session, schemas);
  if (secured.length === 0) return;
  throw new AppError(
    "privilege_missing",
    `row level security hides rows from ${user} in ${someOf(secured)}`,
    {
      hint: `as a superuser: \`alter role ${quoteIdentifier(user)} bypassrls\`; or back up as the tables' owner`,
      details: { secured },
    },
  );
}

/** A query of the parent shows rows that lie in another schema, and the backup does not have them. */
async function warnOfChildren(runtime: Runtime, session: Session, schemas: readonly string[]): Promise<void> {
  const outside = await listChildrenOutside(session, schemas);
  if (outside.length === 0) return;
  runtime.reporter.warn(
    `not in this backup, though tables of the chosen schemas show their rows: ${someOf(outside)}, which lie in other schemas`,
  );
}

function someOf(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return `${names.slice(0, 5).join(", ")}${more}`;
}

/** Fails early when the last backup of this entry would not fit into what is free now. */
async function requireSpace(
  repository: Repository,
  request: BackupRequest,
  signal: AbortSignal,
): Promise<void> {
  const free = await repository.storage.freeBytes(signal);
  if (free === undefined) return;
  const { backups } = await listBackups(repository, request.database, signal);
  const last = backups.find((backup) => backup.kind === "archive" && backup.schedule === request.schedule);
  if (last === undefined || last.totals.storedBytes <= free) return;
  throw new AppError(
    "space_missing",
    `back up ${request.database} to ${repository.place}: ${formatBytes(free)} free, the last backup took ${formatBytes(last.totals.storedBytes)}`,
    { hint: "free some space, or keep fewer backups (`handled prune --dry-run`)" },
  );
}

interface Run {
  readonly runtime: Runtime;
  readonly request: BackupRequest;
  readonly repository: Repository;
  readonly session: Session;
  readonly client: PostgresClient;
  readonly lease: Lease;
}

async function takeArchive(run: Run, signal: AbortSignal): Promise<ArchiveIndex> {
  const { runtime, request, repository, session, client, lease } = run;
  const id = newBackupId(runtime.clock);
  const startedAt = runtime.clock.now();
  const started = runtime.clock.monotonic();
  const server = await readServerFacts(session);
  const key = await freeArchiveKey(run, startedAt, signal);
  await using staged = await repository.storage.stage(key, signal);
  const { schemas, format, compression, lockTimeoutMs } = request;
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
    archive: { key, format, compression, size: dump.size, sha256: dump.sha256 },
  };
  const content = { ...dump.content, roles: [...facts.roles] };
  return await publishBackup(repository, staged, { head, tables, content }, lease, signal);
}

async function freeArchiveKey(run: Run, at: Date, signal: AbortSignal): Promise<string> {
  const { request, repository } = run;
  const folder = databaseFolder(request.database);
  const taken = new Set<string>();
  for await (const object of repository.storage.list(folder, "here", signal)) {
    taken.add(object.key.slice(folder.length));
  }
  const { prefix, database, timeZone, format, compression } = request;
  return (
    folder +
    archiveFileName({ prefix, database, at, timeZone, format, compression, taken: (name) => taken.has(name) })
  );
}
