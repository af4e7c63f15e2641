import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { BackupId } from "../../repository/ids.ts";
import type { Storage } from "../../storage/storage.ts";
import type { ApplicationCommands } from "../application.ts";
import type { RestoreTime } from "./estimate.ts";
import type { Selection } from "./plan.ts";
import type { SwapResult } from "./swap.ts";

export type RestoreTarget =
  /** A new database on the server of `connection`; null: a name is made from the database's and the time. */
  | { readonly kind: "new"; readonly name: string | null }
  /** The database that `connection` names: created when it is not there, else it must be empty. */
  | { readonly kind: "to" }
  /** In place of the database that `connection` names. */
  | { readonly kind: "swap"; readonly application: ApplicationCommands | null };

/** What a restore is about to do, for a person to agree to. */
export interface RestorePreview {
  readonly database: string;
  readonly source: string;
  /** Null for a foreign archive. */
  readonly backup: BackupId | null;
  /** When the backup's data is from; null for a foreign archive. */
  readonly snapshotAt: Date | null;
  readonly target: string;
  /** What is brought back. Of a part that is known only once it is in a database, what the whole backup has. */
  readonly tables: number;
  readonly rows: number;
  /** Materialized views among them, which a restore fills anew. */
  readonly refilled: number;
  readonly part: "whole" | "chosen" | "unknown";
  /** The schemas that the backup has; null for a whole database, and where nobody knows. */
  readonly schemas: readonly string[] | null;
  readonly replaces: boolean;
  /** Of the rows that are loaded, before compression; null for a foreign archive. */
  readonly bytes: number | null;
  readonly time: RestoreTime;
  /** What was looked at before: all of an archive; of a snapshot, that every part is there in its size. */
  readonly checked: "whole" | "parts";
}

export interface RestoreRequest {
  readonly database: string;
  /** `latest`, a backup's id, an archive's name, a path. */
  readonly which: string;
  readonly storage: Storage | null;
  readonly connection: ConnectionSettings;
  readonly target: RestoreTarget;
  readonly selection: Selection;
  readonly timeZone: string;
  readonly keepReplacedMs: number;
  readonly lockTimeoutMs: number;
  /** Connections that load a snapshot at the same time. */
  readonly jobs: number;
  readonly dryRun: boolean;
  /** Throws `not_confirmed` when the user does not agree. Called before anything is created or stopped. */
  readonly confirm: (preview: RestorePreview) => Promise<void>;
  /** More that must be true of what replaces a database; what it throws is why nothing is replaced. */
  readonly alsoCheck?: (copy: ConnectionSettings) => Promise<void>;
}

export interface RestoreReport {
  readonly preview: RestorePreview;
  /** Null after a dry run. */
  readonly done: {
    readonly restoredInto: string;
    readonly tables: number;
    readonly rows: number;
    readonly durationMs: number;
    /** After a swap: where the replaced database stays. */
    readonly swap: SwapResult | null;
  } | null;
}
