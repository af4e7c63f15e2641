import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import type { StorageLocation } from "../../storage/location.ts";
import type { ThreadError } from "./threads.ts";

/** What a check worker is started with: where parts lie, where tables lie, or both. */
export interface CheckWorkerData {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly store: { readonly location: StorageLocation; readonly database: string } | null;
  /** `snapshot` was exported by another session of the same server; null: whatever is there now. */
  readonly server: { readonly settings: ConnectionSettings; readonly snapshot: string | null } | null;
}

export type CheckTask =
  /** Reads a stored part and compares it with what its list says. */
  | { readonly kind: "part"; readonly part: PartLine }
  /** Reads rows with a `COPY … TO STDOUT`. */
  | { readonly kind: "rows"; readonly sql: string };

export interface CheckOutcome {
  readonly rows: number;
  /** Of the COPY text. */
  readonly bytes: number;
  readonly digest: string;
  /** What is wrong with a part; null: nothing. */
  readonly damage: string | null;
}

export type CheckMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly outcome: CheckOutcome }
  | { readonly kind: "failed"; readonly error: ThreadError };
