import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { surveyBackups } from "../../repository/listing.ts";
import { readIndexes } from "../../repository/manifests.ts";
import { REPOSITORY_FILE } from "../../repository/layout.ts";
import { listDatabases, renewRepository, type Repository } from "../../repository/repository.ts";
import { asStored } from "../../repository/sealing/sealed-storage.ts";
import type { Opened } from "./open-despite.ts";
import type { Tell } from "./repair-database.ts";

const DAMAGED_KEY = "repository.damaged.json";

/**
 * Writes a new `repository.json`; what stands in its place is kept beside it. Only where an index can be read, which shows
 * that it holds nothing that reading the backups needs.
 */
export async function renewRepositoryFile(
  runtime: Runtime,
  opened: Opened,
  tell: Tell,
  signal: AbortSignal,
): Promise<Repository> {
  const { sealing } = opened;
  const storage = asStored(opened.repository.storage);
  await requireRenewable(opened, signal);
  let kept = "";
  try {
    const damaged = await storage.get(REPOSITORY_FILE, signal);
    await storage.put(DAMAGED_KEY, damaged, signal);
    await storage.delete(REPOSITORY_FILE, signal);
    kept = `; the damaged one is now ${DAMAGED_KEY}`;
  } catch (error) {
    if (!isAppError(error, "object_missing")) throw error;
  }
  const { repository: mended } = await renewRepository(
    runtime,
    storage,
    sealing instanceof AppError ? undefined : sealing,
    signal,
  );
  const isMixed = mended.file.sealing?.mixed === true;
  const mixed = isMixed
    ? "; whether all recipients can read earlier parts is not known, so snapshots read everything until `handled key rewrap --identity FILE`"
    : "";
  tell({ id: "repository-file", message: `wrote a new ${REPOSITORY_FILE}${kept}${mixed}` });
  return mended;
}

/**
 * What cannot be made up is left: to whom a repository is sealed, where that is not certain, and what made its indexes
 * readable, where none is. Fails with `repository_unusable`.
 */
export async function requireRenewable({ repository, sealing }: Opened, signal: AbortSignal): Promise<void> {
  if (sealing instanceof AppError) throw sealing;
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
