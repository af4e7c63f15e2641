import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { backupsFolder } from "../repository/layout.ts";
import type { BackupId } from "../repository/manifest.ts";
import { listDatabases, openRepository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";

/** Finds the database that a backup, sound or damaged, is of: its id alone names it. Throws `backup_missing`. */
export async function databaseOfBackup(
  runtime: Runtime,
  storages: readonly (() => Storage)[],
  id: BackupId,
  signal: AbortSignal,
): Promise<{ readonly storage: Storage; readonly database: string }> {
  for (const open of storages) {
    const storage = open();
    const repository = await openRepository(runtime, storage, signal);
    for (const database of await listDatabases(repository, signal)) {
      const folders = await storage.folders(backupsFolder(database), signal);
      if (folders.includes(id)) return { storage, database };
    }
  }
  throw new AppError("backup_missing", `find backup ${id}: there is no such backup`, {
    hint: "`handled list` shows those that there are",
  });
}
