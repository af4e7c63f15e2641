import { AppError, inOperation, isAppError } from "../../errors.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartListHeader } from "../../repository/part-list-lines.ts";
import { type PartList, readPartList } from "../../repository/part-lists.ts";
import type { Repository } from "../../repository/repository.ts";
import { partsOf } from "./load-rows.ts";
import { readRows } from "./load-text.ts";
import { batchesOf } from "./part-batches.ts";
import { addDigests, RowDigest, ZERO_DIGEST } from "./row-digest.ts";

export interface StoredRows {
  readonly repository: Repository;
  readonly database: string;
  /** So many bytes of a table's COPY text more; `schema.name`. */
  readonly told: (table: string, bytes: number) => void;
}

/**
 * The COPY text of all rows of one table, or of large objects, part by part. Every part is checked before its last piece
 * is given, and the whole before the end: a difference is `backup_damaged`, naming table and part.
 */
export async function openRows(
  stored: StoredRows,
  table: SnapshotTable,
  signal: AbortSignal,
): Promise<{ readonly header: PartListHeader; readonly text: AsyncGenerator<Buffer> } | undefined> {
  const { partList } = table;
  if (partList === null) return undefined;
  const list = await naming(table, () => readPartList(stored.repository, stored.database, partList, signal));
  return { header: list.header, text: textOf(stored, table, list, signal) };
}

async function* textOf(
  { repository, database, told }: StoredRows,
  table: SnapshotTable,
  list: PartList,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const place = { storage: repository.storage, database };
  const label = `${table.schema}.${table.name}`;
  const digest = new RowDigest();
  const found = { rows: 0, digest: ZERO_DIGEST };
  try {
    for await (const parts of batchesOf(partsOf(list))) {
      for await (const piece of readRows(place, parts, digest, signal)) {
        told(label, piece.length);
        yield piece;
      }
      for (const part of parts) {
        found.rows += part.rows;
        found.digest = addDigests(found.digest, part.digest);
      }
    }
    if (found.rows !== table.rows || found.digest !== table.digest) {
      throw new AppError("backup_damaged", "its parts are not all that it had", {
        details: { rows: found.rows, expected: table.rows },
      });
    }
  } catch (error) {
    throw named(table, error);
  }
}

async function naming<T>(table: SnapshotTable, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw named(table, error);
  }
}

function named({ schema, name }: SnapshotTable, error: unknown): unknown {
  return isAppError(error, "backup_damaged") ? inOperation(`export ${schema}.${name}`, error) : error;
}
