/** What a look at a repository can come upon; the names are part of the JSON output and stay. */
export const FINDING_IDS = [
  "repository-file",
  "backup-damaged",
  "unfinished",
  "temporary-files",
  "lease",
  "read-marker",
  "garbage-note",
  "latest-link",
  "orphans",
  "unknown-names",
  "unknown-database",
] as const;

/** `damage`: a backup cannot be relied on. `problem`: something is not as it should be. `note`: good to know. */
export const FINDING_LEVELS = ["damage", "problem", "note"] as const;

export interface RepositoryFinding {
  readonly id: (typeof FINDING_IDS)[number];
  readonly level: (typeof FINDING_LEVELS)[number];
  /** Null: the repository as a whole. */
  readonly database: string | null;
  /** The backup it is about; null where it is about none. */
  readonly backup: string | null;
  readonly message: string;
  /** What to do about it; null: nothing. */
  readonly hint: string | null;
  /** The objects it is about, where there may be many: the first of them. */
  readonly items: readonly string[];
}

/** As many objects as are named in one finding. */
export const ITEMS_KEPT = 20;
