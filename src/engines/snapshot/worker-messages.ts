import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { PartLine } from "../../repository/part-list-lines.ts";
import type { PartRef } from "../../repository/stored-parts.ts";
import type { StorageLocation } from "../../storage/location.ts";
import type { Answering, Calling } from "./thread-port.ts";
import type { Observed } from "./threads.ts";

/** What a copy worker is set to: to work in one snapshot. */
export interface CopyCall {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Pinned to the server that exported the snapshot. */
  readonly settings: ConnectionSettings;
  readonly snapshot: string;
  /** Lower bound of the snapshot that ranges are compared with; null where nothing is. */
  readonly earlierXmin: string | null;
  readonly storageLocation: StorageLocation;
  readonly database: string;
  readonly spoolFolder: string;
  /** Where somebody observes every operation: the thread tells each, and goes on when this was counted up. */
  readonly observed: Observed;
}

/** One range of a job. */
export interface RangeTask {
  /** Copies its rows out. */
  readonly copySql: string;
  /** Asks for its tuple identity. */
  readonly identitySql: string;
  /** What the earlier snapshot had in it; null: read it without asking. */
  readonly earlier: { readonly rows: number; readonly hash: string | null } | null;
}

/** Ranges of one table that follow one another. */
export interface CopyJob {
  readonly id: number;
  readonly table: { readonly schema: string; readonly name: string };
  readonly ranges: readonly RangeTask[];
  /** Null where no tuple identity of the table is to be asked for. */
  readonly ask: {
    /** For all ranges at once. */
    readonly identitySql: string;
    /** Copies the first range: for a look at how the server would read it. */
    readonly selectSql: string;
  } | null;
  /** Read to compare with what is stored: store nothing. */
  readonly sample: boolean;
}

/** What became of a range. */
export type RangeOutcome =
  /** Its tuples are those of the earlier snapshot. The hash is null where it was not asked for by itself. */
  | { readonly kind: "same"; readonly hash: string | null }
  /** It was read. The hash is null where it was not asked for. */
  | { readonly kind: "read"; readonly parts: readonly CopiedPart[]; readonly hash: string | null }
  /** It was read for a look. */
  | { readonly kind: "sampled"; readonly rows: RowsRead };

/** What the rows of a range are, however they are cut into parts. */
export interface RowsRead {
  readonly rows: number;
  readonly bytes: number;
  readonly digest: string;
}

export interface CopyOutcome {
  readonly ranges: readonly RangeOutcome[];
  /** Why the table must not be compared at all: how the server would read it. */
  readonly unfit: string | null;
}

/** A part as its list describes it, and whether it had to be stored. */
export interface CopiedPart {
  readonly line: PartLine;
  readonly stored: boolean;
}

export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "observed"; readonly phase: "before" | "after"; readonly operation: string }
  /** A part's text is complete: is one like it there already? Waits for the answer. */
  | { readonly kind: "made"; readonly textHash: string; readonly bytes: number }
  /** Everything of a job is read: the next one may come. */
  | { readonly kind: "read"; readonly job: number }
  /** And every part of it is durable. */
  | { readonly kind: "done"; readonly job: number; readonly outcome: CopyOutcome }
  | Answering;

export type MainMessage =
  | Calling<CopyCall>
  | { readonly kind: "job"; readonly job: CopyJob }
  | { readonly kind: "answer"; readonly known: PartRef | null };
