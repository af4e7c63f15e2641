import { z } from "zod";
import { BACKUP_ID, type BackupId as Id, PART_NAME, type PartName as Part } from "./ids.ts";

/** The repository format this program writes. Older ones stay readable; newer ones are refused. */
export const FORMAT_VERSION = 1;
/** What is written where objects are sealed, of the objects that say so: `repository.json` and the index of an archive. */
export const SEALED_FORMAT = 2;

const format = z.int().min(1);
const bytes = z.int().min(0);
const time = z.iso.datetime();
/** SHA-256 of the bytes as stored, in hexadecimal. */
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** Sum of the rows' hashes modulo 2^128, in hexadecimal: the same whatever order the rows are in. */
export const rowDigest = z.string().regex(/^[0-9a-f]{32}$/);
/** A 64-bit transaction id, as decimal text: JSON numbers cannot hold it. */
const XID = /^\d{1,20}$/;
const xid = z.string().regex(XID);
/** As many as a marker burns. In one step, for each of thousands of indexes has them: one by one takes a third of listing. */
const markerXids = z.custom<string[]>(
  (value) =>
    Array.isArray(value) &&
    value.length === 64 &&
    value.every((one: unknown) => typeof one === "string" && XID.test(one)),
  "expected 64 transaction ids",
);

export { BACKUP_ID };
export type BackupId = Id;
export const BackupId = z
  .string()
  .regex(BACKUP_ID)
  .transform((text) => text as BackupId);

export type PartName = Part;
export const PartName = z
  .string()
  .regex(PART_NAME)
  .transform((text) => text as PartName);

const ageRecipient = z.string().regex(/^age1[02-9ac-hj-np-z]{58}$/, "expected age1…");

/** `repository.json`: what this place is. Plain, holds no secret. */
export const RepositoryFile = z.strictObject({
  format,
  id: z.uuid(),
  createdAt: time,
  /** Format 2: to whom the objects here are sealed. */
  sealing: z
    .strictObject({
      /** `age1…`: they can read everything. */
      recipients: z.array(ageRecipient).min(1),
      /** `age1…`: they can read what whoever writes backups has to read again. */
      hosts: z.array(ageRecipient),
      /** Whether some objects may still be sealed to fewer: then a snapshot takes none of them over. */
      mixed: z.literal(true).optional(),
      /** Key of the object with the key that parts are named under, in hexadecimal, sealed to both. */
      namingKey: z.string().regex(/^system\/naming-[0-9a-f]{16}\.age$/),
    })
    .optional(),
});
export type RepositoryFile = z.infer<typeof RepositoryFile>;

const ServerFacts = z.strictObject({
  /** `15.18 (Debian 15.18-0+deb12u1)`. */
  version: z.string(),
  /** `server_version_num`: 150018. */
  versionNumber: z.int(),
  /** From `pg_control_system()`; null where the server does not tell. */
  systemIdentifier: z.string().nullable(),
  timeline: z.int().nullable(),
  /** The name of the database that was read. */
  database: z.string(),
});

/** The one file of an archive backup. */
const ArchiveFile = z.strictObject({
  /** Key relative to the repository's root. */
  key: z.string(),
  format: z.enum(["plain", "custom"]),
  compression: z.enum(["gzip", "zstd"]),
  /** Bytes and SHA-256 of the dump as `pg_dump` and the compressor gave it. */
  size: bytes,
  sha256,
  /** Format 2: the same of the payload of the age file that it lies in, which is what follows the header's 1024 bytes. */
  sealed: z.strictObject({ size: bytes, sha256 }).optional(),
});
export type ArchiveFile = z.infer<typeof ArchiveFile>;

/** Size and SHA-256 of an object as stored. */
const StoredPart = z.strictObject({ size: bytes, sha256 });

/** What the index of every kind of backup says: first whose it is, then what it is about. */
const identity = { format, id: BackupId, database: z.string() };
const shared = {
  /** The entry under `backups:` in the strategy that asked for it; null for one taken by hand without a strategy. */
  schedule: z.string().nullable(),
  /** When the run began, when its snapshot was taken (what a restore brings back), when the last byte was durable. */
  startedAt: time,
  snapshotAt: time,
  finishedAt: time,
  durationMs: z.int().min(0),
  /** `handled 0.1.0`, and the PostgreSQL program that made the archive: `pg_dump (PostgreSQL) 15.18`. */
  writtenBy: z.string(),
  client: z.string(),
  server: ServerFacts,
  /** The schemas that were asked for; null means the whole database. */
  schemas: z.array(z.string()).nullable(),
  totals: z.strictObject({
    tables: z.int().min(0),
    rows: z.int().min(0),
    /** Bytes of the dump before compression (of its text form). */
    bytes,
    /** Bytes that this backup added to the repository: all of an archive, only what was new of a snapshot. */
    storedBytes: bytes,
    /** Bytes on the server's disk: tables, toast and indexes, at the time of the backup. */
    serverBytes: bytes,
  }),
};

