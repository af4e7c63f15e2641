import { z } from "zod";

/** The repository format this program writes. Older ones stay readable; newer ones are refused. */
export const FORMAT_VERSION = 1;

const bytes = z.int().min(0);
const time = z.iso.datetime();
/** SHA-256 of the bytes as stored, in hexadecimal. */
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const BACKUP_ID = /^\d{8}T\d{6}Z-[0-9a-f]{4}$/;
export type BackupId = string & { readonly __brand: "BackupId" };
export const BackupId = z
  .string()
  .regex(BACKUP_ID)
  .transform((text) => text as BackupId);

/** `repository.json`: what this place is. Plain, holds no secret. */
export const RepositoryFile = z.strictObject({
  format: z.int(),
  id: z.uuid(),
  createdAt: time,
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
  size: bytes,
  sha256,
});
export type ArchiveFile = z.infer<typeof ArchiveFile>;

const StoredPart = z.strictObject({ size: bytes, sha256 });

/**
 * `backups/<id>/index`: the summary whose existence is what makes a backup exist. At most 64 KiB.
 * It names (with size and hash) the two other objects of the manifest and the archive.
 */
export const BackupIndex = z.strictObject({
  format: z.int(),
  id: BackupId,
  database: z.string(),
  kind: z.literal("archive"),
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
    /** Bytes in the repository. */
    storedBytes: bytes,
    /** Bytes on the server's disk: tables, toast and indexes, at the time of the backup. */
    serverBytes: bytes,
  }),
  archive: ArchiveFile,
  tables: StoredPart,
  content: StoredPart,
});
export type BackupIndex = z.infer<typeof BackupIndex>;

/** One line of `backups/<id>/tables`. */
export const TableLine = z.strictObject({
  schema: z.string(),
  name: z.string(),
  /** Exact number of rows in the snapshot; null where the dump carries none (a materialized view is refreshed). */
  rows: z.int().min(0).nullable(),
  /** Bytes of the rows in the dump's text form (COPY text). */
  bytes,
});
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

/** `backups/<id>/content`: what restoring and proving need beyond the archive. */
export const BackupContent = z.strictObject({
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
export type BackupContent = z.infer<typeof BackupContent>;

/**
 * `backups/<id>/unfinished`: a run is about to give an archive its name, or to delete a backup. While it is there and
 * the index is not, the folder is no backup: the next writer, under the lease, removes what the mark names.
 */
export const UnfinishedMark = z.strictObject({
  format: z.int(),
  doing: z.enum(["write", "delete"]),
  archive: z.strictObject({ key: z.string(), size: bytes, sha256 }),
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
  format: z.int(),
  token: z.uuid(),
  holder: Holder,
  acquiredAt: time,
  /** Grows with each renewal: a watcher sees life without comparing clocks. */
  renewals: z.int().min(0),
  released: z.boolean(),
});
export type LeaseFile = z.infer<typeof LeaseFile>;
