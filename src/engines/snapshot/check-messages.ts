import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import type { StorageLocation } from "../../storage/location.ts";
import type { Answering, Calling } from "./thread-port.ts";
import type { RowsRead } from "./worker-messages.ts";

/** What a check worker is called for: where parts lie, where tables lie, or both. */
export interface CheckCall {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly store: { readonly location: StorageLocation; readonly database: string } | null;
  /** `snapshot` was exported by another session of the same server; null: whatever is there now. */
  readonly server: { readonly settings: ConnectionSettings; readonly snapshot: string | null } | null;
}

export type CheckTask =
  /** Reads stored parts, a batch of `batchesOf`, and compares each with what its list says. */
  | { readonly kind: "parts"; readonly parts: readonly PartLine[] }
  /** Reads rows with a `COPY … TO STDOUT`. */
  | { readonly kind: "rows"; readonly sql: string };

export type CheckOutcome =
  | { readonly kind: "parts"; readonly damage: readonly PartDamage[] }
  | { readonly kind: "rows"; readonly rows: RowsRead };

/** What is wrong with one of the parts. */
export interface PartDamage {
  /** Its place among them. */
  readonly at: number;
  readonly reason: string;
}

export type CheckMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly outcome: CheckOutcome }
  | Answering;

export type CheckMainMessage = Calling<CheckCall> | { readonly kind: "task"; readonly task: CheckTask };
