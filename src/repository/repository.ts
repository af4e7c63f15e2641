import { randomUUID } from "node:crypto";
import { AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted, nearest } from "../lib/text.ts";
import { placeOfKey } from "../storage/location.ts";
import type { Storage } from "../storage/storage.ts";
import { databaseFolder, databaseOfFolder, isArchiveName, REPOSITORY_FILE } from "./layout.ts";
import { FORMAT_VERSION, RepositoryFile, SEALED_FORMAT } from "./manifest.ts";
import { encodeJson, parseVersioned } from "./parse.ts";
import {
  beginSealing,
  openSealing,
  requireSameRecipients,
  type Sealing,
  shareSealing,
} from "./sealing/sealing.ts";
import { namingObjects } from "./sealing/lost-sealing.ts";
import { sealedStorage } from "./sealing/sealed-storage.ts";

/** A place that holds backups, opened. */
export interface Repository {
  readonly storage: Storage;
  readonly file: RepositoryFile;
  /** As a person would name it; holds no secret. */
  readonly place: string;
}

/** Opens an existing repository. Throws `repository_missing`, `repository_version`, `repository_unusable`. */
export async function openRepository(
  runtime: Runtime,
  storage: Storage,
  signal: AbortSignal,
): Promise<Repository> {
  const file = await readRepositoryFile(storage, signal);
  if (file === undefined) {
    throw new AppError("repository_missing", `open repository ${storage.place}: there is none`, {
      hint: "check the path and that its disk is mounted; the first `handled backup` makes a repository",
    });
  }
  return await opened(runtime, storage, file, signal);
}

/** Where objects are sealed this may fail with `wrong_key`. */
async function opened(
  runtime: Runtime,
  storage: Storage,
  file: RepositoryFile,
  signal: AbortSignal,
): Promise<Repository> {
  const { place } = storage;
  if (file.sealing === undefined) return { storage, file, place };
  const keys = await openSealing(runtime, storage, file.sealing, signal);
  return { storage: sealedStorage(storage, keys), file, place };
}

/**
 * Opens a repository, making it first where there is none: in a new folder, an empty one, or one that holds other
 * things, which stay untouched. A new one is reported, because it may mean a mistyped path or a disk not mounted.
 * @param like asked where one is to be made: another place of the database, whose keys it gets
 */
export async function openOrCreateRepository(
  runtime: Runtime,
  storage: Storage,
  signal: AbortSignal,
  like: () => Promise<Repository | undefined> = async () => await Promise.resolve(undefined),
): Promise<Repository> {
  const existing = await readRepositoryFile(storage, signal);
  const wanted = runtime.keys.wantedFor(storage.place);
  if (existing !== undefined) {
    requireSameRecipients(existing, wanted, storage.place);
    return await opened(runtime, storage, existing, signal);
  }
  if (await isSealedAndInUse(storage, signal)) {
    // Made just now by another first backup?
    const made = await readRepositoryFile(storage, signal);
    if (made !== undefined) return await openOrCreateRepository(runtime, storage, signal, like);
    throw new AppError(
      "repository_unusable",
      `write to ${storage.place}: it holds encrypted backups, and its ${REPOSITORY_FILE} is missing`,
      { hint: `copy ${REPOSITORY_FILE} back from another place, or run \`handled repository repair\`` },
    );
  }
  const sealing = await sealingOfNew(runtime, storage, await like(), signal);
  const { repository, isNew } = await renewRepository(runtime, storage, sealing, signal);
  if (isNew)
    runtime.reporter.note(
      `made a new repository in ${storage.place}${sealing === undefined ? "" : `, sealed to ${counted(sealing.recipients.length, "recipient")}`}`,
    );
  return repository;
}

/**
 * Makes a place a repository, unless somebody just did, which `isNew` tells. The sealing of one that has sealed objects must
 * be theirs.
 */
export async function renewRepository(
  runtime: Runtime,
  storage: Storage,
  sealing: Sealing | undefined,
  signal: AbortSignal,
): Promise<{ readonly repository: Repository; readonly isNew: boolean }> {
  const file: RepositoryFile = {
    format: sealing === undefined ? FORMAT_VERSION : SEALED_FORMAT,
    id: randomUUID(),
    createdAt: runtime.clock.now().toISOString(),
    ...(sealing === undefined ? {} : { sealing }),
  };
  // Two first backups may run at once; one of them makes the file, both use it.
  const isNew = await createRepositoryFile(storage, file, signal);
  const repository = isNew
    ? await opened(runtime, storage, file, signal)
    : await openRepository(runtime, storage, signal);
  return { repository, isNew };
}

