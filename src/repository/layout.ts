import { BACKUP_ID, type BackupId, PART_NAME, type PartName } from "./ids.ts";
import type { BackupIndex } from "./manifest.ts";

/** Where everything lies, relative to the repository's root. docs/design/repository-format.md explains it. */
export const REPOSITORY_FILE = "repository.json";

const PLAIN_NAME = /^[A-Za-z0-9_-][A-Za-z0-9_.-]*$/;

/**
 * A name as one segment of a key: letters, digits, `_`, `-` and inner dots stay, every other byte of its UTF-8 form is
 * percent-encoded, so that any name PostgreSQL allows fits any storage. A leading dot is encoded too.
 */
export function encodeName(name: string): string {
  if (PLAIN_NAME.test(name)) return name;
  return [...Buffer.from(name, "utf8")]
    .map((byte, index) => {
      const char = String.fromCharCode(byte);
      const plain = /[A-Za-z0-9_-]/.test(char) || (char === "." && index > 0);
      return plain ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}

/** Folders at the root that belong to the repository itself; a database of such a name gets its first letter encoded. */
const RESERVED = ["system"];

/** The name of a database's folder. */
function encodeDatabase(database: string): string {
  if (!RESERVED.includes(database)) return encodeName(database);
  return `%${database.charCodeAt(0).toString(16).toUpperCase()}${database.slice(1)}`;
}

/** The database whose folder has this name; undefined for a folder that Handled would never make. */
export function databaseOfFolder(folder: string): string | undefined {
  let database: string;
  try {
    database = decodeURIComponent(folder);
  } catch {
    // A `%` that starts no valid encoding: somebody else's folder.
    return undefined;
  }
  return encodeDatabase(database) === folder ? database : undefined;
}

export const databaseFolder = (database: string): string => `${encodeDatabase(database)}/`;
export const backupsFolder = (database: string): string => `${databaseFolder(database)}backups/`;
const backupFolder = (database: string, id: BackupId): string => `${backupsFolder(database)}${id}/`;
export const indexKey = (database: string, id: BackupId): string => `${backupFolder(database, id)}index`;
export const tablesKey = (database: string, id: BackupId): string => `${backupFolder(database, id)}tables`;
export const contentKey = (database: string, id: BackupId): string => `${backupFolder(database, id)}content`;
export const unfinishedKey = (database: string, id: BackupId): string =>
  `${backupFolder(database, id)}unfinished`;
export const leaseKey = (database: string, n: number): string => `${databaseFolder(database)}lease.${n}.json`;

/** What a person is shown as a backup's place: the key of its archive, or the folder of a snapshot's manifest. */
export function locationKey(index: BackupIndex): string {
  if (index.kind === "archive") return index.archive.key;
  return backupFolder(index.database, index.id).slice(0, -1);
}

/** Folders by the first two digits, so that no folder has more than a file system can list well. */
const spread = (name: PartName): string => `${name.slice(0, 2)}/${name}`;
export const partsFolder = (database: string): string => `${databaseFolder(database)}parts/`;
export const partKey = (database: string, name: PartName): string =>
  `${partsFolder(database)}${spread(name)}`;
export const partListsFolder = (database: string): string => `${databaseFolder(database)}tables/`;
export const partListKey = (database: string, name: PartName): string =>
  `${partListsFolder(database)}${spread(name)}`;

/** The name of the part or part list with this key; undefined for a key that is neither's. */
export function partNameOfKey(database: string, key: string): PartName | undefined {
  const name = key.slice(key.lastIndexOf("/") + 1);
  if (!PART_NAME.test(name)) return undefined;
  const part = name as PartName;
  return key === partKey(database, part) || key === partListKey(database, part) ? part : undefined;
}

export const garbageFolder = (database: string): string => `${databaseFolder(database)}records/garbage/`;
export const proofsFolder = (database: string): string => `${databaseFolder(database)}records/proofs/`;
/** Its name tells when and of which backup, so that the newest of each is found without reading any. */
export const proofKey = (database: string, at: Date, id: BackupId): string =>
  `${proofsFolder(database)}${at.toISOString().replace(/[-:]/g, "")}-${id}.json`;

/** The time, as sortable text, and the backup in the key of a proof; undefined for any other key. */
export function partsOfProofKey(key: string): { readonly at: string; readonly id: string } | undefined {
  const [, at, id] = /\/(\d{8}T\d{6}\.\d{3}Z)-([^/]+)\.json$/.exec(key) ?? [];
  return at === undefined || id === undefined || !BACKUP_ID.test(id) ? undefined : { at, id };
}

export const runsFolder = (database: string): string => `${databaseFolder(database)}records/runs/`;
/** What has begun and not ended. */
export const begunFolder = (database: string): string => `${runsFolder(database)}begun/`;
export const begunKey = (database: string, id: string): string => `${begunFolder(database)}${id}.json`;
/** Runs that began in a month (`2024-12`). */
export const monthFolder = (database: string, month: string): string => `${runsFolder(database)}${month}/`;
export const monthOfRun = (id: string): string => `${id.slice(0, 4)}-${id.slice(4, 6)}`;
export const runKey = (database: string, id: string): string =>
  `${monthFolder(database, monthOfRun(id))}${id}.json`;

/** Duties that people have done. */
export const dutiesFolder = (database: string): string => `${databaseFolder(database)}records/duties/`;
export const dutyKey = (database: string, id: string): string => `${dutiesFolder(database)}${id}.json`;
/** What came of recoveries and drills, and what people noted about them. */
export const recoveriesFolder = (database: string): string =>
  `${databaseFolder(database)}records/recoveries/`;
export const recoveryKey = (database: string, id: string): string =>
  `${recoveriesFolder(database)}${id}.json`;
/** Those that have begun and not ended. */
export const begunRecoveriesFolder = (database: string): string => `${recoveriesFolder(database)}begun/`;
export const begunRecoveryKey = (database: string, id: string): string =>
  `${begunRecoveriesFolder(database)}${id}.json`;
export const recoveryNotesFolder = (database: string): string => `${recoveriesFolder(database)}notes/`;
export const recoveryNoteKey = (database: string, id: string): string =>
  `${recoveryNotesFolder(database)}${id}.json`;
/** Restores of a managed service's own backups that were checked. */
export const providerRestoresFolder = (database: string): string =>
  `${databaseFolder(database)}records/provider/`;
export const providerRestoreKey = (database: string, id: string): string =>
  `${providerRestoresFolder(database)}${id}.json`;
/** What somebody was told of a database; null: of what concerns none in particular. */
export const alertsKey = (database: string | null): string =>
  `${database === null ? "system/" : databaseFolder(database)}records/alerts/state.json`;

/** The strategy, as the file is whose backups these are. */
export const STRATEGY_KEY = "system/strategy.yaml";

/** Audit logs of the machines that write here, each a chain of entries that are written once. */
export const auditChainsFolder = "system/audit/";
export const auditChainFolder = (chain: string): string => `${auditChainsFolder}${chain}/`;
/** Sorts by number. */
export const auditKey = (chain: string, seq: number): string =>
  `${auditChainFolder(chain)}${String(seq).padStart(10, "0")}.json`;

/** Who may sign in to the daemons that write here: one object a machine, named as its audit log is. */
export const usersFolder = "system/users/";
export const usersKey = (chain: string): string => `${usersFolder}${chain}.json`;

export const readersFolder = (database: string): string => `${databaseFolder(database)}readers/`;
export const readerKey = (database: string, token: string): string =>
  `${readersFolder(database)}${token}.json`;

/** The number in a lease's key; undefined for any other key. */
export function leaseNumber(key: string): number | undefined {
  const digits = /\/lease\.([1-9]\d{0,14})\.json$/.exec(key)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Whether a file name is that of a dump, ours or another tool's. */
export function isArchiveName(name: string): boolean {
  return /\.(sql|sql\.gz|sql\.zst|dump)(\.age)?$/i.test(name);
}

/** Whether a key lies directly in the folder of this database, as an archive does. */
export function isInDatabaseFolder(database: string, key: string): boolean {
  const folder = databaseFolder(database);
  return key.startsWith(folder) && key.length > folder.length && !key.slice(folder.length).includes("/");
}
