import { listNotes, readNote, storageTime, writeNote } from "../../repository/garbage-notes.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { backupsFolder, indexKey, unfinishedKey } from "../../repository/layout.ts";
import type { Lease } from "../../repository/lease.ts";
import { BackupId } from "../../repository/manifest.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Storage } from "../../storage/storage.ts";
import { removeSnapshot } from "../../repository/unfinished.ts";
import type { DatabaseStock } from "./take-stock.ts";

/** Backups of which only other objects than the index and the mark are there: somebody removed those. */
export function indexlessOf({ stored }: Pick<DatabaseStock, "stored">): BackupId[] {
  return [...stored.manifests].flatMap(([id, names]) => {
    const parsed = BackupId.safeParse(id);
    return parsed.success && !names.has("index") && !names.has("unfinished") ? [parsed.data] : [];
  });
}

/**
 * Deletes what is left of backups without an index, by the same two steps as other garbage: one run notes it, another, at
 * least `minAgeMs` later by the storage's clock, looks again and deletes. The caller holds the lease and nobody reads.
 */
export async function removeIndexless(
  runtime: Runtime,
  { storage }: Repository,
  database: string,
  ids: readonly BackupId[],
  minAgeMs: number,
  lease: Lease,
  signal: AbortSignal,
): Promise<{
  readonly noted: readonly BackupId[];
  readonly waiting: readonly BackupId[];
  readonly deleted: readonly BackupId[];
  /** Those that the storage does not let go yet: a deletion would hide them and free nothing. */
  readonly locked: readonly { readonly id: BackupId; readonly until: Date }[];
}> {
  const now = await storageTime(runtime, storage, database, signal);
  // By key: whether it was noted long enough ago.
  const known = new Map<string, boolean>();
  const folder = backupsFolder(database);
  for (const note of await listNotes(storage, database, signal)) {
    const isOld = now.getTime() - note.noted.getTime() >= minAgeMs;
    for await (const key of readNote(runtime, storage, note, signal)) {
      if (key.startsWith(folder)) known.set(key, isOld || known.get(key) === true);
    }
  }
  const sorted = {
    noted: [] as BackupId[],
    waiting: [] as BackupId[],
    deleted: [] as BackupId[],
    locked: [] as { id: BackupId; until: Date }[],
  };
  const fresh: string[] = [];
  for (const id of ids) {
    const keys = await storage.keys(`${folder}${id}/`, "all", signal);
    // Copied back meanwhile.
    if (keys.includes(indexKey(database, id)) || keys.includes(unfinishedKey(database, id))) continue;
    if (keys.every((key) => known.get(key) === true)) {
      const until = await lockedUntil(storage, keys, signal);
      if (until !== undefined) {
        sorted.locked.push({ id, until });
        continue;
      }
      await lease.check(signal);
      await removeSnapshot(storage, database, id, signal);
      sorted.deleted.push(id);
    } else if (keys.every((key) => known.has(key))) {
      sorted.waiting.push(id);
    } else {
      fresh.push(...keys);
      sorted.noted.push(id);
    }
  }
  if (fresh.length > 0) {
    await lease.check(signal);
    await writeNote(runtime, storage, database, fresh, signal);
  }
  return sorted;
}

/** When the last lock on these objects ends; undefined where none is locked. */
async function lockedUntil(
  { locks }: Storage,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Date | undefined> {
  let last: Date | undefined;
  for (const key of keys) {
    const until = await locks?.lockedUntil(key, signal);
    if (until !== undefined && (last === undefined || until > last)) last = until;
  }
  return last;
}
