import { realpath } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { startCopyThreads } from "../engines/snapshot/copy-pool.ts";
import { AppError, errorCode } from "../errors.ts";
import { copyDurable, requireWritable } from "../lib/durable.ts";
import type { Runtime } from "../lib/runtime.ts";
import { chooseClient, findClients, type PostgresClient } from "../postgres/clients.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { writeHeartbeat } from "../postgres/heartbeat.ts";
import { connect, type Session } from "../postgres/session.ts";
import { recoverUnfinished } from "../repository/backups.ts";
import { indexKey, REPOSITORY_FILE } from "../repository/layout.ts";
import { acquireLease, type Lease } from "../repository/lease.ts";
import type { ArchiveIndex, BackupIndex } from "../repository/manifest.ts";
import { asStored } from "../repository/sealing/sealed-storage.ts";
import { requireSealedAlike } from "../repository/sealing/alike.ts";
import { openOrCreateRepository, openRepository, type Repository } from "../repository/repository.ts";
import { storedBytesOf } from "../repository/stored-bytes.ts";
import { placeOfKey } from "../storage/location.ts";
import type { Storage } from "../storage/storage.ts";
import { type ArchiveKind, takeArchive } from "./backup-archive.ts";
import { requireReadable, warnOfChildren } from "./backup-readable.ts";
import { type SnapshotKind, takeSnapshot } from "./backup-snapshot.ts";
import { goneOf } from "./known-places.ts";
import { isOfPlace } from "./places.ts";
import { keptBackups, pruneUnderLease, type RetentionRules } from "./prune.ts";

export interface BackupRequest {
  /** The database's name in the repository. */
  readonly database: string;
  readonly connection: ConnectionSettings;
  readonly storage: Storage;
  /** Its further places: a repository that is made here gets the keys of theirs. */
  readonly others?: readonly Storage[];
  /** Whether the place is made a repository though this machine knows of backups in it; default: it is not. */
  readonly newPlace?: boolean;
  /** Null: the whole database. */
  readonly schemas: readonly string[] | null;
  /** The strategy's entry this run belongs to; null for one by hand. */
  readonly schedule: string | null;
  readonly how: ArchiveKind | SnapshotKind;
  /** First word of the archive's file name. */
  readonly prefix: string;
  /** IANA zone of the time in the file name. */
  readonly timeZone: string;
  /** Writes the time into the database before. */
  readonly heartbeat?: boolean;
  readonly lockTimeoutMs: number;
  /** An extra copy of an archive outside the repository. */
  readonly file: { readonly path: string; readonly overwrite: boolean } | null;
  readonly retention: RetentionRules;
}

export interface BackupReport {
  readonly index: BackupIndex;
  /** Where it lies, and the link to the newest archive (null for a snapshot, and where the place has no links). */
  readonly location: string;
  readonly latest: string | null;
  /** The extra copy, if one was asked for. */
  readonly file: string | null;
  /** All backups of this database that are there now, this one included. */
  readonly totalBackups: number;
  readonly totalBytes: number;
  readonly deleted: readonly BackupIndex[];
}

/** What the taking of a backup works with. */
export interface BackupRun {
  readonly runtime: Runtime;
  readonly request: BackupRequest;
  readonly repository: Repository;
  /** Outside any transaction. */
  readonly session: Session;
  readonly client: PostgresClient;
  readonly lease: Lease;
}

/**
 * Takes a backup, and applies retention to those that are there. Its index is written last; on any failure nothing is
 * left under a final name. Errors: those of connection, privileges, locks, clients, space, lease.
 */
export async function backupDatabase(
  runtime: Runtime,
  request: BackupRequest,
  signal: AbortSignal,
): Promise<BackupReport> {
  if (request.file !== null) {
    if (request.how.kind !== "archive") throw noSingleFile();
    await requireWritable(request.file.path, request.file.overwrite);
    await requireOutside(request.file.path, request.storage);
  }
  const { how } = request;
  if (how.kind === "archive") {
    return await backUp(runtime, request, async (run, stop) => await takeArchive(run, how, stop), signal);
  }
  await using threads = startCopyThreads(how.jobs);
  return await backUp(
    runtime,
    request,
    async (run, stop) => await takeSnapshot(run, how, threads, stop),
    signal,
  );
}

