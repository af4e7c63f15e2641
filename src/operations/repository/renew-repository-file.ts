import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { surveyBackups } from "../../repository/listing.ts";
import { readIndexes } from "../../repository/manifests.ts";
import { REPOSITORY_FILE } from "../../repository/layout.ts";
import { listDatabases, openOrCreateRepository, type Repository } from "../../repository/repository.ts";
import type { Tell } from "./repair-database.ts";

const DAMAGED_KEY = "repository.damaged.json";

/**
 * Writes a new `repository.json`; what stands in its place is kept beside it. Only where an index can be read, which shows
 * that it holds nothing that reading the backups needs.
 */
export async function renewRepositoryFile(
  runtime: Runtime,
  repository: Repository,
  tell: Tell,
  signal: AbortSignal,
): Promise<Repository> {
  const { storage } = repository;
  await requireReadable(repository, signal);
  let kept = "";
  try {
    const damaged = await storage.get(REPOSITORY_FILE, signal);
    await storage.put(DAMAGED_KEY, damaged, signal);
    await storage.delete(REPOSITORY_FILE, signal);
    kept = `; the damaged one is now ${DAMAGED_KEY}`;
  } catch (error) {
    if (!isAppError(error, "object_missing")) throw error;
  }
  const mended = await openOrCreateRepository(runtime, storage, signal);
  tell({ id: "repository-file", message: `wrote a new ${REPOSITORY_FILE}${kept}` });
  return mended;
}

/** A file that held keys cannot be made anew: then no index can be read without it. Fails with `repository_unusable`. */
export async function requireReadable(repository: Repository, signal: AbortSignal): Promise<void> {
  let unreadable = 0;
  for (const database of await listDatabases(repository, signal)) {
    const folders = await surveyBackups(repository.storage, database, signal);
    const ids = [...folders.keys()].filter((id) => folders.get(id)?.has("index"));
    for (const index of await readIndexes(repository, database, ids, signal)) {
      if (!(index instanceof AppError)) return;
      if (index.code !== "backup_missing") unreadable += 1;
    }
  }
  if (unreadable === 0) return;
  throw new AppError(
    "repository_unusable",
    `write a new ${REPOSITORY_FILE} in ${repository.place}: no index in it can be read`,
    { hint: `copy ${REPOSITORY_FILE} back from another place: the backups may need what it says` },
  );
}
