import { randomUUID } from "node:crypto";
import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { FORMAT_VERSION } from "../../repository/manifest.ts";
import { listDatabases, openRepository, type Repository } from "../../repository/repository.ts";
import type { Storage } from "../../storage/storage.ts";

interface Opened {
  readonly repository: Repository;
  /** Why its `repository.json` says nothing; undefined when it does. */
  readonly fault: AppError | undefined;
}

/**
 * Opens a repository also where only the file that makes it one is missing or damaged: the backups in it are as they were.
 * Fails with `repository_missing` where there are no backups either, and with `repository_version`.
 */
export async function openDespite(runtime: Runtime, storage: Storage, signal: AbortSignal): Promise<Opened> {
  try {
    return { repository: await openRepository(runtime, storage, signal), fault: undefined };
  } catch (error) {
    if (!isAppError(error, "repository_missing") && !isAppError(error, "repository_unusable")) throw error;
    // Stands in for the file and is never written.
    const file = { format: FORMAT_VERSION, id: randomUUID(), createdAt: runtime.clock.now().toISOString() };
    const repository = { storage, file, place: storage.place };
    if ((await listDatabases(repository, signal)).length === 0) throw error;
    return { repository, fault: error };
  }
}
