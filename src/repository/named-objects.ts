import { AppError, isAppError, messageOf } from "../errors.ts";
import { mapBounded } from "../lib/concurrency.ts";
import { ByteTable } from "./byte-table.ts";
import { indexKey } from "./layout.ts";
import { isUnreadable, surveyBackups } from "./listing.ts";
import type { BackupId, BackupIndex } from "./manifest.ts";
import { readIndexes, readTables } from "./manifests.ts";
import { readPartList } from "./part-lists.ts";
import { NAME_BYTES, packName } from "./part-names.ts";
import type { Repository } from "./repository.ts";
import type { PartRef } from "./stored-parts.ts";

// A backup has a list for each table, most of them small.
const PARALLEL_LISTS = 8;

export interface StoredCount {
  readonly objects: number;
  /** As stored. */
  readonly bytes: number;
}

/** What the indexes of a database lead to. */
export interface NamedObjects {
  /** Packed names of all parts and part lists; 48 bytes each, and every hit is confirmed by all of the name. */
  readonly names: ByteTable;
  /** How many of them only the backups that go lead to, and their bytes as stored. */
  readonly going: StoredCount;
  /** Folders whose index was made void, so that a run that lost its lease cannot publish it. */
  readonly voids: readonly BackupId[];
  /** What could not be read and may name anything, in words. While there is one, nothing is garbage for certain. */
  readonly doubts: readonly string[];
}

/**
 * Reads every index, every list of tables and every part list, each list once.
 * @param leavers backups that are about to be deleted
 */
export async function findNamedObjects(
  repository: Repository,
  database: string,
  leavers: ReadonlySet<BackupId>,
  signal: AbortSignal,
): Promise<NamedObjects> {
  const names = new ByteTable(NAME_BYTES, 0);
  const voids: BackupId[] = [];
  const doubts: string[] = [];
  const staying: BackupIndex[] = [];
  const leaving: BackupIndex[] = [];
  const folders = await surveyBackups(repository.storage, database, signal);
  for (const [id, objects] of folders) {
    if (objects.has("index")) continue;
    const why = objects.has("unfinished") ? "it is not cleaned up after a crash" : "its index is missing";
    doubts.push(`backup ${id}: ${why}`);
  }
  const ids = [...folders.keys()].filter((id) => folders.get(id)?.has("index"));
  const indexes = await readIndexes(repository, database, ids, signal);
  for (const [at, id] of ids.entries()) {
    const index = indexes[at];
    if (index === undefined) continue;
    if (!(index instanceof AppError)) (leavers.has(id) ? leaving : staying).push(index);
    else if (index.code !== "backup_missing") doubts.push(doubtOf(id, index));
    // Void, or taken back just now by a run that came too late.
    else if ((await repository.storage.stat(indexKey(database, id), signal)) !== undefined) voids.push(id);
  }
  let going = { objects: 0, bytes: 0 };
  for (const index of [...staying, ...leaving]) {
    try {
      const added = await addNames(repository, index, names, signal);
      if (leaving.includes(index))
        going = { objects: going.objects + added.objects, bytes: going.bytes + added.bytes };
    } catch (error) {
      doubts.push(doubtOf(index.id, error));
    }
  }
  return { names, going, voids, doubts };
}

function doubtOf(id: BackupId, error: unknown): string {
  if (!isUnreadable(error) && !isAppError(error, "object_missing")) throw error;
  return `backup ${id}: ${messageOf(error)}`;
}

/** Adds the names of a backup's part lists and parts. Counts those that were not there. */
async function addNames(
  repository: Repository,
  index: BackupIndex,
  names: ByteTable,
  signal: AbortSignal,
): Promise<StoredCount> {
  if (index.kind === "archive") return { objects: 0, bytes: 0 };
  const before = names.size;
  let bytes = 0;
  const add = ({ name, size }: PartRef): boolean => {
    const { added } = names.add(packName(name));
    if (added) bytes += size;
    return added;
  };
  const tables = await readTables(repository, index, signal);
  const lists = tables.flatMap(({ partList }) => (partList !== null && add(partList) ? [partList] : []));
  await mapBounded(lists, PARALLEL_LISTS, async (list) => {
    const { ranges } = await readPartList(repository, index.database, list, signal);
    for await (const { parts } of ranges) for (const part of parts) add(part);
  });
  return { objects: names.size - before, bytes };
}
