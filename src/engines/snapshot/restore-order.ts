import type { ScriptEntry } from "./load-script.ts";

/** A schema archive's entries by when they are restored. */
export interface RestoreOrder {
  /** Schemas, types, functions, tables, views …: what rows need. */
  readonly before: readonly ScriptEntry[];
  /** Indexes, keys and statistics objects: made faster, and smaller, when the rows of their tables are there. */
  readonly parallel: readonly ScriptEntry[];
  /** Triggers, rules, policies, privileges, comments: what would get in the way of loading, and what comes late. */
  readonly after: readonly ScriptEntry[];
  /** Event triggers, and what is about them: they fire for what a restore does, and may write rows. */
  readonly last: readonly ScriptEntry[];
}

const PARALLEL = new Set(["INDEX", "INDEX ATTACH", "CONSTRAINT", "STATISTICS", "FK CONSTRAINT"]);
// They stand in the section of what they are about: privileges come last, for a grantor may lose rights that the load
// needs, and comments may be on what comes late.
const ABOUT_OTHERS = new Set(["ACL", "DEFAULT ACL", "COMMENT", "SECURITY LABEL"]);

/**
 * Sorts entries into the phases; within each the order stays, which is that of `pg_restore` and respects what they
 * need of each other. What must wait for an entry of the last phase is in the last phase too: an index on a view that
 * itself needs a primary key.
 */
export function orderEntries(entries: readonly ScriptEntry[]): RestoreOrder {
  const before = entries.filter(({ section, type }) => section === "pre-data" && !ABOUT_OTHERS.has(type));
  const present = new Set(entries.map(({ id }) => id));
  const early = new Set(before.map(({ id }) => id));
  const parallel: ScriptEntry[] = [];
  const after: ScriptEntry[] = [];
  const last: ScriptEntry[] = [];
  for (const entry of entries) {
    if (early.has(entry.id)) continue;
    const ready = entry.needs.every((id) => early.has(id) || !present.has(id));
    // Without a table to wait for nobody could tell when its time has come.
    if (PARALLEL.has(entry.type) && ready && entry.needs.some((id) => early.has(id))) {
      parallel.push(entry);
      early.add(entry.id);
    } else if (entry.type === "EVENT TRIGGER" || last.some(({ id }) => entry.needs.includes(id))) {
      last.push(entry);
    } else {
      after.push(entry);
    }
  }
  return { before, parallel, after, last };
}