const ArchiveIndex = z.strictObject({
  ...identity,
  kind: z.literal("archive"),
  ...shared,
  archive: ArchiveFile,
  tables: StoredPart,
  content: StoredPart,
});
export type ArchiveIndex = z.infer<typeof ArchiveIndex>;

/** What the next snapshot has to know of this one before it may reuse a range; `design/snapshot-engine.md` says why. */
const SnapshotBaseline = z.strictObject({
  /** Counts the snapshots that built on each other, from 1. */
  generation: z.int().min(1),
  /** Bounds of the snapshot, 64 bits. */
  xmin: xid,
  xmax: xid,
  /** Transactions burnt after the snapshot, and how each ended: `1` committed, `0` rolled back. */
  marker: z.strictObject({ xids: markerXids, bits: z.string().regex(/^[01]{64}$/) }),
  /** Upper half of the seed of the tuples' hash. */
  secret: z.int().min(0).max(0x7f_ff_ff_ff),
  /** The role that read. */
  role: z.string(),
  /** The settings that the rows' text depends on, in one line. */
  settings: z.string(),
});
export type SnapshotBaseline = z.infer<typeof SnapshotBaseline>;

const SnapshotFacts = z.strictObject({
  /** Parts by how they came into the backup: read from the server, or reused without reading. */
  parts: z.strictObject({ read: z.int().min(0), reused: z.int().min(0) }),
  /** COPY text that was read from the server, and that stands in reused parts. */
  readBytes: bytes,
  reusedBytes: bytes,
  /** Parts that were stored, for nothing like them was there, and their size as stored. */
  newParts: z.int().min(0),
  newBytes: bytes,
  /** Size as stored of every part and part list that the backup names: what copying it elsewhere would take. */
  namedBytes: bytes,
  /** Parts that could have been reused and were read all the same, and how many of them were not what they should be. */
  sample: z.strictObject({ read: z.int().min(0), differing: z.int().min(0) }),
  /** Why no range of an earlier snapshot could be reused; null where some could. */
  fullRead: z.string().nullable(),
  /** Null: nothing of this snapshot may be reused without reading. */
  baseline: SnapshotBaseline.nullable(),
});

const SnapshotIndex = z.strictObject({
  ...identity,
  kind: z.literal("snapshot"),
  ...shared,
  snapshot: SnapshotFacts,
  tables: StoredPart,
  content: StoredPart,
  /** SHA-256 of this object as one line of JSON without this key and without a line feed. */
  checksum: sha256,
});
export type SnapshotIndex = z.infer<typeof SnapshotIndex>;

/**
 * `backups/<id>/index`: the summary whose existence is what makes a backup exist. At most 64 KiB.
 * It names (with size and hash) the two other objects of the manifest, and the archive of an archive backup.
 */
export const BackupIndex = z.discriminatedUnion("kind", [ArchiveIndex, SnapshotIndex]);
export type BackupIndex = z.infer<typeof BackupIndex>;

/** One line of `backups/<id>/tables` of an archive. */
export const ArchiveTable = z.strictObject({
  schema: z.string(),
  name: z.string(),
  /** Exact number of rows in the snapshot; null where the dump carries none (a materialized view is refreshed). */
  rows: z.int().min(0).nullable(),
  /** Bytes of the rows in the dump's text form (COPY text). */
  bytes,
});
export type ArchiveTable = z.infer<typeof ArchiveTable>;

/** How many parts of a table came in one way, and the COPY text in them. */
const PartCount = z.strictObject({ parts: z.int().min(0), bytes });

/** One line of `backups/<id>/tables` of a snapshot. */
export const SnapshotTable = ArchiveTable.extend({
  /** Digest of all rows; null where there are none to digest (a materialized view is refreshed). */
  digest: rowDigest.nullable(),
  /** Null for what has no rows of its own: a partitioned table, a materialized view. */
  partList: z.strictObject({ name: PartName, size: bytes, sha256 }).nullable(),
  /** What a later snapshot must find unchanged before it reuses anything; null: nothing may be reused. */
  identity: z
    .strictObject({
      databaseOid: z.int().min(0),
      tableOid: z.int().min(0),
      filenode: z.int().min(0),
      /** Of the row type, with all types in it. */
      signature: z.string(),
    })
    .nullable(),
  read: PartCount,
  reused: PartCount,
  /** Why nothing, or not all, could be reused; null: nothing to say. */
  note: z.string().nullable(),
});
export type SnapshotTable = z.infer<typeof SnapshotTable>;

export const TableLine = z.union([ArchiveTable, SnapshotTable]);
export type TableLine = z.infer<typeof TableLine>;

