import { readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { latestName } from "../../engines/archive/names.ts";
import { errorCode } from "../../errors.ts";
import { databaseFolder } from "../../repository/layout.ts";
import { isArchive } from "../../repository/listing.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import type { Repository } from "../../repository/repository.ts";
import { LATEST_SHAPES } from "../latest.ts";

export interface WrongLink {
  readonly key: string;
  /** There is none, as where the file system has no links. */
  readonly isMissing: boolean;
  /** File name of the archive that it should lead to; undefined: it should not be there. */
  readonly wanted: string | undefined;
}

/**
 * The links to the newest archive of each ending that lead elsewhere, or nowhere, as `updateLatest` would make them. A
 * bucket has none, and neither have archives that are sealed.
 * @param backups those that are good, newest first
 */
export async function wrongLinks(
  { place, storage }: Repository,
  database: string,
  prefix: string,
  backups: readonly BackupIndex[],
): Promise<WrongLink[]> {
  if (/^[a-z][a-z0-9+.-]*:/i.test(place) || storage.location.seal !== undefined) return [];
  const archives = backups.filter(isArchive);
  const wrong: WrongLink[] = [];
  for (const shape of LATEST_SHAPES) {
    const name = latestName({ prefix, database, ...shape });
    const newest = archives.find(({ archive }) => latestName({ prefix, database, ...archive }) === name);
    const wanted = newest === undefined ? undefined : basename(newest.archive.key);
    const found = await targetOf(join(place, databaseFolder(database), name));
    if (found === "file" || found === wanted) continue;
    wrong.push({ key: `${databaseFolder(database)}${name}`, isMissing: found === undefined, wanted });
  }
  return wrong;
}

/** Where a link leads; undefined: there is none. Somebody's own file of that name is left alone. */
async function targetOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    // EINVAL: it is there and no link.
    return errorCode(error) === "EINVAL" ? "file" : undefined;
  }
}
