import { createHash, randomBytes } from "node:crypto";
import type { z } from "zod";
import { AppError, isAppError } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import type { Storage } from "../storage/storage.ts";
import { firstSound } from "./first-sound.ts";
import { contentKey, indexKey, isInDatabaseFolder, tablesKey } from "./layout.ts";
import {
  ArchiveContent,
  type ArchiveIndex,
  ArchiveTable,
  type BackupContent,
  BackupId,
  BackupIndex,
  FORMAT_VERSION,
  SEALED_FORMAT,
  SnapshotContent,
  type SnapshotIndex,
  SnapshotTable,
  type TableLine,
} from "./manifest.ts";
import { encodeJson, parseJson, parseStored, parseVersioned, requireSound } from "./parse.ts";
import type { Repository } from "./repository.ts";

// Listing reads every index; a bound on its size is what keeps listing thousands of backups cheap.
const INDEX_LIMIT = 64 * 1024;

type HeadOf<Index> = Omit<Index, "format" | "tables" | "content" | "checksum">;

/** What a run knows of its backup; the rest of the index follows from the two other objects of the manifest. */
export type ArchiveHead = HeadOf<ArchiveIndex>;
export type SnapshotHead = HeadOf<SnapshotIndex>;

/** A manifest ready to be written. */
export interface EncodedManifest<Index extends BackupIndex = BackupIndex> {
  readonly index: Index;
  readonly indexData: Buffer;
  readonly tablesData: Buffer;
  readonly contentData: Buffer;
}

/** How the objects beside an index are read, for each kind of backup. */
const SCHEMAS = {
  archive: { table: ArchiveTable, content: ArchiveContent },
  snapshot: { table: SnapshotTable, content: SnapshotContent },
} as const;

/** The id of a backup that begins now: `20241211T143022Z-7f3a`. */
export function newBackupId(clock: Clock): BackupId {
  const second = clock.now().toISOString().slice(0, 19).replace(/[-:]/g, "");
  return BackupId.parse(`${second}Z-${randomBytes(2).toString("hex")}`);
}

