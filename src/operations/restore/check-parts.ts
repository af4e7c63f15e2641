import { AppError, inOperation, isAppError } from "../../errors.ts";
import { partKey } from "../../repository/layout.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import { readPartList } from "../../repository/part-lists.ts";
import { packedName, packedSize, PackedParts } from "../../repository/part-table.ts";
import type { Storage } from "../../storage/storage.ts";
import type { SnapshotSource } from "./source.ts";

// Enough for a place that lists whole folders; 1.3 MB.
const AT_ONCE = 16_384;

/**
 * Reads the part lists of tables, and looks whether each part that they name is there in the size it was stored with.
 * Fails with `backup_damaged`, naming the table and the part.
 */
export async function checkParts(
  source: SnapshotSource,
  tables: readonly SnapshotTable[],
  signal: AbortSignal,
): Promise<void> {
  const { repository, manifest } = source;
  const waiting = new PackedParts(AT_ONCE);
  for (const { schema, name, partList } of tables) {
    if (partList === null) continue;
    const what = `${schema}.${name}`;
    try {
      const { ranges } = await readPartList(repository, manifest.index.database, partList, signal);
      for await (const { parts } of ranges) {
        for (const part of parts) {
          waiting.add(part);
          if (waiting.isFull) await checkSizes(source, waiting, signal);
        }
      }
      await checkSizes(source, waiting, signal);
    } catch (error) {
      if (!isAppError(error, "backup_damaged")) throw error;
      throw inOperation(`check the rows of ${what}`, error);
    }
  }
}

/** Whether another place has it, from which it will be loaded. */
async function isElsewhere(
  { others }: Storage,
  key: string,
  size: number,
  signal: AbortSignal,
): Promise<boolean> {
  for (const other of others?.storages ?? []) if ((await other.stat(key, signal))?.size === size) return true;
  return false;
}

/** Looks at those that wait, and lets them go. */
async function checkSizes(
  { repository, manifest }: SnapshotSource,
  waiting: PackedParts,
  signal: AbortSignal,
): Promise<void> {
  const keyOf = (row: Buffer): string => partKey(manifest.index.database, packedName(row));
  const sizes = await repository.storage.sizes(waiting.rows().map(keyOf), signal);
  let at = 0;
  for (const row of waiting.rows()) {
    const found = sizes[at];
    at += 1;
    const size = packedSize(row);
    if (found === size || (await isElsewhere(repository.storage, keyOf(row), size, signal))) continue;
    const state = found === undefined ? "is not there" : `has ${found} bytes, it should have ${size}`;
    const part = packedName(row);
    throw new AppError("backup_damaged", `part ${part} ${state}`, { details: { key: keyOf(row), part } });
  }
  waiting.clear();
}
