import type { TocEntry } from "../archive/table-of-contents.ts";

/** A schema archive's entries by when they are restored. */
export interface RestoreOrder {
  /** Schemas, types, functions, tables, views … : what rows need. */
  readonly before: readonly TocEntry[];
  /** Indexes, keys and statistics objects: made faster, and smaller, when the rows are there. */
  readonly indexes: readonly TocEntry[];
  /** Foreign keys, triggers, rules, policies, privileges, comments: what would get in the way of loading. */
  readonly after: readonly TocEntry[];
}

const INDEXES = new Set(["INDEX", "INDEX ATTACH", "CONSTRAINT", "STATISTICS"]);
// The section "post-data" of pg_dump without the above (pg_dump.c), and the entries that are about other entries:
// privileges come last, for a grantor may lose rights that the load needs, and comments may be on what comes late.
const AFTER = new Set([
  "CHECK CONSTRAINT",
  "FK CONSTRAINT",
  "TRIGGER",
  "EVENT TRIGGER",
  "RULE",
  "POLICY",
  "ROW SECURITY",
  "PUBLICATION",
  "PUBLICATION TABLE",
  "PUBLICATION TABLES IN SCHEMA",
  "SUBSCRIPTION",
  "SUBSCRIPTION TABLE",
  "ACL",
  "DEFAULT ACL",
  "COMMENT",
  "SECURITY LABEL",
]);

/** Sorts entries into the three phases; within each the archive's order stays, which respects dependencies. */
export function orderEntries(entries: readonly TocEntry[]): RestoreOrder {
  const before: TocEntry[] = [];
  const indexes: TocEntry[] = [];
  const after: TocEntry[] = [];
  for (const entry of entries) {
    if (INDEXES.has(entry.type)) indexes.push(entry);
    else if (AFTER.has(entry.type)) after.push(entry);
    else before.push(entry);
  }
  return { before, indexes, after };
}
