import { latestName } from "../engines/archive/names.ts";
import { databaseFolder } from "../repository/layout.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { Repository } from "../repository/repository.ts";

/**
 * Points `<prefix>_<database>_latest.<ending>` at the newest archive of each ending. Returns the place of the newest
 * one's link, or null where the storage has no links. `backups` is newest first, as `listBackups` gives it.
 */
export async function updateLatest(
  repository: Repository,
  database: string,
  prefix: string,
  backups: readonly BackupIndex[],
  signal: AbortSignal,
): Promise<string | null> {
  const folder = databaseFolder(database);
  const done = new Set<string>();
  let newest: string | null = null;
  for (const backup of backups) {
    if (backup.kind !== "archive") continue;
    const { archive } = backup;
    const link =
      folder + latestName({ prefix, database, format: archive.format, compression: archive.compression });
    if (done.has(link)) continue;
    done.add(link);
    const made = await repository.storage.link(link, archive.key, signal);
    if (made && newest === null) newest = `${repository.place}/${link}`;
  }
  return newest;
}
