import { AppError, inOperation, isAppError } from "../../errors.ts";
import { partKey } from "../../repository/layout.ts";
import type { SnapshotTable } from "../../repository/manifest.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import { readPartList } from "../../repository/part-lists.ts";
import type { SnapshotSource } from "./source.ts";

// Enough to hide the latency of a network mount, few enough to be garbage soon.
const AT_ONCE = 512;

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
        await checkSizes(source, waiting, signal);
        waiting = [];
      }
      await checkSizes(source, waiting, signal);
    } catch (error) {
      if (!isAppError(error, "backup_damaged")) throw error;
      throw inOperation(`check the rows of ${what}`, error);
    }
  }
}

async function checkSizes(
  { repository, manifest }: SnapshotSource,
  parts: readonly PartLine[],
  signal: AbortSignal,
): Promise<void> {
  const keys = parts.map(({ name }) => partKey(manifest.index.database, name));
  const sizes = await repository.storage.sizes(keys, signal);
  for (const [at, part] of parts.entries()) {
    const found = sizes[at];
    if (found === part.size) continue;
    const state = found === undefined ? "is not there" : `has ${found} bytes, it should have ${part.size}`;
    throw new AppError("backup_damaged", `part ${part.name} ${state}`, {
      details: { key: keys[at], part: part.name },
    });
  }
}
