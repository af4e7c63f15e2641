import { stat } from "node:fs/promises";
import { basename, isAbsolute } from "node:path";
import type { Readable } from "node:stream";
import { sniffArchive } from "../../engines/archive/names.ts";
import { AppError, errorCode } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { nearest } from "../../lib/text.ts";
import { type DamagedBackup, readContent, readTables } from "../../repository/backups.ts";
import { databaseFolder, locationKey } from "../../repository/layout.ts";
import {
  type ArchiveFile,
  BACKUP_ID,
  type ArchiveContent,
  type ArchiveIndex,
  type ArchiveTable,
  type BackupIndex,
  type SnapshotContent,
  type SnapshotIndex,
  type SnapshotTable,
} from "../../repository/manifest.ts";
import { markReading } from "../../repository/readers.ts";
import { openRepository, type Repository, whatIsKnownOf } from "../../repository/repository.ts";
import { fileOpener } from "../../repository/sealing/sealed-file.ts";
import { listGoodBackups } from "../damage-found.ts";
import { findOlder, hintingAt } from "../older-backup.ts";
import { type Reader, recordingDamage, type StoredBackup } from "../record-damage.ts";
import { placeOfKey } from "../../storage/location.ts";
import type { Storage } from "../../storage/storage.ts";

/** An archive to restore from: one of ours with its manifest, or any dump without one. */
export interface ArchiveSource {
  readonly kind: "archive";
  /** As a person would name it: an id, or a path. */
  readonly label: string;
  readonly format: ArchiveFile["format"];
  readonly compression: ArchiveFile["compression"] | "none";
  /** Opens the stored bytes from the beginning. */
  readonly open: (signal: AbortSignal) => Promise<Readable>;
  readonly size: number;
  /** What the repository knows of it; null for a foreign archive. */
  readonly manifest: {
    readonly repository: Repository;
    readonly index: ArchiveIndex;
    readonly tables: readonly ArchiveTable[];
    readonly content: ArchiveContent;
  } | null;
}

/** A snapshot to restore from: always one of ours. */
export interface SnapshotSource {
  readonly kind: "snapshot";
  readonly label: string;
  readonly repository: Repository;
  readonly manifest: {
    readonly index: SnapshotIndex;
    readonly tables: readonly SnapshotTable[];
    readonly content: SnapshotContent;
  };
}

export type BackupSource = ArchiveSource | SnapshotSource;

/** Where a backup is looked for, and what it is read for. */
export interface SourceRequest {
  readonly storage: Storage | null;
  readonly database: string;
  readonly which: string;
  readonly operation: Reader;
}

/**
 * Finds what `latest`, a backup's id, a bare archive name, where a backup lies, or a file's path stands for. A path wins where it exists; then
 * the repository is asked. Errors: `backup_missing` (with the nearest id), `repository_missing`, `backup_damaged`.
 */
export async function findSource(
  runtime: Runtime,
  { storage, database, which, operation }: SourceRequest,
  signal: AbortSignal,
): Promise<BackupSource> {
  const path = await asFile(which);
  if (path !== undefined) return await fileSource(runtime, path, signal);
  if (storage === null) {
    throw new AppError("backup_missing", `find backup ${which}: there is no such file`, {
      hint: "to restore from a repository, name it with `--repository` or in the strategy",
    });
  }
  const repository = await openRepository(runtime, storage, signal);
  const { backups, damaged } = await listGoodBackups(runtime, repository, database, signal);
  const load = async (index: BackupIndex): Promise<BackupSource> => {
    const read = async () => await backupSource(repository, index, signal);
    return await recordingDamage(runtime, { repository, index }, operation, read, signal);
  };
  if (which === "latest") {
    const [newest] = backups;
    if (newest === undefined) {
      await requireKnown(repository, database, signal);
      throw noBackups(database, repository, damaged.length);
    }
    // Whoever asks for the latest must hear that a later one was there.
    for (const { id, reason } of damaged.filter((backup) => isLater(backup, newest))) {
      runtime.reporter.warn(`${id} is later than ${newest.id} and cannot be restored: ${reason}`);
    }
    return await load(newest);
  }
  const found = [...backups, ...damaged.flatMap(({ index }) => index ?? [])].find((backup) =>
    [...namesOf(backup), placeOfKey(repository.place, locationKey(backup))].includes(which),
  );
  if (found !== undefined) return await load(found);
  const broken = damaged.find(({ id }) => id === which);
  if (broken !== undefined) {
    const hint = `\`handled list ${database}\` shows the others`;
    const error = new AppError("backup_damaged", `read backup ${which}: ${broken.reason}`, { hint });
    const isFit = (backup: BackupIndex): boolean => isLater(broken, backup);
    const older = await findOlder(runtime, repository, { database, isFit, error }, signal);
    throw older === undefined ? error : hintingAt(older, error);
  }
  const foreign = await foreignSource(repository, database, which, signal);
  if (foreign !== undefined) return foreign;
  await requireKnown(repository, database, signal);
  const ids = ["latest", ...backups.flatMap(namesOf)];
  const guess = nearest(which, ids);
  throw new AppError(
    "backup_missing",
    `find backup ${which}: there is none of that name in ${repository.place}`,
    {
      hint:
        guess === undefined ? `\`handled list ${database}\` shows what is there` : `did you mean ${guess}?`,
    },
  );
}

