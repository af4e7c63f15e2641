import { AppError, isAppError } from "../errors.ts";
import { indexKey, REPOSITORY_FILE } from "./layout.ts";
import type { BackupIndex } from "./manifest.ts";
import { readRepositoryFile, type Repository } from "./repository.ts";

/**
 * Tells damage from a repository that went away while it was read, or a backup that somebody deleted: then everything in
 * it is missing, and nothing is known about what it is worth. Fails with `repository_missing` or `backup_missing`. What
 * cannot be read for another reason counts as being there.
 * @param index of the backup that was read; undefined where its index never could be
 */
export async function requireStillThere(
  { storage, file, place }: Repository,
  index: Pick<BackupIndex, "database" | "id"> | undefined,
  signal: AbortSignal,
): Promise<void> {
  try {
    const now = await readRepositoryFile(storage, signal);
    if (now?.id !== file.id) {
      const what = now === undefined ? "it is no longer there" : "another one is there now";
      throw new AppError("repository_missing", `read repository ${place}: ${what}`, {
        hint: `see whether its disk or network share is still mounted: ${REPOSITORY_FILE} is what makes a folder a repository`,
      });
    }
    if (index === undefined) return;
    if ((await storage.stat(indexKey(index.database, index.id), signal)) !== undefined) return;
    throw new AppError("backup_missing", `read backup: ${index.id} was deleted meanwhile`, {
      hint: `\`handled list ${index.database}\` shows what is there`,
    });
  } catch (error) {
    if (!isAppError(error, "repository_unusable") && !isAppError(error, "repository_version")) throw error;
  }
}