async function backUp(
  runtime: Runtime,
  request: BackupRequest,
  take: (run: BackupRun, signal: AbortSignal) => Promise<BackupIndex>,
  signal: AbortSignal,
): Promise<BackupReport> {
  await using session = await connect(runtime, request.connection, signal);
  const client = chooseClient(await findClients(runtime, signal), session.serverVersion);
  await requireReadable(session, request.schemas);
  if (request.schemas !== null) await warnOfChildren(runtime, session, request.schemas);
  const repository = await openOrCreateRepository(runtime, request.storage, signal, async () => {
    const gone =
      request.newPlace === true ? undefined : await goneOf(runtime, request.storage, request.database);
    if (gone !== undefined) throw gone;
    return await findKeysOf(runtime, request, signal);
  });
  await using lease = await acquireLease(runtime, repository, request.database, "backup", signal);
  const whileHeld = AbortSignal.any([signal, lease.lost]);
  await requireSealedAlike(repository, whileHeld);
  await recoverUnfinished(runtime, repository, request.database, lease, whileHeld);
  const run: BackupRun = { runtime, request, repository, session, client, lease };
  if (request.heartbeat === true) await writeHeartbeat(runtime, session, request, whileHeld);
  const index = await take(run, whileHeld);
  const { database, retention: rules, timeZone, prefix } = request;
  const scope = { repository, database, rules, timeZone, prefix };
  const { decisions, latest } = await pruneUnderLease(runtime, scope, lease, whileHeld);
  const kept = keptBackups(decisions);
  if (request.file !== null && index.kind === "archive")
    await copyOut(repository, index, request.file, whileHeld);
  return {
    index,
    location: placeOfKey(
      repository.place,
      index.kind === "archive" ? index.archive.key : indexKey(database, index.id),
    ),
    // That of a snapshot would be of an archive before it.
    latest: index.kind === "archive" ? latest : null,
    file: request.file?.path ?? null,
    totalBackups: kept.length,
    totalBytes: storedBytesOf(kept),
    deleted: decisions.filter((decision) => !decision.keep).map((decision) => decision.backup),
  };
}

/**
 * The repository whose keys a new one is to have. One that cannot be read may have keys of its own: where the new one is to be
 * encrypted, none is made then, for a second naming key would keep the two apart for ever.
 */
async function findKeysOf(
  runtime: Runtime,
  { storage, others = [] }: BackupRequest,
  signal: AbortSignal,
): Promise<Repository | undefined> {
  let failure: AppError | undefined;
  for (const other of others) {
    try {
      return await openRepository(runtime, other, signal);
    } catch (error) {
      if (!isOfPlace(error, signal)) throw error;
      if (error.code !== "repository_missing") failure ??= error;
    }
  }
  if (failure === undefined || runtime.keys.wantedFor(storage.place) === undefined) return undefined;
  throw new AppError(
    failure.code,
    `make a repository in ${storage.place} with the keys of the other places: ${failure.message}`,
    { cause: failure, hint: failure.hint ?? "the next backup makes it once that place can be read" },
  );
}

function noSingleFile(): AppError {
  return new AppError("usage", "write a copy of the backup: a snapshot is not one file", {
    hint: "take it without `--file`, and make an archive of it with `handled export`",
  });
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
    // Sealed as it is: whoever writes backups could not open it.
    await copyDurable(await asStored(storage).open(archive.key, signal), file.path, file.overwrite, signal);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    throw new AppError(error.code, `the backup is complete, its copy is not: ${error.message}`, {
      cause: error,
      hint: `${error.hint === undefined ? "" : `${error.hint}; `}the archive lies in ${placeOfKey(place, archive.key)}`,
      details: error.details,
    });
  }
}
