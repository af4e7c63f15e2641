import { isAppError, messageOf } from "../errors.ts";
import { ByteTable } from "./byte-table.ts";
import { partKey } from "./layout.ts";
import { isSnapshot, listBackups } from "./listing.ts";
import type { PartName, SnapshotIndex } from "./manifest.ts";
import { readTables } from "./manifests.ts";
import { lookAgain } from "./look-again.ts";
import { readPartList } from "./part-lists.ts";
import { NAME_BYTES, packName } from "./part-names.ts";
import { packedName, packedSize, PackedParts, PartTable } from "./part-table.ts";
import type { Repository } from "./repository.ts";
import type { PartRef } from "./stored-parts.ts";

// 92 bytes each, so at most some 95 MB: a database of 8 TB in parts of 8 MiB. Parts beyond are stored once more when
// their rows are read again; that costs space, never a row.
const MOST_PARTS = 1_000_000;
// Text that vanished from a table and came back later is rare; the newest backups have nearly all there is to find.
const MOST_BACKUPS = 3;

/** The parts that count as being there, by the hash of their text. */
export interface KnownParts {
  readonly count: number;
  /** Why some lists were passed over, in words: their parts are stored anew. */
  readonly skipped: readonly string[];
  /** The snapshots among those looked at that cannot be restored whole for it, newest first. */
  readonly lostBy: readonly LostBy[];
  /** Whether a part that is named was found not to be there, or is damaged. */
  isLost(name: PartName): boolean;
  /** The part that has this text (SHA-256 in hexadecimal); undefined when it has to be written. */
  find(textHash: string): PartRef | undefined;
  /** Adds a part that this run wrote, so that equal text is written once. */
  add(part: PartRef): void;
}

/** What a snapshot lacks, as far as it was looked at. */
export interface LostBy {
  readonly index: SnapshotIndex;
  /** Why its list of tables cannot be read. */
  readonly tables: string | undefined;
  /** Why part lists cannot be read, of it or of others. */
  readonly lists: ReadonlyMap<PartName, string>;
}

export interface KnownOptions {
  readonly parts?: number;
  readonly backups?: number;
  /** The snapshots to look in, newest first; default: all that are there. */
  readonly snapshots?: readonly SnapshotIndex[];
  /** The one whose ranges are to be reused: it is looked at first, and all of it. */
  readonly builtOn?: SnapshotIndex | null;
  /** Parts that somebody read and found damaged. */
  readonly damaged?: ReadonlySet<PartName>;
}

/**
 * What the newest backups' part lists name. A part counts as already there only if a readable index names it: anything
 * else in the folder may be half of a crash, or about to be collected. Must be called under the lease, after
 * `recoverUnfinished`. Lists that cannot be read are passed over.
 *
 * Each part is looked at: one that somebody removed or cut short must not get into a new backup, which would be called
 * good while it cannot be restored. That this is done before the run and not at its end is enough. Nothing of ours
 * deletes a named part while the lease is held, and a collector that lost its lease and woke up late deletes names that no
 * index has. Whoever deletes without asking can do so a moment after any look; what he did before this one is found.
 */
export async function knownParts(
  repository: Repository,
  database: string,
  signal: AbortSignal,
  {
    parts = MOST_PARTS,
    backups = MOST_BACKUPS,
    snapshots,
    builtOn = null,
    damaged = new Set(),
  }: KnownOptions = {},
): Promise<KnownParts> {
  const known = new PartTable(parts);
  const skipped: string[] = [];
  const others = snapshots ?? (await listBackups(repository, database, signal)).backups.filter(isSnapshot);
  const there = builtOn === null ? others : [builtOn, ...others.filter(({ id }) => id !== builtOn.id)];
  const looked: (Omit<LostBy, "lists"> & { readonly names: readonly PartName[] })[] = [];
  const unread = new Map<PartName, string>();
  const seen = new Set<PartName>();
  const look = new Looker(repository, database, known, damaged);
  for (const index of there.slice(0, backups)) {
    let lists: PartRef[] = [];
    const tables = await whyUnread(skipped, async () => {
      lists = await listsOf(repository, index, signal);
    });
    looked.push({ index, tables, names: lists.map(({ name }) => name) });
    for (const list of lists) {
      if (seen.has(list.name) || (known.isFull && index !== builtOn)) continue;
      seen.add(list.name);
      const reason = await whyUnread(skipped, async () => {
        const { ranges } = await readPartList(repository, database, list, signal);
        for await (const range of ranges) {
          for (const part of range.parts) {
            look.add(part, list.name);
            if (look.isFull) await look.finish(signal);
          }
        }
      });
      if (reason !== undefined) unread.set(list.name, reason);
    }
    await look.finish(signal);
  }
  const lostBy = looked.flatMap(({ index, tables, names }): LostBy[] => {
    const isWhole =
      tables === undefined && !names.some((name) => look.lostLists.has(name) || unread.has(name));
    return isWhole ? [] : [{ index, tables, lists: unread }];
  });
  return {
    get count() {
      return known.size;
    },
    skipped,
    lostBy,
    isLost: (name) => look.lost.find(packName(name)) !== undefined,
    find: (textHash) => known.find(textHash),
    add: (part) => known.add(part),
  };
}