const Setting = z.strictObject({
  /** The role the setting is for (`ALTER ROLE … IN DATABASE … SET`), or null for all. */
  role: z.string().nullable(),
  /** `name=value` as in `pg_db_role_setting.setconfig`. */
  assignment: z.string(),
});

const DatabaseGrant = z.strictObject({
  /** Null is PUBLIC. */
  grantee: z.string().nullable(),
  privilege: z.string(),
  grantable: z.boolean(),
});

/** What belongs to the database itself and `pg_dump -n` does not carry. */
const DatabaseProperties = z.strictObject({
  owner: z.string(),
  encoding: z.string(),
  collate: z.string(),
  ctype: z.string(),
  /** `libc`, `icu` or `builtin`. */
  localeProvider: z.string(),
  /** The ICU or builtin locale, where the provider has one. */
  locale: z.string().nullable(),
  icuRules: z.string().nullable(),
  connectionLimit: z.int(),
  comment: z.string().nullable(),
  settings: z.array(Setting),
  /** Null where the privileges are PostgreSQL's defaults. */
  grants: z.array(DatabaseGrant).nullable(),
});

const ExtensionFact = z.strictObject({ name: z.string(), schema: z.string(), version: z.string() });

/** `backups/<id>/content` of an archive: what restoring and proving need beyond it. */
export const ArchiveContent = z.strictObject({
  database: DatabaseProperties,
  extensions: z.array(ExtensionFact),
  /** Roles that own something in the backup or are granted something. */
  roles: z.array(z.string()),
  /** `pg_dumpall --roles-only --no-role-passwords`; null where the role may not read the catalogue of roles. */
  rolesSql: z.string().nullable(),
  sequences: z.array(
    z.strictObject({ schema: z.string(), name: z.string(), value: z.string(), called: z.boolean() }),
  ),
});
export type ArchiveContent = z.infer<typeof ArchiveContent>;

/** `backups/<id>/content` of a snapshot: also every definition, as an archive without rows. */
export const SnapshotContent = ArchiveContent.extend({
  /** `pg_dump --schema-only --format custom`, in base64. */
  schemaArchive: z.string().refine(isBase64, "not base64"),
});
export type SnapshotContent = z.infer<typeof SnapshotContent>;

export const BackupContent = z.union([ArchiveContent, SnapshotContent]);
export type BackupContent = z.infer<typeof BackupContent>;

/**
 * `backups/<id>/unfinished`: a run is about to publish a backup, or to delete one. While it is there and the index is
 * not, the folder is no backup: the next writer, under the lease, removes what the mark names.
 */
export const UnfinishedMark = z.strictObject({
  format,
  doing: z.enum(["write", "delete"]),
  /** Null for a snapshot: its parts and part lists are left to the collection of garbage. */
  archive: z.strictObject({ key: z.string(), size: bytes, sha256 }).nullable(),
});
export type UnfinishedMark = z.infer<typeof UnfinishedMark>;

/** Who writes: enough to tell a dead process on this machine from a living one elsewhere. */
export const Holder = z.strictObject({
  host: z.string(),
  user: z.string(),
  pid: z.int().min(1),
  /** Kernel's boot id, and the pid namespace: only where both are ours does a pid mean anything. */
  bootId: z.string().nullable(),
  pidNamespace: z.string().nullable(),
  /** When the process began, in the kernel's ticks: a reused pid has another. */
  processStart: z.string().nullable(),
  operation: z.string(),
});
export type Holder = z.infer<typeof Holder>;

/** `lease.<n>.json`. The highest n holds. */
export const LeaseFile = z.strictObject({
  format,
  token: z.uuid(),
  holder: Holder,
  acquiredAt: time,
  /** Grows with each renewal: a watcher sees life without comparing clocks. */
  renewals: z.int().min(0),
  released: z.boolean(),
});
export type LeaseFile = z.infer<typeof LeaseFile>;

/** `readers/<token>.json`: a process is reading backups; what it reads is not deleted while it lives. */
export const ReadMarkFile = z.strictObject({
  format,
  token: z.uuid(),
  holder: Holder,
  /** The backups it reads; empty while it is not known which. */
  backups: z.array(BackupId),
  since: time,
  /** Grows with each renewal, as in a lease. */
  renewals: z.int().min(0),
});
export type ReadMarkFile = z.infer<typeof ReadMarkFile>;

/** First line of `records/garbage/<uuid>.note`; a key a line follows, each of an object that no index leads to. */
export const GarbageNoteHeader = z.strictObject({ format, at: time });
export type GarbageNoteHeader = z.infer<typeof GarbageNoteHeader>;

/** A schema archive may have many megabytes: a regular expression with groups would exhaust its stack on them. */
function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}
