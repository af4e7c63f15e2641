import { z } from "zod";
import { AppError, isAppError, messageOf } from "../errors.ts";
import { mapBounded } from "../lib/concurrency.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted, formatDuration } from "../lib/text.ts";
import type { ObjectLocks } from "../storage/locks.ts";
import type { Storage } from "../storage/storage.ts";
import { ByteTable } from "./byte-table.ts";
import {
  contentKey,
  databaseFolder,
  indexKey,
  partKey,
  partListKey,
  REPOSITORY_FILE,
  tablesKey,
} from "./layout.ts";
import type { Lease } from "./lease.ts";
import { isSnapshot, isUnreadable } from "./listing.ts";
import { type BackupIndex, FORMAT_VERSION } from "./manifest.ts";
import { readTables } from "./manifests.ts";
import { encodeJson, parseVersioned } from "./parse.ts";
import { readPartList } from "./part-lists.ts";
import { NAME_BYTES, packName } from "./part-names.ts";
import type { Repository } from "./repository.ts";
import type { PartRef } from "./stored-parts.ts";

/** When everything that was needed then was locked for twice the window. */
const LockRecord = z.strictObject({
  format: z.literal(FORMAT_VERSION),
  at: z.iso.datetime(),
  windowMs: z.int().positive(),
});

/** The backups of a database after retention. */
export interface StayingBackups {
  readonly staying: readonly BackupIndex[];
  readonly leaving: readonly BackupIndex[];
}

const PARALLEL = 32;
const PARALLEL_LISTS = 4;

const recordKey = (database: string): string => `${databaseFolder(database)}records/locks/extended.json`;

/**
 * Sees to it that whatever backups need stays locked for a window at least. Everything is locked for two windows when it is
 * written, so nothing has to be asked: once a window has gone since the last time, all that is needed is locked for two windows
 * again, each object with one request, indexes after what they name. In between this costs two requests. Does nothing where
 * nothing is locked. The caller holds the lease. Returns how many objects were locked anew.
 * @param staying those that stay because they are needed, newest first, also damaged ones
 * @param leaving those that stay only until their own locks end: of them the parts are locked anew, for the next snapshot may take
 *   parts over from them, and must find them locked; their indexes are not, so that they go in the end
 */
export async function extendLocks(
  runtime: Runtime,
  repository: Repository,
  database: string,
  { staying, leaving }: StayingBackups,
  lease: Lease,
  signal: AbortSignal,
): Promise<number> {
  const { storage } = repository;
  const { locks } = storage;
  if (locks === undefined || staying.length === 0) return 0;
  const held = AbortSignal.any([signal, lease.lost]);
  const now = await locks.now(held);
  if (!(await isDue(storage, locks, database, { staying, now }, held))) return 0;
  await lease.check(held);
  try {
    const { extended, missing } = await extendAll(runtime, repository, locks, { staying, leaving }, held);
    const record = { format: FORMAT_VERSION, at: now.toISOString(), windowMs: locks.windowMs };
    await storage.put(recordKey(database), encodeJson(record), held);
    runtime.reporter.note(
      `${counted(extended, "object")} of ${database} locked for another ${formatDuration(2 * locks.windowMs)}`,
    );
    if (missing > 0) {
      runtime.reporter.warn(
        `${counted(missing, "object")} that backups of ${database} need could not be locked, for they are missing: \`handled verify ${database}\` tells which`,
      );
    }
    return extended;
  } catch (error) {
    if (!(error instanceof AppError) || error.code === "interrupted") throw error;
    throw new AppError(
      error.code,
      `the backups of ${database} are whole, but their locks could not be extended: ${error.message}`,
      {
        cause: error,
        hint: error.hint,
        details: error.details,
      },
    );
  }
}

/** Whoever has the keys can write the record; so the lock of the oldest index is looked at as well. */
async function isDue(
  storage: Storage,
  locks: ObjectLocks,
  database: string,
  { staying, now }: { readonly staying: readonly BackupIndex[]; readonly now: Date },
  signal: AbortSignal,
): Promise<boolean> {
  const record = await readRecord(storage, database, signal);
  if (record === undefined || record.windowMs < locks.windowMs) return true;
  const age = now.getTime() - Date.parse(record.at);
  if (age < 0 || age >= locks.windowMs) return true;
  const oldest = staying.at(-1);
  if (oldest === undefined) return false;
  const until = await locks.lockedUntil(indexKey(database, oldest.id), signal);
  return until === undefined || until.getTime() - now.getTime() < locks.windowMs;
}

async function readRecord(
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<z.infer<typeof LockRecord> | undefined> {
  const key = recordKey(database);
  try {
    return parseVersioned(LockRecord, await storage.get(key, signal), key);
  } catch (error) {
    // Without it everything is locked anew, which is never wrong.
    if (isAppError(error, "object_missing") || isAppError(error, "backup_damaged")) return undefined;
    throw error;
  }
}

async function extendAll(
  runtime: Runtime,
  repository: Repository,
  locks: ObjectLocks,
  { staying, leaving }: StayingBackups,
  signal: AbortSignal,
): Promise<{ extended: number; missing: number }> {
  const done = { extended: 0, missing: 0 };
  const seen = new ByteTable(NAME_BYTES, 0);
  const isNew = ({ name }: PartRef): boolean => seen.add(packName(name)).added;
  const extend = async (keys: readonly string[]): Promise<void> => {
    await mapBounded(keys, PARALLEL, async (key) => {
      if (await locks.extend(key, signal)) done.extended += 1;
      else done.missing += 1;
    });
  };
  for (const index of [...staying, ...leaving.filter(isSnapshot)]) {
    const { database, id } = index;
    try {
      if (index.kind === "archive") await extend([index.archive.key]);
      else {
        const tables = await readTables(repository, index, signal);
        const lists = tables.flatMap(({ partList }) =>
          partList !== null && isNew(partList) ? [partList] : [],
        );
        await mapBounded(lists, PARALLEL_LISTS, async (list) => {
          const { ranges } = await readPartList(repository, database, list, signal);
          for await (const { parts } of ranges) {
            await extend(parts.filter(isNew).map(({ name }) => partKey(database, name)));
          }
        });
        await extend(lists.map(({ name }) => partListKey(database, name)));
      }
    } catch (error) {
      if (!isUnreadable(error) && !isAppError(error, "object_missing")) throw error;
      runtime.reporter.warn(`what backup ${id} needs could not be locked: ${messageOf(error)}`);
    }
    if (leaving.includes(index)) continue;
    await extend([tablesKey(database, id), contentKey(database, id)]);
    await extend([indexKey(database, id)]);
  }
  await extend([REPOSITORY_FILE]);
  return done;
}