// Enough for a place that lists whole folders; 1.3 MB.
const LOOK_TOGETHER = 16_384;

/** Looks at what lists name, many at a time, and makes known what is there. */
class Looker {
  /** Names of parts that cannot be relied on: all there are, should somebody have removed the folder. */
  readonly lost = new ByteTable(NAME_BYTES, 0);
  /** The lists that name any of them. */
  readonly lostLists = new Set<PartName>();
  readonly #repository: Repository;
  readonly #database: string;
  readonly #known: PartTable;
  readonly #damaged: ReadonlySet<PartName>;
  readonly #waiting = new PackedParts(LOOK_TOGETHER);
  /** The lists that name those that wait. */
  #lists: PartName[] = [];

  constructor(repository: Repository, database: string, known: PartTable, damaged: ReadonlySet<PartName>) {
    this.#repository = repository;
    this.#database = database;
    this.#known = known;
    this.#damaged = damaged;
  }

  get isFull(): boolean {
    return this.#waiting.isFull;
  }

  add(part: PartRef, list: PartName): void {
    const packed = packName(part.name);
    if (this.#damaged.has(part.name) || this.lost.find(packed) !== undefined) {
      this.#lose(packed, list);
    } else if (!this.#known.has(packed)) {
      this.#waiting.add(part);
      this.#lists.push(list);
    }
  }

  async finish(signal: AbortSignal): Promise<void> {
    const lists = this.#lists;
    this.#lists = [];
    const { storage } = this.#repository;
    const keyOf = (row: Buffer): string => partKey(this.#database, packedName(row));
    try {
      const sizes = await storage.sizes(this.#waiting.rows().map(keyOf), signal);
      let at = 0;
      const amiss: { readonly row: Buffer; readonly list: PartName }[] = [];
      for (const row of this.#waiting.rows()) {
        const list = lists[at];
        if (sizes[at] === packedSize(row)) this.#known.addPacked(row);
        else if (list !== undefined) amiss.push({ row: Buffer.from(row), list });
        at += 1;
      }
      const keys = amiss.map(({ row }) => keyOf(row));
      const again = await lookAgain(storage, keys, signal);
      for (const [n, { row, list }] of amiss.entries()) {
        if (again[n] === packedSize(row)) this.#known.addPacked(row);
        else this.#lose(row.subarray(0, NAME_BYTES), list);
      }
    } finally {
      this.#waiting.clear();
    }
  }

  #lose(packed: Buffer, list: PartName): void {
    this.lost.add(packed);
    this.lostLists.add(list);
  }
}

async function listsOf(
  repository: Repository,
  index: SnapshotIndex,
  signal: AbortSignal,
): Promise<PartRef[]> {
  return (await readTables(repository, index, signal)).flatMap(({ partList }) => partList ?? []);
}

/**
 * Damage costs the knowledge of what it damaged, nothing else.
 * @returns what is damaged or missing, in words; what a newer program wrote is passed over, and is neither
 */
async function whyUnread(skipped: string[], work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    const isDamage = isAppError(error, "backup_damaged") || isAppError(error, "object_missing");
    if (!isDamage && !isAppError(error, "repository_version")) throw error;
    skipped.push(messageOf(error));
    return isDamage ? messageOf(error) : undefined;
  }
}
