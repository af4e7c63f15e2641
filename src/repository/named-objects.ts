import { isAppError, messageOf } from "../errors.ts";
import { ByteTable } from "./byte-table.ts";
import { indexKey } from "./layout.ts";
import { isUnreadable, surveyBackups } from "./listing.ts";
import type { BackupId, BackupIndex } from "./manifest.ts";
import { readIndex, readTables } from "./manifests.ts";
import { readPartList } from "./part-lists.ts";
import { NAME_BYTES, packName } from "./part-names.ts";
import type { Repository } from "./repository.ts";

/** What the indexes of a database lead to. */
export interface NamedObjects {
  /** Packed names of all parts and part lists; 48 bytes each, and every hit is confirmed by all of the name. */
  readonly names: ByteTable;
  /** Folders whose index was made void, so that a run that lost its lease cannot publish it. */
  readonly voids: readonly BackupId[];
  /** What could not be read and may name anything, in words. While there is one, nothing is garbage for certain. */
  readonly doubts: readonly string[];
}

/** Reads every index, every list of tables and every part list, each list once. */
export async function findNamedObjects(
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<NamedObjects> {
  const found = { names: new ByteTable(NAME_BYTES, 0), voids: [] as BackupId[], doubts: [] as string[] };
  for (const [id, objects] of await surveyBackups(repository.storage, database, signal)) {
    if (!objects.has("index")) {
      const why = objects.has("unfinished") ? "it is not cleaned up after a crash" : "its index is missing";
      found.doubts.push(`backup ${id}: ${why}`);
      continue;
    }
    try {
      await addBackup(repository, database, id, found, signal);
    } catch (error) {
      if (!isUnreadable(error) && !isAppError(error, "object_missing")) throw error;
      found.doubts.push(`backup ${id}: ${messageOf(error)}`);
    }
  }
  return found;
}

async function addBackup(
  repository: Repository,
  database: string,
  id: BackupId,
  { names, voids }: { names: ByteTable; voids: BackupId[] },
  signal: AbortSignal,
): Promise<void> {
  let index: BackupIndex;
  try {
    index = await readIndex(repository, database, id, signal);
  } catch (error) {
    if (!isAppError(error, "backup_missing")) throw error;
    // Void, or taken back just now by a run that came too late.
    if ((await repository.storage.stat(indexKey(database, id), signal)) !== undefined) voids.push(id);
    return;
  }
  if (index.kind === "archive") return;
  for (const { partList } of await readTables(repository, index, signal)) {
    if (partList === null || !names.add(packName(partList.name)).added) continue;
    const { ranges } = await readPartList(repository, database, partList, signal);
    for await (const { parts } of ranges) for (const { name } of parts) names.add(packName(name));
  }
}
