import type { DefinitionDifferences } from "../../engines/snapshot/definitions.ts";
import type { BlockRange } from "../../engines/snapshot/tables.ts";

/** One of the two that are compared. */
export interface DiffSide {
  /** Null for the live database. */
  readonly id: string | null;
  readonly kind: "archive" | "snapshot" | "live";
  /** Its name on the server. */
  readonly database: string;
  /** What of the database was backed up; null for all of it. */
  readonly schemas: readonly string[] | null;
  /** The moment that its rows are of. */
  readonly at: Date;
}

/** What one side has of a table. */
export interface TableFacts {
  /** Null where it has none of its own: a materialized view is filled anew. */
  readonly rows: number | null;
  /** COPY text. */
  readonly bytes: number;
  /** Null for an archive, which has none. */
  readonly digest: string | null;
}

/** Which ranges of blocks of a table do not hold the same rows. */
export interface RangeDiff {
  /** Ranges of both together; null when nothing had to be looked at. */
  readonly total: number | null;
  /** In the order of the blocks. */
  readonly changed: readonly BlockRange[];
}

export interface TableDiff {
  readonly schema: string;
  readonly name: string;
  /** Null: it is not there. */
  readonly first: TableFacts | null;
  readonly second: TableFacts | null;
  /** Whether both have the same rows; null when that cannot be told. */
  readonly same: boolean | null;
  /** Null where ranges cannot be compared. */
  readonly ranges: RangeDiff | null;
}

export interface SequenceDiff {
  readonly schema: string;
  readonly name: string;
  /** Null: it is not there. */
  readonly first: string | null;
  readonly second: string | null;
}

export interface DiffReport {
  readonly database: string;
  readonly first: DiffSide;
  readonly second: DiffSide;
  /** By schema and name. */
  readonly tables: readonly TableDiff[];
  /** Those that differ. */
  readonly sequences: readonly SequenceDiff[];
  /** Null when they could not be compared. */
  readonly definitions: DefinitionDifferences | null;
  /** What the database itself has: owner, settings, privileges, comment; and the versions of extensions. */
  readonly properties: DefinitionDifferences;
  readonly notCompared: readonly { readonly what: string; readonly reason: string }[];
  /** Null when no difference was found and not everything could be compared. */
  readonly equal: boolean | null;
}

/** Whether two tables have the same rows, as far as their numbers tell. */
export function compareFacts(first: TableFacts | null, second: TableFacts | null): boolean | null {
  if (first === null || second === null) return false;
  if (first.rows !== second.rows) return false;
  if (first.rows === 0) return true;
  return first.digest === null || second.digest === null ? null : first.digest === second.digest;
}
