import { formatBytes } from "../lib/text.ts";
import { listBackups } from "../repository/backups.ts";
import { databaseFolder } from "../repository/layout.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { Repository } from "../repository/repository.ts";

export interface PresentBackups {
  /** Newest first: the index is readable and the archive is there with its full size. */
  readonly backups: readonly BackupIndex[];
  /** What has an index (or a part of one) but could not be restored, and why. */
  readonly damaged: readonly DamagedBackup[];
}

export interface DamagedBackup {
  readonly id: string;
  readonly reason: string;
  /** Null where the index itself cannot be read. */
  readonly index: BackupIndex | null;
}

/**
 * The backups of a database, each looked up in one listing of its folder: an index whose archive is missing or cut
 * short must not pass for a backup. Reads no archive; `verify` does that.
 */
export async function listPresentBackups(
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<PresentBackups> {
  const listed = await listBackups(repository, database, signal);
  const sizes = new Map<string, number>();
  for await (const object of repository.storage.list(databaseFolder(database), "here", signal)) {
    sizes.set(object.key, object.size);
  }
  const backups: BackupIndex[] = [];
  const damaged: DamagedBackup[] = listed.damaged.map(({ id, reason }) => ({ id, reason, index: null }));
  for (const index of listed.backups) {
    const size = sizes.get(index.archive.key);
    if (size === index.archive.size) backups.push(index);
    else damaged.push({ id: index.id, reason: problemOf(index, size), index });
  }
  return { backups, damaged };
}

function problemOf(index: BackupIndex, size: number | undefined): string {
  if (size === undefined) return `its archive ${index.archive.key} is missing`;
  return `its archive ${index.archive.key} has ${formatBytes(size)} instead of ${formatBytes(index.archive.size)}`;
}
