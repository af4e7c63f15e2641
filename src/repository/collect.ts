import { mapBounded } from "../lib/concurrency.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { ByteTable } from "./byte-table.ts";
import { type GarbageNote, listNotes, lookedAt, readNote, storageTime, writeNote } from "./garbage-notes.ts";
import { indexKey, partKey, partListKey, partListsFolder, partNameOfKey, partsFolder } from "./layout.ts";
import type { Lease } from "./lease.ts";
import type { BackupId } from "./manifest.ts";
import { findNamedObjects, type NamedObjects, type StoredCount } from "./named-objects.ts";
import { NAME_BYTES, packName, unpackName } from "./part-names.ts";
import { describeReader, livingReaders } from "./readers.ts";
import type { Repository } from "./repository.ts";
import { asStored } from "./sealing/sealed-storage.ts";
import { removeSnapshot } from "./unfinished.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
const VOID_MS = 30 * DAY_MS;
// Between two looks at the lease; enough that looking costs nothing beside the deletions.
const BATCH = 500;
const PARALLEL_DELETES = 8;
const PARALLEL_LOOKS = 32;

export interface CollectOptions {
  /** How long something must have been noted as garbage before it is deleted, in milliseconds; default a day. */
  readonly minAgeMs?: number;
}

export interface GarbageReport {
  /** Found unnamed for the first time, and noted. */
  readonly noted: StoredCount;
  /** Noted before, and not deleted: too short a time ago, or for the reasons in `refused`. */
  readonly waiting: StoredCount;
  readonly deleted: StoredCount;
  /** Noted before, and to be deleted once the storage's locks are over; the last of them ends at `until`. */
  readonly locked: StoredCount & { readonly until: Date | undefined };
  /** Why nothing was deleted, in words; empty when nothing stood in the way. */
  readonly refused: readonly string[];
}

/**
 * Deletes parts and part lists that no index leads to, in two runs: one notes them, another, at least `minAgeMs` later by
 * the storage's clock, looks again and deletes what is still unnamed. Nothing is noted or deleted while any index, list of
 * tables or part list cannot be read, for it may name anything; nothing is deleted while somebody reads. The caller holds
 * the lease and has called `recoverUnfinished`. May be cut off anywhere: the next run goes on.
 */
export async function collectGarbage(
  runtime: Runtime,
  repository: Repository,
  database: string,
  lease: Lease,
  { minAgeMs = DAY_MS }: CollectOptions,
  signal: AbortSignal,
): Promise<GarbageReport> {
  const held = AbortSignal.any([signal, lease.lost]);
  const { storage } = repository;
  await lease.check(held);
  const named = await findNamedObjects(repository, database, new Set(), held);
  const { garbage, notes } = await lookForGarbage(storage, database, named, held);
  // Of a database without snapshots nothing shows that we looked.
  const isEmpty = named.names.size + named.voids.length + garbage.size + notes.length === 0;
  if (isEmpty) return report({ refused: named.doubts });
  const now = await storageTime(runtime, storage, database, held);
  if (named.doubts.length > 0) return report({ refused: named.doubts });
  await removeVoids(storage, database, named.voids, now, lease, held);
  const old = await markNoted(runtime, storage, garbage, notes, { now, minAgeMs }, held);
  const noted = garbage.count("new");
  if (noted.objects > 0) {
    await lease.check(held);
    await writeNote(runtime, storage, database, garbage.keys("new"), held);
  }
  const waiting = garbage.count("young");
  const due = garbage.count("old");
  const readers = due.objects === 0 ? [] : await livingReaders(runtime, repository, database, lease, held);
  if (readers.length > 0) {
    const refused = readers.map((reader) => `${describeReader(reader)} is reading`);
    return report({ noted, waiting: sum(waiting, due), refused });
  }
  const until = await leaveLocked(storage, garbage, held);
  const locked = { ...garbage.count("locked"), until };
  const deleted = garbage.count("old");
  await deleteAll(storage, garbage.keys("old"), lease, held);
  // What they named is deleted, or named again: then it has to be noted anew before it may go.
  if (locked.objects === 0) await deleteAll(storage, old.map(({ key }) => key).values(), lease, held);
  return report({ noted, waiting, deleted, locked });
}

