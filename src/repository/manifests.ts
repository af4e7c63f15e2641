import { createHash, randomBytes } from "node:crypto";
import { AppError, isAppError } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import { contentKey, indexKey, isInDatabaseFolder, tablesKey } from "./layout.ts";
import { BackupContent, BackupId, BackupIndex, FORMAT_VERSION, TableLine } from "./manifest.ts";
import { encodeJson, parseJson, parseStored, parseVersioned, requireSound } from "./parse.ts";
import type { Repository } from "./repository.ts";

// Listing reads every index; a bound on its size is what keeps listing thousands of backups cheap.
const INDEX_LIMIT = 64 * 1024;

/** What a run knows of its backup; the rest of the index follows from the two other objects of the manifest. */
export type BackupHead = Omit<BackupIndex, "format" | "tables" | "content">;

/** A manifest ready to be written. */
export interface EncodedManifest {
  readonly index: BackupIndex;
  readonly indexData: Buffer;
  readonly tablesData: Buffer;
  readonly contentData: Buffer;
}

/** The id of a backup that begins now: `20241211T143022Z-7f3a`. */
export function newBackupId(clock: Clock): BackupId {
  const second = clock.now().toISOString().slice(0, 19).replace(/[-:]/g, "");
  return BackupId.parse(`${second}Z-${randomBytes(2).toString("hex")}`);
}

/** Encodes a manifest; what could not be read back, or is too big, is refused before anything is written. */
export function encodeManifest(
  head: BackupHead,
  tables: readonly TableLine[],
  content: BackupContent,
): EncodedManifest {
  const what = `the manifest of ${head.id}`;
  const tablesData = Buffer.concat(tables.map((line) => encodeJson(requireSound(TableLine, line, what))));
  const contentData = encodeJson(requireSound(BackupContent, content, what));
  const index = requireSound(
    BackupIndex,
    { ...head, format: FORMAT_VERSION, tables: describePart(tablesData), content: describePart(contentData) },
    what,
  );
  const indexData = encodeJson(index);
  if (indexData.length > INDEX_LIMIT) {
    throw new AppError(
      "unexpected",
      `write the index of ${head.id}: ${indexData.length} bytes, and ${INDEX_LIMIT} are allowed`,
      { hint: "name fewer schemas in one backup" },
    );
  }
  return { index, indexData, tablesData, contentData };
}

/**
 * Reads the summary of a backup. Throws `backup_missing` when there is none, `repository_version` when a newer program
 * wrote it, `backup_damaged` when it cannot be understood or is not the one that belongs there.
 */
export async function readIndex(
  repository: Repository,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<BackupIndex> {
  const key = indexKey(database, id);
  const index = parseVersioned(BackupIndex, await getIndex(repository, database, id, signal), key);
  if (index.id !== id || index.database !== database) {
    throw new AppError("backup_damaged", `read ${key}: it describes ${index.id} of ${index.database}`);
  }
  if (!isInDatabaseFolder(database, index.archive.key)) {
    throw new AppError("backup_damaged", `read ${key}: its archive ${index.archive.key} lies elsewhere`);
  }
  return index;
}

/** The tables of a backup. Throws `object_missing` or `backup_damaged`. */
export async function readTables(
  repository: Repository,
  index: BackupIndex,
  signal: AbortSignal,
): Promise<TableLine[]> {
  const key = tablesKey(index.database, index.id);
  const data = await readPart(repository, key, index.tables, signal);
  const lines = data.toString("utf8").split("\n").slice(0, -1);
  return lines.map((line) => parseStored(TableLine, parseJson(line, key), key));
}

/** What restoring and proving need. Throws `object_missing` or `backup_damaged`. */
export async function readContent(
  repository: Repository,
  index: BackupIndex,
  signal: AbortSignal,
): Promise<BackupContent> {
  const key = contentKey(index.database, index.id);
  const data = await readPart(repository, key, index.content, signal);
  return parseStored(BackupContent, parseJson(data, key), key);
}

async function getIndex(
  repository: Repository,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<Buffer> {
  try {
    return await repository.storage.get(indexKey(database, id), signal);
  } catch (error) {
    if (!isAppError(error, "object_missing")) throw error;
    throw new AppError("backup_missing", `read backup ${id} of ${database}: there is no such backup`, {
      cause: error,
      hint: `\`handled list ${database}\` shows those that there are`,
    });
  }
}

interface Part {
  readonly size: number;
  readonly sha256: string;
}

function describePart(data: Buffer): Part {
  return { size: data.length, sha256: createHash("sha256").update(data).digest("hex") };
}

async function readPart(
  repository: Repository,
  key: string,
  expected: Part,
  signal: AbortSignal,
): Promise<Buffer> {
  const data = await repository.storage.get(key, signal);
  const found = describePart(data);
  if (found.size !== expected.size) {
    throw new AppError("backup_damaged", `read ${key}: ${found.size} bytes, the index says ${expected.size}`);
  }
  if (found.sha256 !== expected.sha256) {
    throw new AppError("backup_damaged", `read ${key}: its SHA-256 is not the one in the index`);
  }
  return data;
}
