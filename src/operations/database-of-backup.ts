import { AppError, inOperation } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { backupsFolder } from "../repository/layout.ts";
import type { BackupId } from "../repository/manifest.ts";
import { listDatabases, openRepository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";

export interface FoundBackup {
  readonly storage: Storage;
  readonly database: string;
}

/**
 * Finds the database that a backup, sound or damaged, is of: its id alone names it. Throws `backup_missing`, or the error
 * of a repository that cannot be read when the backup is not in the others.
 */
export async function databaseOfBackup(
  runtime: Runtime,
  storages: readonly (() => Storage)[],
  id: BackupId,
  signal: AbortSignal,
): Promise<FoundBackup> {
  let failure: AppError | undefined;
  for (const open of storages) {
    try {
      const found = await findIn(runtime, open(), id, signal);
      if (found !== undefined) return found;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AppError)) throw error;
      failure ??= error;
    }
  }
  const what = `find backup ${id}`;
  if (failure !== undefined) throw inOperation(what, failure);
  throw new AppError("backup_missing", `${what}: there is no such backup`, {
    hint: "`handled list` shows those that there are",
  });
}

async function findIn(
  runtime: Runtime,
  storage: Storage,
  id: BackupId,
  signal: AbortSignal,
): Promise<FoundBackup | undefined> {
  const repository = await openRepository(runtime, storage, signal);
  for (const database of await listDatabases(repository, signal)) {
    if ((await storage.folders(backupsFolder(database), signal)).includes(id)) return { storage, database };
  }
  return undefined;
}
