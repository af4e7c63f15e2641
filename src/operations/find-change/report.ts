import type { BackupId } from "../../repository/ids.ts";

/** How a table is beside the moment before it. `other`: as many rows, and not the same; `as many`: nobody can tell. */
export type Change =
  | { readonly kind: "first" | "same" | "other" | "as many" | "gone" | "made" }
  | { readonly kind: "rows"; readonly by: number };

/** The table at one moment: in a backup, or now. */
export interface Moment {
  /** Null is the live database. */
  readonly id: BackupId | null;
  readonly kind: "archive" | "snapshot" | "live";
  readonly at: Date;
  /** Null where the table is not there. */
  readonly rows: number | null;
  readonly change: Change;
  /** Rows for which the condition holds; null without one, and where the table is not there. */
  readonly matching: number | null;
}

/** Between which two moments rows went away. */
export interface Loss {
  readonly lastSeen: Moment & { readonly id: BackupId };
  readonly gone: Moment;
  /** Rows, or rows for which the condition holds, in the one and in the other. */
  readonly before: number;
  readonly after: number;
}

export interface FindChangeReport {
  readonly database: string;
  readonly schema: string;
  readonly name: string;
  readonly where: string | null;
  /** Oldest first, the live database last. */
  readonly moments: readonly Moment[];
  /** The latest; null: no rows went away. */
  readonly loss: Loss | null;
  /** Why the live table was not looked at. */
  readonly liveUnknown: string | null;
  /** Distinct parts that were read for the condition, of those that the snapshots have of the table. */
  readonly parts: { readonly read: number; readonly named: number };
}