/** Fails with `backup_missing`, naming the nearest, where a database's name may be mistyped. */
async function requireKnown(repository: Repository, database: string, signal: AbortSignal): Promise<void> {
  const known = await whatIsKnownOf(repository, database, signal);
  if (!known.there) throw known.error;
}

function namesOf(backup: BackupIndex): string[] {
  return backup.kind === "archive" ? [backup.id, basename(backup.archive.key)] : [backup.id];
}

/** Where not even its summary can be read, the second in its id decides, and the same one counts as later. */
function isLater({ id, index }: DamagedBackup, newest: BackupIndex): boolean {
  const second = (backup: string): string => backup.slice(0, backup.indexOf("-"));
  if (index !== undefined) return new Date(index.snapshotAt) > new Date(newest.snapshotAt);
  return second(id) >= second(newest.id);
}

function noBackups(database: string, repository: Repository, damaged: number): AppError {
  const but = damaged === 0 ? "" : ` that could be restored (${damaged} damaged)`;
  return new AppError(
    "backup_missing",
    `find the latest backup: ${repository.place} has none of ${database}${but}`,
    {
      hint: "`handled list` shows what is there; a file made by other tools is restored by its name",
    },
  );
}

/** The path when `which` names a file on this machine and is neither `latest` nor an id. */
async function asFile(which: string): Promise<string | undefined> {
  if (which === "latest" || BACKUP_ID.test(which)) return undefined;
  try {
    const facts = await stat(which);
    if (facts.isFile()) return which;
    throw new AppError("usage", `read ${which}: it is not a file`);
  } catch (error) {
    if (errorCode(error) !== "ENOENT" && errorCode(error) !== "ENOTDIR") throw error;
    if (isAbsolute(which) || which.startsWith("./") || which.startsWith("../")) {
      throw new AppError("backup_missing", `find ${which}: there is no such file`, { cause: error });
    }
    return undefined;
  }
}

async function fileSource(runtime: Runtime, path: string, signal: AbortSignal): Promise<ArchiveSource> {
  // A copy of a sealed archive, or what anybody else sealed with age.
  const open = await fileOpener(runtime, path, signal);
  const { size } = await stat(path);
  return {
    kind: "archive",
    label: path,
    open,
    size,
    manifest: null,
    ...(await sniffArchive(await open(signal), path)),
  };
}

async function foreignSource(
  repository: Repository,
  database: string,
  name: string,
  signal: AbortSignal,
): Promise<ArchiveSource | undefined> {
  if (name.includes("/")) return undefined;
  const key = databaseFolder(database) + name;
  const object = await repository.storage.stat(key, signal);
  if (object === undefined) return undefined;
  const open = (openSignal: AbortSignal): Promise<Readable> => repository.storage.open(key, openSignal);
  const label = placeOfKey(repository.place, key);
  return {
    kind: "archive",
    label,
    open,
    size: object.size,
    manifest: null,
    ...(await sniffArchive(await open(signal), label)),
  };
}

/**
 * Keeps a backup from being deleted until this is disposed. Where it was deleted a moment ago nothing is lost either: its
 * manifest has been read, and parts are left for a day after the last backup that names them.
 */
export async function holdSource(
  runtime: Runtime,
  source: BackupSource,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  if (source.kind === "archive") return { [Symbol.asyncDispose]: () => Promise.resolve() };
  const { repository, manifest } = source;
  const { id, database } = manifest.index;
  return await markReading(runtime, repository, database, { operation: "restore", backups: [id] }, signal);
}

/** A backup of ours, to restore from. Throws `object_missing` or `backup_damaged`. */
export async function backupSource(
  repository: Repository,
  index: BackupIndex,
  signal: AbortSignal,
): Promise<BackupSource> {
  if (index.kind === "snapshot") {
    return {
      kind: "snapshot",
      label: index.id,
      repository,
      manifest: {
        index,
        tables: await readTables(repository, index, signal),
        content: await readContent(repository, index, signal),
      },
    };
  }
  return {
    kind: "archive",
    label: index.id,
    format: index.archive.format,
    compression: index.archive.compression,
    open: (openSignal) => repository.storage.open(index.archive.key, openSignal),
    size: index.archive.size,
    manifest: {
      repository,
      index,
      tables: await readTables(repository, index, signal),
      content: await readContent(repository, index, signal),
    },
  };
}

/** The backup of ours that this is; undefined where it is none. */
export function storedOf(source: BackupSource): StoredBackup | undefined {
  if (source.kind === "snapshot") return { repository: source.repository, index: source.manifest.index };
  return source.manifest ?? undefined;
}
