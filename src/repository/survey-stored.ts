import type { Holdings } from "./holdings.ts";
import { BACKUP_ID } from "./ids.ts";
import {
  backupsFolder,
  databaseFolder,
  isArchiveName,
  isInDatabaseFolder,
  leaseNumber,
  readersFolder,
} from "./layout.ts";
import type { StoredCount } from "./named-objects.ts";
import type { Repository } from "./repository.ts";
import { asStored, sizeWithin } from "./sealing/sealed-storage.ts";

/** What is stored of a database, by what it is. */
export const STORED_KINDS = [
  "archives",
  "parts",
  "partLists",
  "manifests",
  "records",
  "orphans",
  "foreign",
  "control",
  "unknown",
] as const;
export type StoredKind = (typeof STORED_KINDS)[number];

/** The objects that a survey tells one by one; of the others there may be a million. */
export interface StoredSurvey {
  /** In bytes as they lie there, sealed or not. */
  readonly kinds: Readonly<Record<StoredKind, StoredCount>>;
  /** Bytes in the archives, parts and part lists that are named, as indexes count them: before they were sealed. */
  readonly neededBytes: number;
  /** By backup: the sizes of the objects in its folder, by name, as its index says them. */
  readonly manifests: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** Keys that are none of ours; the first of them. */
  readonly unknown: readonly string[];
}

const UNKNOWN_KEPT = 100;
const NEEDED: ReadonlySet<StoredKind> = new Set(["archives", "parts", "partLists"]);

/** What is known of the database's archives. */
export interface KnownArchives {
  readonly ours: ReadonlySet<string>;
  readonly foreign: ReadonlySet<string>;
}

/**
 * Lists all that is stored of a database, once. A part list or part that the holdings do not name is an orphan; so is an
 * archive that belongs to nobody's backup, for only a run that crashed, or goes on, leaves such a one.
 */
export async function surveyStored(
  { storage }: Repository,
  database: string,
  holdings: Holdings,
  archives: KnownArchives,
  signal: AbortSignal,
): Promise<StoredSurvey> {
  const counts = new Map<StoredKind, { objects: number; bytes: number }>();
  const manifests = new Map<string, Map<string, number>>();
  const unknown: string[] = [];
  let neededBytes = 0;
  for await (const object of asStored(storage).list(databaseFolder(database), "all", signal)) {
    const { key } = object;
    const size = sizeWithin(storage, object);
    const manifest = manifestOf(database, key);
    if (manifest !== undefined) {
      const names = manifests.get(manifest.id) ?? new Map<string, number>();
      manifests.set(manifest.id, names.set(manifest.name, size));
    }
    const kind =
      manifest === undefined ? kindOf(database, key, holdings.see(key, size), archives) : "manifests";
    if (kind === "unknown" && unknown.length < UNKNOWN_KEPT) unknown.push(key);
    const count = counts.get(kind) ?? { objects: 0, bytes: 0 };
    count.objects += 1;
    count.bytes += object.size;
    if (NEEDED.has(kind)) neededBytes += size;
    counts.set(kind, count);
  }
  const of = (kind: StoredKind): StoredCount => counts.get(kind) ?? { objects: 0, bytes: 0 };
  const kinds = Object.fromEntries(STORED_KINDS.map((kind) => [kind, of(kind)])) as Record<
    StoredKind,
    StoredCount
  >;
  return { kinds, neededBytes, manifests, unknown };
}

function kindOf(
  database: string,
  key: string,
  seen: ReturnType<Holdings["see"]>,
  { ours, foreign }: KnownArchives,
): StoredKind {
  if (seen === "part") return "parts";
  if (seen === "part list") return "partLists";
  if (seen === "unnamed") return "orphans";
  if (ours.has(key)) return "archives";
  if (foreign.has(key)) return "foreign";
  if (leaseNumber(key) !== undefined || key.startsWith(readersFolder(database))) return "control";
  if (key.startsWith(`${databaseFolder(database)}records/`)) {
    return /\.(json|note|zst)$/.test(key) ? "records" : "unknown";
  }
  return isInDatabaseFolder(database, key) && isArchiveName(key) ? "orphans" : "unknown";
}

const IN_MANIFEST = ["index", "tables", "content", "unfinished"];

function manifestOf(database: string, key: string): { id: string; name: string } | undefined {
  const folder = backupsFolder(database);
  if (!key.startsWith(folder)) return undefined;
  const [id = "", name = "", ...more] = key.slice(folder.length).split("/");
  const isOurs = BACKUP_ID.test(id) && IN_MANIFEST.includes(name) && more.length === 0;
  return isOurs ? { id, name } : undefined;
}
