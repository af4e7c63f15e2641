import { messageOf, isAppError } from "../errors.ts";
import { mapBounded } from "../lib/concurrency.ts";
import { ByteTable } from "./byte-table.ts";
import type { PartName } from "./ids.ts";
import { partKey, partListKey, partNameOfKey } from "./layout.ts";
import { isSnapshot, isUnreadable } from "./listing.ts";
import type { BackupIndex, SnapshotIndex, SnapshotTable } from "./manifest.ts";
import { readTables } from "./manifests.ts";
import { readPartList } from "./part-lists.ts";
import { NAME_BYTES, packName, unpackName } from "./part-names.ts";
import type { Repository } from "./repository.ts";
import type { PartRef } from "./stored-parts.ts";

// A backup has a list for each table, most of them small.
const PARALLEL_LISTS = 8;

const SIZE_BYTES = 6;
const OWNER_AT = SIZE_BYTES;
const SEEN_AT = OWNER_AT + 4;
const IS_LIST_AT = SEEN_AT + 1;
const IS_READ_AT = IS_LIST_AT + 1;
const VALUE_BYTES = IS_READ_AT + 1;
/** In the place of an owner: several backups name it. */
const SEVERAL = 0xff_ff_ff_ff;

const UNSEEN = 0;
const SOUND = 1;
const WRONG_SIZE = 2;

/** A part or part list that an index leads to and that is not there as it should be. */
export interface Amiss {
  readonly name: PartName;
  readonly object: "part" | "part list";
  readonly key: string;
  /** Bytes that it should have. */
  readonly size: number;
}

/**
 * The parts and part lists of a database that indexes lead to: how large each is, whether one backup alone needs it, and,
 * after a listing was shown to it, whether it is there. 53 bytes each, for there may be a million.
 */
export class Holdings {
  readonly #database: string;
  readonly #objects = new ByteTable(NAME_BYTES, VALUE_BYTES);
  readonly #ids: string[] = [];

  constructor(database: string) {
    this.#database = database;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** The number that stands for a backup. */
  register(id: string): number {
    return this.#ids.push(id);
  }

  /** Says that this backup leads to the part or part list. */
  add({ name, size }: PartRef, object: Amiss["object"], owner: number): void {
    const { added, value } = this.#objects.add(packName(name));
    if (!added) {
      if (value.readUInt32LE(OWNER_AT) !== owner) value.writeUInt32LE(SEVERAL, OWNER_AT);
      return;
    }
    value.writeUIntLE(size, 0, SIZE_BYTES);
    value.writeUInt32LE(owner, OWNER_AT);
    value.writeUInt8(object === "part" ? 0 : 1, IS_LIST_AT);
  }

  /** Of a part list: who its parts belong to, the first time that it is asked; undefined afterwards. */
  takeList(name: PartName): number | undefined {
    const value = this.#objects.find(packName(name));
    if (value === undefined || value.readUInt8(IS_READ_AT) === 1) return undefined;
    value.writeUInt8(1, IS_READ_AT);
    return value.readUInt32LE(OWNER_AT);
  }

  /** Shows it an object that is stored. Undefined: it is no part and no part list. */
  see(key: string, size: number): "part" | "part list" | "unnamed" | undefined {
    const name = partNameOfKey(this.#database, key);
    if (name === undefined) return undefined;
    const value = this.#objects.find(packName(name));
    if (value === undefined) return "unnamed";
    value.writeUInt8(value.readUIntLE(0, SIZE_BYTES) === size ? SOUND : WRONG_SIZE, SEEN_AT);
    return value.readUInt8(IS_LIST_AT) === 0 ? "part" : "part list";
  }

  /**
   * By backup: bytes of what no other backup leads to, so far as they are there.
   * @param taken what an object of this size takes
   */
  ownBytes(taken: (size: number) => number): Map<string, number> {
    const sums = this.#ids.map(() => 0);
    for (const { value } of this.#objects.entries()) {
      const owner = value.readUInt32LE(OWNER_AT);
      if (owner === SEVERAL || value.readUInt8(SEEN_AT) === UNSEEN) continue;
      sums[owner - 1] = (sums[owner - 1] ?? 0) + taken(value.readUIntLE(0, SIZE_BYTES));
    }
    return new Map(this.#ids.map((id, at) => [id, sums[at] ?? 0]));
  }

  /** What was not in the listing, or with another size. */
  *amiss(): Generator<Amiss> {
    for (const { key, value } of this.#objects.entries()) {
      if (value.readUInt8(SEEN_AT) === SOUND) continue;
      const name = unpackName(key);
      const isPart = value.readUInt8(IS_LIST_AT) === 0;
      yield {
        name,
        object: isPart ? "part" : "part list",
        key: (isPart ? partKey : partListKey)(this.#database, name),
        size: value.readUIntLE(0, SIZE_BYTES),
      };
    }
  }
}

/** A backup of which something that names parts cannot be read. */
export interface Unread {
  readonly index: SnapshotIndex;
  /** The table whose part list it is; null: the list of tables itself. */
  readonly table: SnapshotTable | null;
  readonly reason: string;
}

/**
 * Reads what these backups name; each part list once, however many backups share it.
 * @returns also what could not be read, and so may name anything
 */
export async function findHoldings(
  repository: Repository,
  database: string,
  indexes: readonly BackupIndex[],
  signal: AbortSignal,
): Promise<{ readonly holdings: Holdings; readonly unread: readonly Unread[] }> {
  const holdings = new Holdings(database);
  const unread: Unread[] = [];
  const readable: SnapshotIndex[] = [];
  // All part lists first: who a part belongs to follows from who its list belongs to.
  for (const index of indexes.filter(isSnapshot)) {
    const owner = holdings.register(index.id);
    await orUnread(unread, index, null, async () => {
      for (const { partList } of await readTables(repository, index, signal)) {
        if (partList !== null) holdings.add(partList, "part list", owner);
      }
      readable.push(index);
    });
  }
  for (const index of readable) {
    await orUnread(unread, index, null, async () => {
      const tables = await readTables(repository, index, signal);
      await mapBounded(tables, PARALLEL_LISTS, async (table) => {
        const owner = table.partList === null ? undefined : holdings.takeList(table.partList.name);
        if (owner === undefined) return;
        await orUnread(unread, index, table, async () => {
          for await (const part of partsOf(repository, index, table, signal))
            holdings.add(part, "part", owner);
        });
      });
    });
  }
  return { holdings, unread };
}

/** The parts of a table, as its list names them. */
export async function* partsOf(
  repository: Repository,
  { database }: SnapshotIndex,
  { partList }: SnapshotTable,
  signal: AbortSignal,
): AsyncGenerator<PartRef> {
  if (partList === null) return;
  const { ranges } = await readPartList(repository, database, partList, signal);
  for await (const { parts } of ranges) yield* parts;
}

async function orUnread(
  unread: Unread[],
  index: SnapshotIndex,
  table: SnapshotTable | null,
  read: () => Promise<void>,
): Promise<void> {
  try {
    await read();
  } catch (error) {
    if (!isUnreadable(error) && !isAppError(error, "object_missing")) throw error;
    unread.push({ index, table, reason: messageOf(error) });
  }
}
