import { isAppError, messageOf } from "../errors.ts";
import { ByteTable } from "./byte-table.ts";
import { isSnapshot, listBackups } from "./listing.ts";
import type { SnapshotIndex } from "./manifest.ts";
import { readTables } from "./manifests.ts";
import { readPartList } from "./part-lists.ts";
import { HASH_BYTES, NAME_BYTES, packName, unpackName } from "./part-names.ts";
import type { Repository } from "./repository.ts";
import type { PartRef } from "./stored-parts.ts";

// 92 bytes each, so at most some 95 MB: a database of 8 TB in parts of 8 MiB. Parts beyond are stored once more when
// their rows are read again; that costs space, never a row.
const MOST_PARTS = 1_000_000;
// Text that vanished from a table and came back later is rare; the newest backups have nearly all there is to find.
const MOST_BACKUPS = 3;

// The random half of the name, the stored size, the hash of the stored bytes.
const SIZE_BYTES = 6;
const TAG_BYTES = NAME_BYTES - HASH_BYTES;
const VALUE_BYTES = TAG_BYTES + SIZE_BYTES + HASH_BYTES;

/** The parts that count as being there, by the hash of their text. */
export interface KnownParts {
  readonly count: number;
  /** Why some lists were passed over, in words: their parts are stored anew. */
  readonly skipped: readonly string[];
  /** The part that has this text (SHA-256 in hexadecimal); undefined when it has to be written. */
  find(textHash: string): PartRef | undefined;
  /** Adds a part that this run wrote, so that equal text is written once. */
  add(part: PartRef): void;
}

export interface KnownLimits {
  readonly parts?: number;
  readonly backups?: number;
  /** The snapshots to look in, newest first; default: all that are there. */
  readonly snapshots?: readonly SnapshotIndex[];
}

/**
 * What the newest backups' part lists name. A part counts as already there only if a readable index names it: anything
 * else in the folder may be half of a crash, or about to be collected. Must be called under the lease, after
 * `recoverUnfinished`. Lists that cannot be read are passed over.
 */
export async function knownParts(
  repository: Repository,
  database: string,
  signal: AbortSignal,
  { parts: limit = MOST_PARTS, backups: newest = MOST_BACKUPS, snapshots }: KnownLimits = {},
): Promise<KnownParts> {
  const table = new ByteTable(HASH_BYTES, VALUE_BYTES);
  const skipped: string[] = [];
  const add = (part: PartRef): void => {
    if (table.size < limit) addPart(table, part);
  };
  const there = snapshots ?? (await listBackups(repository, database, signal)).backups.filter(isSnapshot);
  const seen = new Set<string>();
  for (const index of there.slice(0, newest)) {
    for (const list of await listsOf(repository, index, skipped, signal)) {
      if (table.size >= limit || seen.has(list.name)) continue;
      seen.add(list.name);
      await orSkip(skipped, async () => {
        const { ranges } = await readPartList(repository, database, list, signal);
        for await (const { parts } of ranges) for (const part of parts) add(part);
      });
    }
  }
  return {
    get count() {
      return table.size;
    },
    skipped,
    find: (textHash) => findPart(table, textHash),
    add,
  };
}

async function listsOf(
  repository: Repository,
  index: SnapshotIndex,
  skipped: string[],
  signal: AbortSignal,
): Promise<PartRef[]> {
  const lists: PartRef[] = [];
  await orSkip(skipped, async () => {
    for (const { partList } of await readTables(repository, index, signal)) {
      if (partList !== null) lists.push(partList);
    }
  });
  return lists;
}

/** Damage costs the knowledge of what it damaged, nothing else. */
async function orSkip(skipped: string[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const codes = ["backup_damaged", "object_missing", "repository_version"] as const;
    if (!codes.some((code) => isAppError(error, code))) throw error;
    skipped.push(messageOf(error));
  }
}

function addPart(table: ByteTable, { name, size, sha256 }: PartRef): void {
  const packed = packName(name);
  const { added, value } = table.add(packed.subarray(0, HASH_BYTES));
  // The newest backup's own stays: the others may go first.
  if (!added) return;
  packed.copy(value, 0, HASH_BYTES);
  value.writeUIntLE(size, TAG_BYTES, SIZE_BYTES);
  value.write(sha256, TAG_BYTES + SIZE_BYTES, "hex");
}

function findPart(table: ByteTable, textHash: string): PartRef | undefined {
  const key = Buffer.from(textHash, "hex");
  const value = table.find(key);
  if (value === undefined) return undefined;
  return {
    name: unpackName(Buffer.concat([key, value.subarray(0, TAG_BYTES)])),
    size: value.readUIntLE(TAG_BYTES, SIZE_BYTES),
    sha256: value.toString("hex", TAG_BYTES + SIZE_BYTES),
  };
}
