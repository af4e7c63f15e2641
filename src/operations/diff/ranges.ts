import type { BlockRange } from "../../engines/snapshot/tables.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartRange } from "../../repository/part-list-lines.ts";
import { type PartList, readPartList } from "../../repository/part-lists.ts";
import { textHashOf } from "../../repository/part-names.ts";
import type { PartRef } from "../../repository/stored-parts.ts";
import { recordingDamage } from "../record-damage.ts";
import type { BackupDetails } from "../show.ts";
import type { RangeDiff } from "./report.ts";

/** A table of a backup, to be read. */
interface StoredTable {
  readonly runtime: Runtime;
  readonly backup: BackupDetails;
  readonly table: SnapshotTable;
}

/** Reads a part list of a backup; that it is damaged is recorded. */
export async function readListOf(
  runtime: Runtime,
  { repository, index }: BackupDetails,
  list: PartRef,
  signal: AbortSignal,
): Promise<PartList> {
  const read = async () => await readPartList(repository, index.database, list, signal);
  return await recordingDamage(runtime, { repository, index }, "diff", read, signal);
}

/**
 * Compares the ranges of a table in two snapshots by the texts of their parts, with a few megabytes however many there
 * are. Null where they were cut in different ways.
 */
export async function diffRanges(
  first: StoredTable,
  second: StoredTable,
  signal: AbortSignal,
): Promise<RangeDiff | null> {
  const [a, b] = [first.table.partList, second.table.partList];
  if (a === null || b === null) return null;
  // An unchanged table shares its list.
  if (a.name === b.name) return { total: null, changed: [] };
  const one = await readListOf(first.runtime, first.backup, a, signal);
  const other = await readListOf(second.runtime, second.backup, b, signal);
  if (one.header.rangeBlocks !== other.header.rangeBlocks) {
    await Promise.all([one.ranges.return(undefined), other.ranges.return(undefined)]);
    return null;
  }
  const changed: BlockRange[] = [];
  let total = 0;
  for await (const [before, after] of pairRanges(one.ranges, other.ranges)) {
    total += 1;
    if (before !== undefined && after !== undefined && textsOf(before) === textsOf(after)) continue;
    // One without rows is as if it were not there.
    if ((before?.rows ?? 0) === 0 && (after?.rows ?? 0) === 0) continue;
    changed.push(boundsOf(after ?? before));
  }
  return { total, changed };
}

/** Which text the rows of a range are, whatever objects they are stored in. */
const textsOf = ({ parts }: PartRange): string => parts.map(({ name }) => textHashOf(name)).join(" ");

function boundsOf(range: BlockRange | undefined): BlockRange {
  return { from: range?.from ?? 0, to: range?.to ?? null };
}

/** Goes through two lists of ranges, each in the order of its blocks, and pairs those that begin at the same block. */
export async function* pairRanges<A extends BlockRange, B extends BlockRange>(
  first: AsyncIterable<A> | Iterable<A>,
  second: AsyncIterable<B> | Iterable<B>,
): AsyncGenerator<[A | undefined, B | undefined]> {
  const [as, bs] = [iterate(first), iterate(second)];
  let [a, b] = [await as.next(), await bs.next()];
  while (a.done !== true || b.done !== true) {
    const [fromA, fromB] = [startOf(a), startOf(b)];
    const [takeA, takeB] = [fromA <= fromB, fromB <= fromA];
    yield [takeA && a.done !== true ? a.value : undefined, takeB && b.done !== true ? b.value : undefined];
    if (takeA) a = await as.next();
    if (takeB) b = await bs.next();
  }
}

async function* iterate<T>(items: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T, undefined> {
  yield* items;
}

const startOf = (next: IteratorResult<BlockRange, undefined>): number =>
  next.done === true ? Infinity : next.value.from;
