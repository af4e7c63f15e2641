import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { BackupId } from "../../repository/ids.ts";
import type { Storage } from "../../storage/storage.ts";

/** Rows by the text of their primary key, `(17)` or `(3,north)`. */
export interface Examples {
  readonly rows: number;
  /** The first of them, at most ten. */
  readonly keys: readonly string[];
}

/** Rows that another row of the live table keeps from coming back: they are left out. */
export interface Conflict extends Examples {
  /** The unique index that has their values already. */
  readonly index: string;
}

/** Rows whose parent is neither in the live table nor about to come back: with one of them nothing is inserted. */
export interface Orphans extends Examples {
  readonly constraint: string;
  /** The table that lacks the parents, quoted as SQL does. */
  readonly parent: string;
}

/** How much of the backup had to be read. */
export interface PartsRead {
  readonly ranges: number;
  /** Of these, those that could have lost a row. */
  readonly read: number;
  /** Why all of them were read; null where the filter could be used. */
  readonly fullRead: string | null;
}

export interface TableMissing {
  readonly schema: string;
  readonly name: string;
  /** Rows in the backup. */
  readonly inBackup: number;
  readonly parts: PartsRead;
  /** Not in the live table, by primary key, and without what conflicts. */
  readonly missing: Examples;
  /** Of what was read, rows whose key is there with other contents: they stay as they are. */
  readonly changed: Examples;
  readonly conflicts: readonly Conflict[];
  readonly orphans: readonly Orphans[];
  /** The user's triggers that an insert fires. */
  readonly triggers: readonly string[];
  /** Columns that the backup does not have: they get their default. */
  readonly added: readonly string[];
}

export interface MissingRowsPreview {
  readonly database: string;
  readonly source: string;
  readonly backup: BackupId | null;
  readonly snapshotAt: Date | null;
  readonly target: string;
  /** In the order in which they are filled: parents first. */
  readonly tables: readonly TableMissing[];
}

export interface MissingRowsRequest extends BringBackRequest {
  readonly which: string;
  readonly storage: Storage | null;
}

/** A database that has rows as they were at a moment. */
export interface EarlierDatabase {
  readonly connection: ConnectionSettings;
  /** What it is, for people. */
  readonly label: string;
  readonly at: Date;
}

/** What is wanted, wherever the rows come from. */
export interface BringBackRequest {
  readonly database: string;
  /** The live database. */
  readonly connection: ConnectionSettings;
  /** Written `schema.table`. */
  readonly tables: readonly string[];
  /** An SQL condition on the table's rows; null: all that are missing. */
  readonly where: string | null;
  readonly disableTriggers: boolean;
  readonly lockTimeoutMs: number;
  readonly jobs: number;
  readonly dryRun: boolean;
  /** Where the statements that take the rows out again are written. */
  readonly undoFile: string;
  readonly confirm: (preview: MissingRowsPreview) => Promise<void>;
}

export interface MissingRowsReport {
  readonly preview: MissingRowsPreview;
  /** Null after a dry run. */
  readonly done: {
    readonly tables: readonly TableMissing[];
    readonly rows: number;
    /** Null when nothing was inserted. */
    readonly undoFile: string | null;
    readonly durationMs: number;
  } | null;
}