/**
 * What `collectGarbage` would do once these backups are deleted, by this machine's clock. Changes nothing and needs no
 * lease; what a running backup stores meanwhile counts as garbage, for nothing leads to it yet.
 */
export async function previewGarbage(
  runtime: Runtime,
  repository: Repository,
  database: string,
  leavers: ReadonlySet<BackupId>,
  { minAgeMs = DAY_MS }: CollectOptions,
  signal: AbortSignal,
): Promise<GarbageReport> {
  const named = await findNamedObjects(repository, database, leavers, signal);
  if (named.doubts.length > 0) return report({ refused: named.doubts });
  const { garbage, notes } = await lookForGarbage(repository.storage, database, named, signal);
  const now = runtime.clock.now();
  await markNoted(runtime, repository.storage, garbage, notes, { now, minAgeMs }, signal);
  const noted = sum(garbage.count("new"), named.going);
  const until = await leaveLocked(repository.storage, garbage, signal);
  const locked = { ...garbage.count("locked"), until };
  return report({ noted, waiting: garbage.count("young"), deleted: garbage.count("old"), locked });
}

/**
 * Whether a run that only tidies up on the way should collect garbage. For that every part list is read and every part
 * looked at, too much for each of many runs a day: so it is done once in `minAgeMs`, from the first snapshot on that was
 * deleted. What one look notes the next one deletes. A wrong clock makes it look too often or too late, and no more.
 * @param deleted whether this run deleted a snapshot
 */
export async function isCollectionDue(
  runtime: Runtime,
  { storage }: Repository,
  database: string,
  { minAgeMs = DAY_MS, deleted }: CollectOptions & { readonly deleted: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const looked = await lookedAt(storage, database, signal);
  if (looked === undefined) return deleted;
  const age = runtime.clock.now().getTime() - looked.getTime();
  return age < 0 || age >= minAgeMs;
}

const NOTHING: StoredCount = { objects: 0, bytes: 0 };

const sum = (a: StoredCount, b: StoredCount): StoredCount => ({
  objects: a.objects + b.objects,
  bytes: a.bytes + b.bytes,
});

function report(parts: Partial<GarbageReport>): GarbageReport {
  const locked = { ...NOTHING, until: undefined };
  return { noted: NOTHING, waiting: NOTHING, deleted: NOTHING, locked, refused: [], ...parts };
}

async function lookForGarbage(
  storage: Storage,
  database: string,
  { names }: NamedObjects,
  signal: AbortSignal,
): Promise<{ garbage: Garbage; notes: GarbageNote[] }> {
  const garbage = new Garbage(database);
  for (const folder of [partsFolder(database), partListsFolder(database)]) {
    // As it lies there, sealed or not: garbage may be too short to have anything in it.
    for await (const { key, size } of asStored(storage).list(folder, "all", signal)) {
      const name = partNameOfKey(database, key);
      // Anything that has no name of ours is somebody else's.
      if (name === undefined || names.find(packName(name)) !== undefined) continue;
      garbage.add(key, size);
    }
  }
  return { garbage, notes: await listNotes(storage, database, signal) };
}

/** Tells the garbage since when it is known. Returns the notes that are old enough. */
async function markNoted(
  runtime: Runtime,
  storage: Storage,
  garbage: Garbage,
  notes: readonly GarbageNote[],
  { now, minAgeMs }: { readonly now: Date; readonly minAgeMs: number },
  signal: AbortSignal,
): Promise<GarbageNote[]> {
  const old: GarbageNote[] = [];
  for (const note of notes) {
    const isOld = now.getTime() - note.noted.getTime() >= minAgeMs;
    if (isOld) old.push(note);
    for await (const key of readNote(runtime, storage, note, signal)) garbage.mark(key, isOld);
  }
  return old;
}

/**
 * Takes out of what is to be deleted what the storage still locks: a deletion would hide it and free nothing. Returns when the last
 * lock ends.
 */
async function leaveLocked(
  { locks }: Storage,
  garbage: Garbage,
  signal: AbortSignal,
): Promise<Date | undefined> {
  if (locks === undefined) return undefined;
  let last: Date | undefined;
  await mapBounded([...garbage.keys("old")], PARALLEL_LOOKS, async (key) => {
    const until = await locks.lockedUntil(key, signal);
    if (until === undefined) return;
    garbage.lock(key);
    if (last === undefined || until > last) last = until;
  });
  return last;
}

async function deleteAll(
  storage: Storage,
  keys: Iterator<string>,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const batch: string[] = [];
    while (batch.length < BATCH) {
      const next = keys.next();
      if (next.done === true) break;
      batch.push(next.value);
    }
    if (batch.length === 0) return;
    await lease.check(signal);
    await mapBounded(batch, PARALLEL_DELETES, (key) => storage.delete(key, signal));
  }
}

