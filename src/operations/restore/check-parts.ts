import { AppError, inOperation, isAppError } from "../../errors.ts";
import { mapBounded } from "../../lib/concurrency.ts";
import { partKey } from "../../repository/layout.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { readPartList } from "../../repository/part-lists.ts";
import type { SnapshotSource } from "./source.ts";

// Enough to hide the latency of a network mount or an object store.
const AT_ONCE = 32;

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
  for (const { schema, name, partList } of tables) {
    if (partList === null) continue;
    const what = `${schema}.${name}`;
    try {
      const { ranges } = await readPartList(repository, manifest.index.database, partList, signal);
      let waiting: PartLine[] = [];
      for await (const { parts } of ranges) {
        waiting.push(...parts);
        if (waiting.length < AT_ONCE) continue;
        await mapBounded(waiting, AT_ONCE, (part) => checkPart(source, part, signal));
        waiting = [];
      }
      await mapBounded(waiting, AT_ONCE, (part) => checkPart(source, part, signal));
    } catch (error) {
      if (!isAppError(error, "backup_damaged")) throw error;
      throw inOperation(`check the rows of ${what}`, error);
    }
  }
}

async function checkPart(source: SnapshotSource, part: PartLine, signal: AbortSignal): Promise<void> {
  const key = partKey(source.manifest.index.database, part.name);
  const found = await source.repository.storage.stat(key, signal);
  if (found?.size === part.size) return;
  const state = found === undefined ? "is not there" : `has ${found.size} bytes, it should have ${part.size}`;
  throw new AppError("backup_damaged", `part ${part.name} ${state}`, { details: { key, part: part.name } });
}
