import { basename } from "node:path";
import { AppError, inOperation, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { nearest } from "../lib/text.ts";
import {
  type DamagedBackup,
  listBackups,
  listForeign,
  readContent,
  readTables,
} from "../repository/backups.ts";
import type { BackupContent, BackupIndex, TableLine } from "../repository/manifest.ts";
import type { ProofFile } from "../repository/proof-file.ts";
import { newestProofs } from "../repository/proofs.ts";
import { listDatabases, openRepository, type Repository, whatIsKnownOf } from "../repository/repository.ts";
import { type FellBack, withOthers, withoutOthers } from "../storage/others.ts";
import type { Storage } from "../storage/storage.ts";
import { recordFellBack, recordingDamage } from "./record-damage.ts";

export interface ShowRequest {
  /** Searched in this order. Each is opened only when its turn comes, and one that cannot be opened is passed over. */
  readonly storages: readonly (() => Storage)[];
  /** Undefined: any database. */
  readonly database: string | undefined;
  /** An id, the bare name of an archive, or `latest`. */
  readonly backup: string;
  /** What the backup is wanted for: the first word of an error. */
  readonly operation: "show" | "diff";
}

/** Everything that is known of one backup. */
export interface BackupDetails {
  readonly repository: Repository;
  /** All that have it, this one included. */
  readonly places: readonly string[];
  readonly index: BackupIndex;
  /** Largest first. */
  readonly tables: readonly TableLine[];
  readonly content: BackupContent;
  /** What another place had to give, so far. */
  readonly falls: FellBack[];
  /** The newest; undefined when there is none. */
  readonly proof: ProofFile | undefined;
}

/** The same where what is sealed to others may not be known. */
export type ShownBackup = Omit<BackupDetails, "content"> & {
  /** Null: only an identity opens it. */
  readonly content: BackupContent | null;
};

/** What one repository holds of one database. */
interface Shelf {
  readonly repository: Repository;
  readonly database: string;
  readonly backups: readonly BackupIndex[];
  readonly damaged: readonly DamagedBackup[];
}

/**
 * Finds one backup in the repositories and reads its whole manifest. Throws `backup_missing` with the nearest name,
 * `backup_damaged` when it could not be restored, `usage` when several databases have what is asked for, and the error
 * of a repository that cannot be read when the backup is not in the others; to compare also `wrong_key`.
 */
export async function showBackup(
  runtime: Runtime,
  request: ShowRequest,
  signal: AbortSignal,
): Promise<ShownBackup> {
  const startedAt = runtime.clock.now();
  const { operation } = request;
  const { shelves, failure } = await collectShelves(runtime, request, signal);
  const found = shelves.flatMap((shelf) => {
    const backups = request.backup === "latest" ? shelf.backups.slice(0, 1) : shelf.backups;
    const index = backups.find((backup) => request.backup === "latest" || isCalled(backup, request.backup));
    return index === undefined ? [] : [{ repository: shelf.repository, index }];
  });
  // Of several places each has its latest, and the first place need not have the newest.
  const [first] = found.toSorted((a, b) => Date.parse(b.index.snapshotAt) - Date.parse(a.index.snapshotAt));
  if (first === undefined) throw await explainMissing(request, shelves, failure, signal);
  const databases = [...new Set(found.map(({ index }) => index.database))];
  if (databases.length > 1) {
    const { backup } = request;
    const backups = operation === "show" ? backup : "FIRST SECOND";
    throw new AppError("usage", `${operation} ${backup}: ${databases.join(", ")} each have one`, {
      hint: `name the database before it: \`handled ${operation} ${databases[0]} ${backups}\``,
    });
  }
  const { index } = first;
  const holding = shelves.filter((shelf) => shelf.backups.some(({ id }) => id === index.id));
  const falls: FellBack[] = [];
  const repository = fallingBack(runtime, first.repository, holding, falls);
  const read = async () => ({
    tables: await readTables(repository, index, signal),
    content: await readIfOpen(repository, index, signal),
  });
  const { tables, content } = await recordingDamage(runtime, { repository, index }, operation, read, signal);
  await recordFalls(runtime, { repository, index, falls }, { operation, startedAt }, signal);
  const proofs = await newestProofs(runtime, repository, index.database, [index.id], signal);
  return {
    repository,
    index,
    places: [...new Set(holding.map((shelf) => shelf.repository.place))],
    tables: tables.toSorted((a, b) => b.bytes - a.bytes || (b.rows ?? -1) - (a.rows ?? -1)),
    content,
    falls,
    proof: proofs.get(index.id),
  };
}

/** Writes down what was damaged or missing and came from another place, and forgets it. */
export async function recordFalls(
  runtime: Runtime,
  { repository, index, falls }: Pick<BackupDetails, "repository" | "index" | "falls">,
  { operation, startedAt }: { readonly operation: ShowRequest["operation"]; readonly startedAt: Date },
  signal: AbortSignal,
): Promise<void> {
  if (falls.length === 0 || signal.aborted) return;
  const errors = falls.splice(0).map(({ error }) => error);
  const alone = { ...repository, storage: withoutOthers(repository.storage) };
  await recordFellBack(runtime, { repository: alone, index }, { operation, errors, startedAt }, signal);
}

/** What is missing or damaged there is read from the others that have the backup; one warning says so. */
function fallingBack(
  runtime: Runtime,
  first: Repository,
  holding: readonly Shelf[],
  falls: FellBack[],
): Repository {
  const others = holding.map(({ repository }) => repository).filter((repository) => repository !== first);
  if (others.length === 0) return first;
  let told = false;
  const hear = (fall: FellBack): void => {
    const { place, to, error } = fall;
    if (!told) runtime.reporter.warn(`${place}: ${error.message}; this is read from ${to}`);
    told = true;
    falls.push(fall);
  };
  const storages = others.map(({ storage }) => storage);
  return { ...first, storage: withOthers(first.storage, storages, hear) };
}

async function readIfOpen(
  repository: Repository,
  index: BackupIndex,
  signal: AbortSignal,
): Promise<BackupContent | null> {
  try {
    return await readContent(repository, index, signal);
  } catch (error) {
    if (isAppError(error, "wrong_key")) return null;
    throw error;
  }
}

/** Comparing takes all of it. Throws `wrong_key`. */
export function requireContent({ content, ...details }: ShownBackup): BackupDetails {
  if (content !== null) return { ...details, content };
  throw new AppError("wrong_key", `read backup ${details.index.id}: only an identity opens its definitions`, {
    hint: "name the identity's file with `--identity FILE` or in HANDLED_IDENTITY",
  });
}

function isCalled(backup: BackupIndex, name: string): boolean {
  return backup.id === name || (backup.kind === "archive" && basename(backup.archive.key) === name);
}

async function collectShelves(
  runtime: Runtime,
  { storages, database }: ShowRequest,
  signal: AbortSignal,
): Promise<{ shelves: Shelf[]; failure: AppError | undefined }> {
  const shelves: Shelf[] = [];
  let failure: AppError | undefined;
  for (const open of storages) {
    try {
      const repository = await openRepository(runtime, open(), signal);
      const names = database === undefined ? await listDatabases(repository, signal) : [database];
      for (const name of names) {
        const { backups, damaged } = await listBackups(repository, name, signal);
        shelves.push({ repository, database: name, backups, damaged });
      }
    } catch (error) {
      // The backup may well be in another one; if it is not, this is what the user has to know.
      if (!(error instanceof AppError) || error.code === "interrupted") throw error;
      failure ??= error;
    }
  }
  return { shelves, failure };
}

/** Why no repository has anything of a database that was named, in the words of the first. */
async function unknownIn(
  shelves: readonly Shelf[],
  database: string | undefined,
  signal: AbortSignal,
): Promise<AppError | undefined> {
  if (database === undefined) return undefined;
  const known: Awaited<ReturnType<typeof whatIsKnownOf>>[] = [];
  for (const { repository } of shelves) known.push(await whatIsKnownOf(repository, database, signal));
  const [first] = known;
  return first?.there === false && known.every(({ there }) => !there) ? first.error : undefined;
}

async function explainMissing(
  { backup, database, operation }: ShowRequest,
  shelves: readonly Shelf[],
  failure: AppError | undefined,
  signal: AbortSignal,
): Promise<AppError> {
  const what = `${operation} ${database === undefined ? "" : `${database} `}${backup}`;
  for (const { repository, database: name, damaged, backups } of shelves) {
    const broken = damaged.find(
      ({ id, index }) => id === backup || (index !== undefined && isCalled(index, backup)),
    );
    if (broken !== undefined) {
      return new AppError("backup_damaged", `${what}: ${broken.reason}`, {
        hint: `\`handled list ${name}\` shows the others`,
      });
    }
    const known = [...backups, ...damaged.flatMap(({ index }) => index ?? [])];
    const foreign = await listForeign(repository, name, known, signal);
    if (foreign.some(({ key }) => basename(key) === backup)) {
      return new AppError("backup_missing", `${what}: it is foreign, nothing is recorded about it`, {
        hint: `another tool put it there; \`handled restore ${name} ${backup}\` restores it`,
      });
    }
  }
  if (failure !== undefined) return inOperation(what, failure);
  const names = shelves.flatMap(({ backups }) =>
    backups.flatMap((index) =>
      index.kind === "archive" ? [index.id, basename(index.archive.key)] : [index.id],
    ),
  );
  if (database === undefined && shelves.some((shelf) => shelf.database === backup)) {
    return new AppError("backup_missing", `${what}: that is a database, not a backup`, {
      hint:
        operation === "show"
          ? `\`handled show ${backup} latest\` shows its newest backup`
          : `name two backups of it, or \`live\`: \`handled diff ${backup} latest live\``,
    });
  }
  const unknown = await unknownIn(shelves, database, signal);
  if (unknown !== undefined) return inOperation(what, unknown);
  const guess = backup === "latest" ? undefined : nearest(backup, ["latest", ...names]);
  return new AppError("backup_missing", `${what}: there is no such backup`, {
    hint: guess === undefined ? "`handled list` shows those that there are" : `did you mean ${guess}?`,
  });
}
