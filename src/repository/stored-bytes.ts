import { isArchive, isSnapshot } from "./listing.ts";
import type { BackupIndex } from "./manifest.ts";

/**
 * What these backups of one database take in the repository, in bytes, by their indexes alone. Of snapshots it is a lower
 * bound: what one stored that is deleted by now, and later ones still need, is counted as far as a single backup shows it.
 */
export function storedBytesOf(backups: readonly BackupIndex[]): number {
  const archives = backups.filter(isArchive).reduce((sum, { archive }) => sum + archive.size, 0);
  const oldestFirst = backups
    .filter(isSnapshot)
    .toSorted((a, b) => Date.parse(a.snapshotAt) - Date.parse(b.snapshotAt));
  // Each brings what it stored; and all of it together is at least what any one of them names.
  return (
    oldestFirst.reduce(
      (sum, { totals, snapshot }) => Math.max(sum + totals.storedBytes, snapshot.namedBytes),
      0,
    ) + archives
  );
}