/**
 * Removes what recovery left in the place of the indexes of crashed runs. They outlive by far the parts of those runs: as
 * long as one is there, the run cannot come back and publish an index that names parts which are gone.
 */
async function removeVoids(
  storage: Storage,
  database: string,
  ids: readonly BackupId[],
  now: Date,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  for (const id of ids) {
    const key = indexKey(database, id);
    const found = await storage.stat(key, signal);
    if (found === undefined || now.getTime() - found.modified.getTime() < VOID_MS) continue;
    await lease.check(signal);
    // With what a writer that came too late put beside it.
    await removeSnapshot(storage, database, id, signal);
  }
}

/** Since when something is known to be garbage: found now, noted lately, noted long enough ago, or that and still locked. */
type Age = "new" | "young" | "old" | "locked";
const AGES: readonly Age[] = ["new", "young", "old", "locked"];

// Of each: folder (0: parts, 1: tables), age, size as stored.
const VALUE_BYTES = 8;

/** What no index leads to, in 60 bytes each. */
class Garbage {
  readonly #database: string;
  readonly #objects = new ByteTable(NAME_BYTES, VALUE_BYTES);

  constructor(database: string) {
    this.#database = database;
  }

  get size(): number {
    return this.#objects.size;
  }

  add(key: string, size: number): void {
    const name = partNameOfKey(this.#database, key);
    if (name === undefined) return;
    const { value } = this.#objects.add(packName(name));
    value.writeUInt8(key === partKey(this.#database, name) ? 0 : 1, 0);
    value.writeUIntLE(size, 2, 6);
  }

  /** Says that a note names this key; of several notes the oldest counts. Keys that are no garbage now are passed over. */
  mark(key: string, isOld: boolean): void {
    this.#atLeast(key, isOld ? "old" : "young");
  }

  /** Says that the storage does not let it go yet. */
  lock(key: string): void {
    this.#atLeast(key, "locked");
  }

  #atLeast(key: string, age: Age): void {
    const name = partNameOfKey(this.#database, key);
    const value = name === undefined ? undefined : this.#objects.find(packName(name));
    if (value !== undefined) value.writeUInt8(Math.max(value.readUInt8(1), AGES.indexOf(age)), 1);
  }

  count(age: Age): StoredCount {
    let objects = 0;
    let bytes = 0;
    for (const { value } of this.#objects.entries()) {
      if (value.readUInt8(1) !== AGES.indexOf(age)) continue;
      objects += 1;
      bytes += value.readUIntLE(2, 6);
    }
    return { objects, bytes };
  }

  *keys(age: Age): Generator<string> {
    for (const { key, value } of this.#objects.entries()) {
      if (value.readUInt8(1) !== AGES.indexOf(age)) continue;
      const keyOf = value.readUInt8(0) === 0 ? partKey : partListKey;
      yield keyOf(this.#database, unpackName(key));
    }
  }
}
