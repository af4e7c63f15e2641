import { AppError, isAppError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import { isInDatabaseFolder, unfinishedKey } from "./layout.ts";
import {
  type ArchiveFile,
  type BackupId,
  type BackupIndex,
  FORMAT_VERSION,
  UnfinishedMark,
} from "./manifest.ts";
import { encodeJson, parseVersioned } from "./parse.ts";

/** Says, durably, that the objects of a backup are about to be written or deleted. */
export async function writeMark(
  storage: Storage,
  index: BackupIndex,
  doing: UnfinishedMark["doing"],
  signal: AbortSignal,
): Promise<void> {
  const mark: UnfinishedMark = { format: FORMAT_VERSION, doing, archive: markedArchive(index) };
  await storage.put(unfinishedKey(index.database, index.id), encodeJson(mark), signal);
}

function markedArchive(index: BackupIndex): UnfinishedMark["archive"] {
  if (index.kind === "snapshot") return null;
  return { key: index.archive.key, ...asItLies(index.archive) };
}

/** Size and SHA-256 of the file itself, of a sealed one without its header: they need no key to be compared. */
export function asItLies({ size, sha256, sealed }: ArchiveFile): {
  readonly size: number;
  readonly sha256: string;
} {
  return sealed ?? { size, sha256 };
}

/** The mark of a backup, or undefined. Throws `backup_damaged` or `repository_version`. */
export async function readMark(
  storage: Storage,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<UnfinishedMark | undefined> {
  const key = unfinishedKey(database, id);
  try {
    const mark = parseVersioned(UnfinishedMark, await storage.get(key, signal), key);
    if (mark.archive === null || isInDatabaseFolder(database, mark.archive.key)) return mark;
    throw new AppError("backup_damaged", `read ${key}: its archive ${mark.archive.key} lies elsewhere`);
  } catch (error) {
    if (isAppError(error, "object_missing")) return undefined;
    throw error;
  }
}
