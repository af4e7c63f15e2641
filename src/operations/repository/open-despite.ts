import { randomUUID } from "node:crypto";
import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { FORMAT_VERSION } from "../../repository/manifest.ts";
import { listDatabases, openRepository, type Repository } from "../../repository/repository.ts";
import { findLostSealing } from "../../repository/sealing/lost-sealing.ts";
import { sealedStorage } from "../../repository/sealing/sealed-storage.ts";
import type { Sealing } from "../../repository/sealing/sealing.ts";
import type { Storage } from "../../storage/storage.ts";

export interface Opened {
  readonly repository: Repository;
  /** Why its `repository.json` says nothing; undefined when it does. */
  readonly fault: AppError | undefined;
  /** What a new one has to say of keys, where objects are sealed; an error where that is not certain. */
  readonly sealing?: Sealing | AppError | undefined;
}

/**
 * Opens a repository also where only the file that makes it one is missing or damaged: the backups in it are as they were.
 * Fails with `repository_missing` where there are no backups either, with `repository_version`, and with `wrong_key` where they
 * are sealed to keys that are not known here.
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
    const lost = await findLostSealing(runtime, storage, signal);
    if (lost === undefined) return { repository, fault: error };
    const sealed = sealedStorage(storage, lost.keys);
    return { repository: { ...repository, storage: sealed }, fault: error, sealing: lost.sealing };
  }
}