/** Encodes a manifest; what could not be read back, or is too big, is refused before anything is written. */
export function encodeManifest(
  head: ArchiveHead,
  tables: readonly ArchiveTable[],
  content: ArchiveContent,
): EncodedManifest<ArchiveIndex>;
export function encodeManifest(
  head: SnapshotHead,
  tables: readonly SnapshotTable[],
  content: SnapshotContent,
): EncodedManifest<SnapshotIndex>;
export function encodeManifest(
  head: ArchiveHead | SnapshotHead,
  tables: readonly TableLine[],
  content: BackupContent,
): EncodedManifest {
  const what = `the manifest of ${head.id}`;
  const schemas = SCHEMAS[head.kind];
  const tablesData = Buffer.concat(
    tables.map((line) => encodeJson(requireSound<TableLine>(schemas.table, line, what))),
  );
  const contentData = encodeJson(requireSound<BackupContent>(schemas.content, content, what));
  const index = seal(
    requireSound(
      BackupIndex,
      {
        format: isSealedArchive(head) ? SEALED_FORMAT : FORMAT_VERSION,
        ...head,
        tables: describePart(tablesData),
        content: describePart(contentData),
        ...(head.kind === "snapshot" ? { checksum: "0".repeat(64) } : {}),
      },
      what,
    ),
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

function isSealedArchive(head: ArchiveHead | SnapshotHead): boolean {
  return head.kind === "archive" && head.archive.sealed !== undefined;
}

/** With its checksum, for kinds of backup that have one: archives written before there was one must stay readable. */
function seal(index: BackupIndex): BackupIndex {
  if (index.kind === "archive") return index;
  const { checksum: _, ...rest } = index;
  return { ...rest, checksum: checksumOf(rest) };
}

function checksumOf(index: object): string {
  return createHash("sha256").update(JSON.stringify(index)).digest("hex");
}

const VOID = encodeJson({ format: FORMAT_VERSION, void: true });

/** The bytes that stand in the place of the index of a run that can never publish it now. */
export function encodeVoid(): Buffer {
  return Buffer.from(VOID);
}

/**
 * Reads the summary of a backup. Throws `backup_missing` when there is none (or its place is taken by a void one),
 * `repository_version` when a newer program wrote it, `backup_damaged` when it cannot be understood or is not the one
 * that belongs there.
 */
export async function readIndex(
  repository: Repository,
  database: string,
  id: BackupId,
  signal: AbortSignal,
): Promise<BackupIndex> {
  const [index] = await readIndexes(repository, database, [id], signal);
  if (index === undefined || index instanceof AppError) throw index ?? noSuchBackup(database, id, undefined);
  return index;
}

// Bounds what is held in memory as bytes.
const READ_TOGETHER = 500;

/** Like `readIndex` for many, in the order of the ids; in the place of one that cannot be read stands why not. */
export async function readIndexes(
  { storage }: Repository,
  database: string,
  ids: readonly BackupId[],
  signal: AbortSignal,
): Promise<(BackupIndex | AppError)[]> {
  const indexes: (BackupIndex | AppError)[] = [];
  for (let at = 0; at < ids.length; at += READ_TOGETHER) {
    const some = ids.slice(at, at + READ_TOGETHER);
    const keys = some.map((id) => indexKey(database, id));
    const found = await storage.getMany(keys, signal);
    for (const [n, id] of some.entries()) indexes.push(tryDecodeIndex(database, id, found[n]));
  }
  return indexes;
}

function tryDecodeIndex(
  database: string,
  id: BackupId,
  data: Buffer | AppError | undefined,
): BackupIndex | AppError {
  if (data === undefined || isAppError(data, "object_missing")) return noSuchBackup(database, id, data);
  if (data instanceof AppError) return data;
  try {
    return decodeIndex(database, id, data);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

function decodeIndex(database: string, id: BackupId, data: Buffer): BackupIndex {
  const key = indexKey(database, id);
  if (isVoid(data)) throw noSuchBackup(database, id, undefined);
  const index = parseVersioned(BackupIndex, data, key, SEALED_FORMAT);
  if (index.kind === "snapshot") checkSeal(data, index.checksum, key);
  if (index.id !== id || index.database !== database) {
    throw new AppError("backup_damaged", `read ${key}: it describes ${index.id} of ${index.database}`);
  }
  if (index.kind === "archive" && !isInDatabaseFolder(database, index.archive.key)) {
    throw new AppError("backup_damaged", `read ${key}: its archive ${index.archive.key} lies elsewhere`);
  }
  return index;
}

/** The tables of a backup. Throws `object_missing` or `backup_damaged`. */
export function readTables(
  repository: Repository,
  index: ArchiveIndex,
  signal: AbortSignal,
): Promise<ArchiveTable[]>;
export function readTables(
  repository: Repository,
  index: SnapshotIndex,
  signal: AbortSignal,
): Promise<SnapshotTable[]>;
export function readTables(
  repository: Repository,
  index: BackupIndex,
  signal: AbortSignal,
): Promise<ArchiveTable[] | SnapshotTable[]>;
export async function readTables(
  repository: Repository,
  index: BackupIndex,
  signal: AbortSignal,
): Promise<TableLine[]> {
  const key = tablesKey(index.database, index.id);
  const data = await readManifestPart(repository, key, index.tables, signal);
  const lines = data.toString("utf8").split("\n").slice(0, -1);
  const schema: z.ZodType<TableLine> = SCHEMAS[index.kind].table;
  return lines.map((line) => parseStored(schema, parseJson(line, key), key));
}

/** What restoring and proving need. Throws `object_missing` or `backup_damaged`. */
export function readContent(
  repository: Repository,
  index: ArchiveIndex,
  signal: AbortSignal,
): Promise<ArchiveContent>;
export function readContent(
  repository: Repository,
  index: SnapshotIndex,
  signal: AbortSignal,
): Promise<SnapshotContent>;
export function readContent(
  repository: Repository,
  index: BackupIndex,
  signal: AbortSignal,
): Promise<BackupContent>;
export async function readContent(
  repository: Repository,
  index: BackupIndex,
  signal: AbortSignal,
): Promise<BackupContent> {
  const key = contentKey(index.database, index.id);
  const data = await readManifestPart(repository, key, index.content, signal);
  const schema: z.ZodType<BackupContent> = SCHEMAS[index.kind].content;
  return parseStored(schema, parseJson(data, key), key);
}

/** Whether these bytes stand in the place of an index so that a late writer cannot publish it any more. */
export function isVoid(data: Buffer): boolean {
  // The whole of it, so that a damaged index is never taken for a void one.
  return data.equals(VOID);
}

/** Finds any change of the text, for most of it is not compared with anything else. */
function checkSeal(data: Buffer, checksum: string, key: string): void {
  // The stored text itself, not what the schema made of it; the checksum is its last key.
  const end = Buffer.from(`,"checksum":"${checksum}"}\n`);
  const text = data.subarray(0, data.length - end.length);
  const sealed = createHash("sha256").update(text).update("}").digest("hex");
  if (sealed === checksum && data.subarray(text.length).equals(end)) return;
  throw new AppError("backup_damaged", `read ${key}: its checksum is not that of its text`);
}

function noSuchBackup(database: string, id: BackupId, cause: unknown): AppError {
  return new AppError("backup_missing", `read backup ${id} of ${database}: there is no such backup`, {
    cause,
    hint: `\`handled list ${database}\` shows those that there are`,
  });
}

interface Part {
  readonly size: number;
  readonly sha256: string;
}

function describePart(data: Buffer): Part {
  return { size: data.length, sha256: createHash("sha256").update(data).digest("hex") };
}

async function readManifestPart(
  repository: Repository,
  key: string,
  expected: Part,
  signal: AbortSignal,
): Promise<Buffer> {
  const read = async (from: Storage): Promise<Buffer> => await readFrom(from, key, expected, signal);
  return await firstSound(repository.storage, read, signal);
}

async function readFrom(storage: Storage, key: string, expected: Part, signal: AbortSignal): Promise<Buffer> {
  const details = { key };
  const data = await storage.get(key, signal).catch((error: unknown) => {
    if (!isAppError(error, "object_missing")) throw error;
    throw new AppError("object_missing", error.message, { cause: error, details });
  });
  const found = describePart(data);
  const damaged = (reason: string) => new AppError("backup_damaged", `read ${key}: ${reason}`, { details });
  if (found.size !== expected.size) throw damaged(`${found.size} bytes, the index says ${expected.size}`);
  if (found.sha256 !== expected.sha256) throw damaged("its SHA-256 is not the one in the index");
  return data;
}
