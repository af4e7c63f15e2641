import { latestName } from "../engines/archive/names.ts";
import { isAppError } from "../errors.ts";
import { databaseFolder } from "../repository/layout.ts";
import { placeOfKey } from "../storage/location.ts";
import { isArchive } from "../repository/listing.ts";
import type { ArchiveFile, BackupIndex } from "../repository/manifest.ts";
import type { Repository } from "../repository/repository.ts";

// One of each ending that an archive can have.
export const LATEST_SHAPES: readonly Pick<ArchiveFile, "format" | "compression">[] = [
  { format: "plain", compression: "gzip" },
  { format: "plain", compression: "zstd" },
  { format: "custom", compression: "gzip" },
];

/**
 * Points `<prefix>_<database>_latest.<ending>` at the newest archive of each ending, and removes the link of an ending
 * that has none. Returns the place of the newest one's link, or null where the storage has no links.
 * @param backups those that will stay, newest first, as `listBackups` gives them: a link must not outlive its archive
 */
export async function updateLatest(
  repository: Repository,
  database: string,
  prefix: string,
  backups: readonly BackupIndex[],
  signal: AbortSignal,
): Promise<string | null> {
  const { storage, place } = repository;
  const linkTo = (shape: Pick<ArchiveFile, "format" | "compression">): string =>
    databaseFolder(database) + latestName({ prefix, database, ...shape });
  const newest = new Map<string, string>();
  for (const { archive } of backups.filter(isArchive)) {
    const link = linkTo(archive);
    if (!newest.has(link)) newest.set(link, archive.key);
  }
  // A link whose target nobody can load as it is would only mislead.
  if (repository.file.sealing !== undefined) return null;
  let first: string | null = null;
  for (const [link, target] of newest) {
    const made = await storage.link(link, target, signal);
    if (made && first === null) first = placeOfKey(place, link);
  }
  for (const link of LATEST_SHAPES.map(linkTo)) if (!newest.has(link)) await unlink(repository, link, signal);
  return first;
}

async function unlink({ storage }: Repository, link: string, signal: AbortSignal): Promise<void> {
  try {
    await storage.link(link, undefined, signal);
  } catch (error) {
    // Somebody's own file happens to have the name. We need it for nothing.
    if (!isAppError(error, "object_exists")) throw error;
  }
}
