import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { ErrorCode } from "../../errors.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import type { PartRef } from "../../repository/stored-parts.ts";

/** What a copy worker is started with. */
export interface CopyWorkerData {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Pinned to the server that exported the snapshot. */
  readonly settings: ConnectionSettings;
  readonly snapshot: string;
  readonly storageLocation: string;
  readonly database: string;
  readonly spoolFolder: string;
}

/** One range to copy. */
export interface CopyJob {
  readonly id: number;
  readonly sql: string;
}

/** A part as its list describes it, and whether it had to be stored. */
export interface CopiedPart {
  readonly line: PartLine;
  readonly stored: boolean;
}

export type WorkerMessage =
  | { readonly kind: "ready" }
  /** A part's text is complete: is one like it there already? Waits for the answer. */
  | { readonly kind: "made"; readonly textHash: string; readonly bytes: number; readonly rows: number }
  | { readonly kind: "done"; readonly job: number; readonly parts: readonly CopiedPart[] }
  | { readonly kind: "failed"; readonly error: ThreadError };

export type MainMessage =
  | { readonly kind: "job"; readonly job: CopyJob }
  | { readonly kind: "answer"; readonly known: PartRef | null }
  | { readonly kind: "end" };

/** An error that crosses a thread: causes stay behind. */
export interface ThreadError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>>;
}
