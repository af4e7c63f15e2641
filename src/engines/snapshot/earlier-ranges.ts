import { isAppError } from "../../errors.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartRange } from "../../repository/part-list-lines.ts";
import { type PartList, readPartList } from "../../repository/part-lists.ts";
import type { Repository } from "../../repository/repository.ts";
import { type BlockRange, cutTable, type SourceTable } from "./tables.ts";
import type { TypeSignature } from "./type-signature.ts";

/** An earlier snapshot that this one may build on: every guard that concerns the server as a whole was passed. */
export interface Baseline {
  /** Lower bound of its snapshot. */
  readonly xmin: string;
  /** Its tables by their quoted name. */
  readonly tables: ReadonlyMap<string, SnapshotTable>;
}

/** The earlier snapshot's ranges of a table, in order; or why they say nothing about it now. */
export type EarlierTable =
  | { readonly list: PartList; readonly rangeBlocks: number | null }
  | { readonly reason: string };

// A table whose rows became much longer or shorter is cut anew, once.
const CUT_TOLERANCE = 4;

/**
 * Opens the earlier part list of a table if the table still is what it was: the same file in the same database (guard
 * G2), the same columns and types (G4), the same statement (G5), types that depend on nothing else (G6).
 */
export async function openEarlier(
  repository: Repository,
  database: string,
  table: SourceTable,
  signature: TypeSignature | undefined,
  earlier: SnapshotTable | undefined,
  signal: AbortSignal,
): Promise<EarlierTable> {
  const reason = reasonToReadAll(table, signature, earlier);
  if (reason !== undefined) return { reason };
  if (earlier?.partList == null) return { reason: "the last snapshot has no rows of it" };
  let list: PartList;
  try {
    list = await readPartList(repository, database, earlier.partList, signal);
  } catch (error) {
    // Damage costs the knowledge of what it damaged, nothing else.
    if (!isAppError(error, "backup_damaged") && !isAppError(error, "repository_version")) throw error;
    return { reason: `the last snapshot's list of it cannot be read: ${error.message}` };
  }
  const { header } = list;
  const differs = differenceOf(table, header);
  if (differs === undefined) return { list, rangeBlocks: header.rangeBlocks };
  await list.ranges.return(undefined);
  return { reason: differs };
}

function reasonToReadAll(
  table: SourceTable,
  signature: TypeSignature | undefined,
  earlier: SnapshotTable | undefined,
): string | undefined {
  const never = reasonNeverToReuse(table, signature);
  if (never !== undefined) return never;
  if (earlier === undefined) return "it was not in the last snapshot";
  const { identity } = earlier;
  if (identity === null) return "it could not be reused from the last snapshot";
  if (identity.databaseOid !== table.file?.databaseOid || identity.tableOid !== table.file.tableOid)
    return "it is another table than in the last snapshot";
  if (identity.filenode !== table.file.filenode) return "it was rewritten since the last snapshot";
  if (identity.signature !== signature?.signature) return "its columns or types changed";
  return undefined;
}

/** Why no snapshot may ever reuse the table as it is now; undefined where one may. */
export function reasonNeverToReuse(
  table: SourceTable,
  signature: TypeSignature | undefined,
): string | undefined {
  if (table.alwaysRead !== null) return table.alwaysRead;
  if (table.file === null || signature === undefined) return "nothing identifies it";
  if (signature.unsafe.length === 0) return undefined;
  return `always read, for the text of ${signature.unsafe.join(", ")} may change by itself`;
}

function differenceOf(table: SourceTable, header: PartList["header"]): string | undefined {
  const sameColumns =
    header.columns.length === table.columns.length &&
    header.columns.every((column, index) => column === table.columns[index]);
  if (!sameColumns || header.copy !== table.copyIn) return "it is copied in another way";
  if (header.rangeBlocks === null || table.rangeBlocks === null) return "it is not cut into ranges";
  const ratio = header.rangeBlocks / table.rangeBlocks;
  return ratio >= CUT_TOLERANCE || ratio <= 1 / CUT_TOLERANCE
    ? "its rows became longer or shorter"
    : undefined;
}

/** A range as it is cut now, and what the earlier snapshot had there. */
export interface MatchedRange {
  readonly range: BlockRange;
  readonly earlier: PartRange | undefined;
}

/** The ranges of a table, each with the earlier one of the same blocks where that says something about it. */
export async function* matchRanges(
  blocks: number,
  rangeBlocks: number | null,
  earlier: AsyncGenerator<PartRange> | undefined,
): AsyncGenerator<MatchedRange> {
  try {
    let next = await earlier?.next();
    for (const range of cutTable(blocks, rangeBlocks)) {
      while (next?.done === false && next.value.from < range.from) next = await earlier?.next();
      const found = next?.done === false && next.value.from === range.from ? next.value : undefined;
      yield { range, earlier: found !== undefined && contains(found, range) ? found : undefined };
    }
  } finally {
    // Closes the object that is being read.
    await earlier?.return(undefined);
  }
}

/** The proof needs that what is asked about now was asked about then. */
function contains(earlier: BlockRange, now: BlockRange): boolean {
  return earlier.to === null || (now.to !== null && now.to <= earlier.to);
}