/** A first backup that was cut off leaves a naming key too, but nothing that is named under it. */
async function isSealedAndInUse(storage: Storage, signal: AbortSignal): Promise<boolean> {
  if ((await namingObjects(storage, signal)).length === 0) return false;
  return (await databasesIn(storage, signal)).length > 0;
}

async function sealingOfNew(
  runtime: Runtime,
  storage: Storage,
  like: Repository | undefined,
  signal: AbortSignal,
): Promise<Sealing | undefined> {
  const wanted = runtime.keys.wantedFor(storage.place);
  if (like === undefined)
    return wanted === undefined ? undefined : await beginSealing(runtime, storage, wanted, signal);
  requireSameRecipients(like.file, wanted, like.place);
  const { sealing } = like.file;
  const keys = like.storage.location.seal;
  return sealing === undefined || keys === undefined
    ? undefined
    : await shareSealing(storage, sealing, keys, signal);
}

/** Says to whom the objects of a repository are sealed from now on. */
export async function replaceSealing(
  { storage, file }: Repository,
  sealing: Sealing,
  signal: AbortSignal,
): Promise<void> {
  await storage.put(REPOSITORY_FILE, encodeJson({ ...file, sealing }), signal);
}

/** The databases that have backups, foreign archives or a writer here, sorted. */
export async function listDatabases({ storage }: Repository, signal: AbortSignal): Promise<string[]> {
  return await databasesIn(storage, signal);
}

async function databasesIn(storage: Storage, signal: AbortSignal): Promise<string[]> {
  const databases: string[] = [];
  for (const folder of await storage.folders("", signal)) {
    const database = databaseOfFolder(folder);
    if (database !== undefined && (await holdsBackups(storage, database, signal))) {
      databases.push(database);
    }
  }
  return databases.toSorted();
}

/** Whether there is anything of a database, be it garbage. */
type Known =
  | { readonly there: true }
  /** For whoever may have mistyped the name: which databases there are; and the same as an error. */
  | { readonly there: false; readonly note: string; readonly error: AppError };

export async function whatIsKnownOf(
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<Known> {
  const { storage, place } = repository;
  if (await holdsAnythingOf(storage, database, signal)) return { there: true };
  const others = await listDatabases(repository, signal);
  const has = others.length === 0 ? "it is empty" : `it has ${others.join(", ")}`;
  const message = `${place} has nothing of ${database}: ${has}`;
  const guess = nearest(database, others);
  const question = `did you mean ${guess ?? ""}?`;
  const hint = guess === undefined ? "`handled list` shows what is there" : question;
  return {
    there: false,
    note: guess === undefined ? message : `${message}; ${question}`,
    error: new AppError("backup_missing", message, { hint }),
  };
}

/** Whether there is anything of a database, be it garbage. */
export async function holdsAnythingOf(
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<boolean> {
  return (await storage.folders("", signal)).includes(databaseFolder(database).slice(0, -1));
}

/** A repository may lie in a folder that has other folders: only those that look like ours are taken for databases. */
async function holdsBackups(storage: Storage, database: string, signal: AbortSignal): Promise<boolean> {
  const folder = databaseFolder(database);
  if ((await storage.folders(folder, signal)).includes("backups")) return true;
  for await (const { key } of storage.list(folder, "here", signal)) {
    if (isArchiveName(key)) return true;
  }
  return false;
}

/** What makes a place a repository; undefined where it is none. */
export async function readRepositoryFile(
  storage: Storage,
  signal: AbortSignal,
): Promise<RepositoryFile | undefined> {
  const what = placeOfKey(storage.place, REPOSITORY_FILE);
  try {
    return parseVersioned(RepositoryFile, await storage.get(REPOSITORY_FILE, signal), what, SEALED_FORMAT);
  } catch (error) {
    if (isAppError(error, "object_missing")) return undefined;
    if (!isAppError(error, "backup_damaged")) throw error;
    throw new AppError("repository_unusable", error.message, {
      cause: error,
      hint: `copy ${what} back from another place, or let \`handled repository repair\` write a new one: the backups are as they were`,
    });
  }
}

async function createRepositoryFile(
  storage: Storage,
  file: RepositoryFile,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return await storage.putIfAbsent(REPOSITORY_FILE, encodeJson(file), signal);
  } catch (error) {
    if (!isAppError(error)) throw error;
    throw new AppError(error.code, `make a repository in ${storage.place}: ${error.message}`, {
      cause: error,
      hint: error.hint,
      details: error.details,
    });
  }
}
