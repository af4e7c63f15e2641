import { AppError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import { withOthers } from "../storage/others.ts";
import { copyObjects } from "./copy-objects.ts";
import { contentKey, indexKey, partKey, partListKey, tablesKey } from "./layout.ts";
import type { Lease } from "./lease.ts";
import type { BackupId, BackupIndex, SnapshotIndex } from "./manifest.ts";
import { readIndex, readTables } from "./manifests.ts";
import { readPartList } from "./part-lists.ts";
import type { Repository } from "./repository.ts";
import { asStored } from "./sealing/sealed-storage.ts";
import { compareStored, getStored, storedSize } from "./sealing/stored-object.ts";
import type { PartRef, Wanted } from "./stored-parts.ts";

/** What became of the damage in one place. */
export interface Mended {
  /** Keys of the objects that are right again, and their bytes as stored. */
  readonly keys: readonly string[];
  readonly bytes: number;
  /** What no other place has intact. */
  readonly left: readonly string[];
}

/** One place to be mended, and those that may have what it lost. */
export interface MendRun {
  readonly to: Repository;
  readonly others: readonly Repository[];
  /** Of the place to be mended; `recoverUnfinished` has run under it. */
  readonly lease: Lease;
}

// Held in memory together, as when they are copied.
const LARGEST_HELD = 8 * 1024 * 1024;
const TOGETHER = 64;

// What is sealed to fewer keys than the repository names is right where it lies, but replaces nothing.
const STRICT = { sealedToAll: true };
const LENIENT = { sealedToAll: false };

/**
 * Reads every object of a backup, and replaces each that is missing or damaged by the same object of another place, whose
 * size and SHA-256 were compared first. The index goes last. Throws what keeps a place from being read or written at all.
 */
export async function mendBackup(
  run: MendRun,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<Mended> {
  const { to, others, lease } = run;
  const mender = new Mender(run, signal);
  const here = await orUndefined(() => readIndex(to, database, id, signal));
  const found = here === undefined ? await soundIndex(others, database, id, signal) : undefined;
  const index = here ?? found?.index;
  if (index === undefined) return { ...mender.result, left: [indexKey(database, id)] };
  const { tables, content } = index;
  await mender.mend([
    { key: tablesKey(database, id), what: `the tables of ${id}`, ref: tables },
    { key: contentKey(database, id), what: `the content of ${id}`, ref: content },
  ]);
  if (index.kind === "archive") {
    const { key } = index.archive;
    await mender.mend([{ key, what: `the archive ${key}`, ref: index.archive }]);
  } else {
    await mendParts(run, index, mender, signal);
  }
  // An index must lead to nothing that is not there.
  if (found !== undefined && mender.result.left.length === 0) {
    await lease.check(signal);
    await asStored(to.storage).put(indexKey(database, id), found.data, signal);
    mender.count(indexKey(database, id), found.data.length);
  }
  return mender.result;
}

async function soundIndex(
  others: readonly Repository[],
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<{ readonly index: BackupIndex; readonly data: Buffer } | undefined> {
  for (const other of others) {
    const index = await orUndefined(() => readIndex(other, database, id, signal));
    if (index !== undefined)
      return { index, data: await asStored(other.storage).get(indexKey(database, id), signal) };
  }
  return undefined;
}

async function orUndefined<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return undefined;
  }
}

async function mendParts(
  { to, others }: MendRun,
  index: SnapshotIndex,
  mender: Mender,
  signal: AbortSignal,
): Promise<void> {
  const { database } = index;
  const storages = others.map(({ storage }) => storage);
  const anywhere: Repository = { ...to, storage: withOthers(to.storage, storages, () => {}) };
  const tables = await orUndefined(() => readTables(anywhere, index, signal));
  // That they are lost everywhere was counted.
  if (tables === undefined) return;
  const lists = tables.flatMap(({ partList }) => partList ?? []);
  await mender.mend(lists.map((ref) => wantedOf(partListKey(database, ref.name), "part list", ref)));
  for (const list of lists) {
    const read = await orUndefined(() => readPartList(anywhere, database, list, signal));
    if (read === undefined) continue;
    let waiting: Wanted[] = [];
    for await (const { parts } of read.ranges) {
      for (const ref of parts) waiting.push(wantedOf(partKey(database, ref.name), "part", ref));
      if (waiting.length < TOGETHER) continue;
      await mender.mend(waiting);
      waiting = [];
    }
    await mender.mend(waiting);
  }
}

const wantedOf = (key: string, kind: string, ref: PartRef): Wanted => ({
  key,
  what: `${kind} ${ref.name}`,
  ref,
});

class Mender {
  readonly #run: MendRun;
  readonly #signal: AbortSignal;
  readonly #keys: string[] = [];
  readonly #left: string[] = [];
  #bytes = 0;

  constructor(run: MendRun, signal: AbortSignal) {
    this.#run = run;
    this.#signal = signal;
  }

  get result(): Mended {
    return { keys: this.#keys, bytes: this.#bytes, left: this.#left };
  }

  count(key: string, bytes: number): void {
    this.#keys.push(key);
    this.#bytes += bytes;
  }

  /** Looks at objects, and replaces what is not right. */
  async mend(wanted: readonly Wanted[]): Promise<void> {
    const { to, lease } = this.#run;
    for (let at = 0; at < wanted.length; at += TOGETHER) {
      const some = wanted.slice(at, at + TOGETHER);
      for (const one of await wrongOf(to.storage, some, LENIENT, this.#signal)) {
        await lease.check(this.#signal);
        await this.#replace(one);
      }
    }
  }

  async #replace(one: Wanted): Promise<void> {
    // The same part may be named twice.
    if (this.#keys.includes(one.key) || this.#left.includes(one.key)) return;
    for (const { storage } of this.#run.others) {
      if ((await wrongOf(storage, [one], STRICT, this.#signal)).length > 0) continue;
      await copyObjects(storage, this.#run.to.storage, [one], 1, this.#signal);
      this.count(one.key, storedSize(storage, one));
      return;
    }
    this.#left.push(one.key);
  }
}

/** Those that are missing, damaged, or cannot be read. */
async function wrongOf(
  storage: Storage,
  wanted: readonly Wanted[],
  strictness: typeof STRICT,
  signal: AbortSignal,
): Promise<Wanted[]> {
  const small = wanted.filter(({ ref }) => ref.size <= LARGEST_HELD);
  const found = await getStored(storage, small, strictness, signal);
  const wrong = small.filter((_, at) => found[at] instanceof AppError);
  for (const one of wanted) {
    if (one.ref.size <= LARGEST_HELD) continue;
    const read = async (): Promise<true> => {
      await compareStored(storage, one, strictness, signal);
      return true;
    };
    if ((await orUndefined(read)) === undefined) wrong.push(one);
  }
  signal.throwIfAborted();
  return wrong;
}
