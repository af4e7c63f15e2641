import { AppError, isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { placeOfKey } from "../storage/location.ts";
import { writeManifest } from "./backups.ts";
import { ByteTable } from "./byte-table.ts";
import { copyObjects, fillStaged } from "./copy-objects.ts";
import { contentKey, indexKey, partKey, partListKey, tablesKey } from "./layout.ts";
import type { Lease } from "./lease.ts";
import type { ArchiveIndex, BackupIndex, SnapshotIndex } from "./manifest.ts";
import { isVoid, readTables } from "./manifests.ts";
import { asItLies, writeMark } from "./marks.ts";
import { readPartList } from "./part-lists.ts";
import { NAME_BYTES, packName } from "./part-names.ts";
import type { Repository } from "./repository.ts";
import { requireSealedAlike } from "./sealing/alike.ts";
import { asStored, textOf } from "./sealing/sealed-storage.ts";
import { getStored, storedSize } from "./sealing/stored-object.ts";
import type { PartRef, Wanted } from "./stored-parts.ts";
import { isSameArchive, recoverUnfinished, stateOfIndex } from "./unfinished.ts";

/** What copying one backup took. Bytes are as stored. */
export interface CopyTotals {
  /** Objects that were brought over, the manifest's included. */
  readonly objects: number;
  readonly bytes: number;
  /** Those that were there already: parts and part lists of earlier backups. */
  readonly thereObjects: number;
  readonly thereBytes: number;
}

/** What copies into one place work with. */
export interface CopyRun {
  readonly runtime: Runtime;
  readonly to: Repository;
  /** Of the place that is written to; `recoverUnfinished` has run under it. */
  readonly lease: Lease;
  /** What the indexes of that place lead to (`findNamedObjects`); grows with each copied backup. */
  readonly named: ByteTable;
  /** Objects that are written at the same time. */
  readonly jobs: number;
}

/**
 * Brings a backup over from another repository, byte for byte, in the order of every writer: parts, part lists, mark,
 * archive, tables, content, index. A part counts as being there only if an index there leads to it and it has its size.
 * On failure no backup is there; parts stay and are collected. Throws `backup_damaged` when the source is not whole,
 * `object_exists` when another file has the archive's name, `lease_lost`, and the errors of both storages.
 */
export async function copyBackup(
  run: CopyRun,
  from: Repository,
  index: BackupIndex,
  signal: AbortSignal,
): Promise<CopyTotals> {
  const { to, lease } = run;
  const { database, id } = index;
  const stored = asStored(to.storage);
  const count = new Count(run.runtime, index);
  const manifest = await readManifestBytes(from, index, signal);
  const archive = index.kind === "archive" ? await stageArchive(run, from, index, count, signal) : undefined;
  await using staged = archive;
  if (index.kind === "snapshot") await copyParts(run, from, index, count, signal);
  await lease.check(signal);
  if ((await stateOfIndex(to.storage, database, id, signal)) === "there")
    throw new AppError("object_exists", `write the index of ${id}: it is there already`);
  try {
    await writeMark(to.storage, index, "write", signal);
    await staged?.publish();
    // What was read while it was sealed anew there may be sealed to some of the keys alone.
    await requireSealedAlike(from, signal);
    // A void one keeps a late writer from naming what may be gone. Whoever comes late now writes these very bytes, and
    // everything they name is there.
    if ((await stateOfIndex(to.storage, database, id, signal)) === "void")
      await to.storage.delete(indexKey(database, id), signal);
    await writeManifest(stored, { index, ...manifest }, lease, signal);
  } catch (error) {
    await tidyUp(run, index, error);
    throw error;
  }
  for (const data of [manifest.indexData, manifest.tablesData, manifest.contentData])
    count.copied(data.length);
  return count.totals;
}

class Count {
  readonly #runtime: Runtime;
  readonly #phase: string;
  #objects = 0;
  #bytes = 0;
  #thereObjects = 0;
  #thereBytes = 0;

  constructor(runtime: Runtime, { id }: BackupIndex) {
    this.#runtime = runtime;
    this.#phase = `copy ${id}`;
  }

  copied(bytes: number): void {
    this.#objects += 1;
    this.#bytes += bytes;
    this.told(0);
  }

  there(bytes: number): void {
    this.#thereObjects += 1;
    this.#thereBytes += bytes;
  }

  /** @param more bytes of an object that is not complete yet */
  told(more: number): void {
    this.#runtime.reporter.progress({ phase: this.#phase, bytes: this.#bytes + more });
  }

  get totals(): CopyTotals {
    return {
      objects: this.#objects,
      bytes: this.#bytes,
      thereObjects: this.#thereObjects,
      thereBytes: this.#thereBytes,
    };
  }
}

/** The manifest as it is stored; its index is the one that was listed. */
async function readManifestBytes(from: Repository, index: BackupIndex, signal: AbortSignal) {
  const { database, id } = index;
  const key = indexKey(database, id);
  const indexData = await asStored(from.storage).get(key, signal);
  if (isVoid(textOf(from.storage, key, indexData))) {
    throw new AppError("backup_missing", `read backup ${id} of ${database}: it was deleted meanwhile`);
  }
  const wanted: Wanted[] = [
    { key: tablesKey(database, id), what: `the tables of ${id}`, ref: index.tables },
    { key: contentKey(database, id), what: `the content of ${id}`, ref: index.content },
  ];
  const [tablesData, contentData] = await getStored(from.storage, wanted, { sealedToAll: true }, signal);
  return { indexData, tablesData: sound(tablesData), contentData: sound(contentData) };
}

function sound(data: Buffer | AppError | undefined): Buffer {
  if (data === undefined || data instanceof AppError)
    throw data ?? new AppError("unexpected", "read a manifest: no answer");
  return data;
}

/** Undefined when the very file is there under its name; somebody put it there, or an index of it was lost. */
async function stageArchive(
  { to }: CopyRun,
  from: Repository,
  { archive }: ArchiveIndex,
  count: Count,
  signal: AbortSignal,
) {
  const { key } = archive;
  const wanted = { key, what: `the archive ${key}`, ref: archive };
  const size = storedSize(from.storage, wanted);
  if ((await to.storage.stat(key, signal)) !== undefined) {
    if (!(await isSameArchive(to.storage, { key, ...asItLies(archive) }, signal))) throw nameTaken(to, key);
    count.there(size);
    return undefined;
  }
  const staged = await asStored(to.storage).stage(key, signal);
  try {
    let written = 0;
    const told = (bytes: number): void => {
      written += bytes;
      count.told(written);
    };
    await fillStaged(staged, from.storage, wanted, signal, told);
    count.copied(size);
    return staged;
  } catch (error) {
    await staged[Symbol.asyncDispose]();
    throw error;
  }
}

// The name is in the index, and indexes are copied as they are: under another name it would be another backup.
function nameTaken({ place }: Repository, key: string): AppError {
  return new AppError("object_exists", `write ${placeOfKey(place, key)}: another file has that name`, {
    hint: "move that file out of the database's folder, and run `handled copy` again",
  });
}

// As many as are looked at and copied together.
const TOGETHER = 4096;

async function copyParts(
  run: CopyRun,
  from: Repository,
  index: SnapshotIndex,
  count: Count,
  signal: AbortSignal,
): Promise<void> {
  const { database } = index;
  const lists = new Map<string, PartRef>();
  for (const { partList } of await readTables(from, index, signal))
    if (partList !== null) lists.set(partList.name, partList);
  const added: Buffer[] = [];
  const bring = async (refs: readonly PartRef[], wantedOf: (ref: PartRef) => Wanted): Promise<void> => {
    await run.lease.check(signal);
    const missing = await missingOf(run, refs, wantedOf, count, signal);
    const wanted = missing.map((ref) => wantedOf(ref));
    await copyObjects(from.storage, run.to.storage, wanted, run.jobs, signal);
    for (const ref of missing) {
      added.push(packName(ref.name));
      count.copied(storedSize(run.to.storage, wantedOf(ref)));
    }
  };
  // Of one snapshot each part is taken once, though two tables or ranges may name it.
  const seen = new ByteTable(NAME_BYTES, 0);
  let waiting: PartRef[] = [];
  const part = (ref: PartRef): Wanted => ({
    key: partKey(database, ref.name),
    what: `part ${ref.name}`,
    ref,
  });
  for (const list of lists.values()) {
    const { ranges } = await readPartList(from, database, list, signal);
    for await (const { parts } of ranges) {
      for (const { name, size, sha256 } of parts) {
        if (seen.add(packName(name)).added) waiting.push({ name, size, sha256 });
      }
      if (waiting.length < TOGETHER) continue;
      await bring(waiting, part);
      waiting = [];
    }
  }
  await bring(waiting, part);
  await bring([...lists.values()], (ref) => ({
    key: partListKey(database, ref.name),
    what: `part list ${ref.name}`,
    ref,
  }));
  // Only now: an index that leads to them is about to be written, and fails this run if it is not.
  for (const name of added) run.named.add(name);
}

/** What no index there leads to, or what is not there in its size. */
async function missingOf(
  { to, named }: CopyRun,
  refs: readonly PartRef[],
  wantedOf: (ref: PartRef) => Wanted,
  count: Count,
  signal: AbortSignal,
): Promise<PartRef[]> {
  const known = refs.filter(({ name }) => named.find(packName(name)) !== undefined);
  const sizes = await to.storage.sizes(
    known.map((ref) => wantedOf(ref).key),
    signal,
  );
  const there = new Set(known.filter(({ size }, at) => sizes[at] === size));
  for (const ref of there) count.there(storedSize(to.storage, wantedOf(ref)));
  return refs.filter((ref) => !there.has(ref));
}

/**
 * A failed copy is undone as the next writer would undo it. Whoever took the lease over has done so already, and may have
 * begun the same copy: then only an index that leads to no archive goes.
 */
async function tidyUp({ runtime, to, lease }: CopyRun, index: BackupIndex, error: unknown): Promise<void> {
  // Not the run's signal: an interrupted run has to tidy up as well.
  const { signal } = new AbortController();
  const { database, id } = index;
  try {
    if (!isAppError(error, "lease_lost") && !lease.lost.aborted) {
      await recoverUnfinished(runtime, to, database, lease, signal);
      return;
    }
    if (index.kind === "snapshot" || (await to.storage.stat(index.archive.key, signal)) !== undefined) return;
    await to.storage.delete(indexKey(database, id), signal);
  } catch (cleanup) {
    runtime.reporter.warn(
      `what the copy of ${id} left in ${to.place} stays for the next run: ${messageOf(cleanup)}`,
    );
  }
}
