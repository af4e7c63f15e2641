import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import type { StorageLocation } from "../../storage/location.ts";
import type { Answering, Calling } from "./thread-port.ts";
import type { Observed, ThreadError } from "./threads.ts";

/** What a load worker is set to: one connection, and where parts lie. */
export interface LoadCall {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly settings: ConnectionSettings;
  readonly storageLocation: StorageLocation;
  readonly database: string;
  readonly observed: Observed;
}

export type LoadWorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "observed"; readonly phase: "before" | "after"; readonly operation: string }
  /** Something had to be read from another place. */
  | {
      readonly kind: "fell back";
      readonly place: string;
      readonly to: string;
      readonly error: ThreadError;
    }
  /** So many bytes of COPY text more are on their way. */
  | { readonly kind: "told"; readonly bytes: number }
  /** Which parts are next? Waits for the answer. */
  | { readonly kind: "next" }
  | { readonly kind: "done" }
  | Answering;

export type LoadMainMessage =
  | Calling<LoadCall>
  | { readonly kind: "run"; readonly statements: readonly string[] }
  | { readonly kind: "copy"; readonly sql: string }
  | { readonly kind: "parts"; readonly parts: readonly PartLine[] }
  | { readonly kind: "abort" };
