/** What can be measured by itself, in the order it is: each fills rows of the table. */
export const MEASURES = [
  "backup",
  "restore",
  "dailies",
  "digests",
  "list",
  "bucket",
  "larger",
  "parts",
] as const;
/** Those that take as long as all others together or need an object store, and have to be asked for. */
export const LONG: readonly MeasureName[] = ["bucket", "larger", "parts"];
export type MeasureName = (typeof MEASURES)[number];

/** A row of the table: what is measured, against what, and what it should be at most. */
export interface Goal {
  readonly measure: MeasureName;
  readonly what: string;
  readonly against: string;
  readonly most: number;
  readonly unit: "times" | "MB" | "s";
}

const GZIP = "pg_dump | gzip";

export const GOALS = {
  firstGzip: goal("backup", "first snapshot", GZIP, 0.45),
  firstZstd: goal("backup", "first snapshot", "pg_dump | zstd -3 -T2", 1.05),
  unchanged: goal("backup", "snapshot, nothing changed", GZIP, 0.07),
  changedGzip: goal("backup", "snapshot, 1 % changed at the end and 1 % in one place", GZIP, 0.12),
  changedRestic: goal("backup", "the same", "pg_dump | restic backup --stdin", 0.3),
  dailies: goal("dailies", "14 daily snapshots, 1 % changed a day: bytes stored", "one full snapshot", 1.4),
  restorePsql: goal("restore", "restore", "gunzip -c | psql", 0.68),
  restoreStock: goal("restore", "restore", "pg_restore -j2 of a directory", 1),
  verify: goal("restore", "restore into verify's own server", "pg_restore -j2 into a normal one", 0.85),
  content: goal("restore", "content check, extra time", "that restore", 0.5),
  table: goal("restore", "restore of the catalogue alone (a tenth)", "the whole restore", 0.15),
  backupMemory: goal("backup", "backup: most memory", "", 350, "MB"),
  restoreMemory: goal("restore", "restore: most memory", "", 350, "MB"),
  backupMemoryLarger: goal("larger", "backup: most memory, larger database", "", 350, "MB"),
  restoreMemoryLarger: goal("larger", "restore: most memory, larger database", "", 350, "MB"),
  backupMemoryParts: goal("parts", "backup: most memory, many parts", "", 350, "MB"),
  restoreMemoryParts: goal("parts", "restore: most memory, many parts", "", 350, "MB"),
  checkMemoryParts: goal("parts", "repository check: most memory, many parts", "", 350, "MB"),
  list: goal("list", "list of 10,000 backups", "", 1, "s"),
  bucketFirst: goal("bucket", "first snapshot into a bucket (Ceph on this machine)", "into a folder", 1.5),
  bucketUnchanged: goal("bucket", "snapshot into a bucket, nothing changed", "into a folder", 2),
  bucketRestore: goal("bucket", "restore out of a bucket", "out of a folder", 1.5),
  digests: goal("digests", "first snapshot with content digests", "without them", 1.1),
} as const satisfies Record<string, Goal>;
export type GoalName = keyof typeof GOALS;

/** What came of it, or why it could not be measured. */
export type Finding = { readonly value: number; readonly detail: string } | { readonly missing: string };
export type Findings = Partial<Record<GoalName, Finding>>;

function goal(
  measure: MeasureName,
  what: string,
  against: string,
  most: number,
  unit: Goal["unit"] = "times",
): Goal {
  return { measure, what, against, most, unit };
}
