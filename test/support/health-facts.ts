import type { Facts } from "../../src/health/facts.ts";
import { emptyListing } from "../../src/operations/list-places.ts";
import { BackupId, BackupIndex } from "../../src/repository/manifest.ts";
import { encodeManifest } from "../../src/repository/manifests.ts";
import type { ProofFile } from "../../src/repository/proof-file.ts";
import type { RunFile } from "../../src/repository/run-file.ts";
import { type Sample, sampleBackup } from "./sample-backup.ts";

/** The moment at which made-up facts are looked at. */
const NOW = new Date("2024-12-11T14:30:00.000Z");

/** Facts of a database that is well: all that is not given. */
export function factsOf(parts: Partial<Facts> = {}): Facts {
  const backups = parts.backups ?? [indexOf({ id: "20241211T120000Z-0001", database: "data" })];
  return {
    database: "data",
    criticality: "medium",
    rpoMs: 86_400_000,
    rtoMs: 4 * 3_600_000,
    proofMs: 35 * 86_400_000,
    schemas: null,
    entries: [],
    jobs: [],
    timeZone: "UTC",
    now: NOW,
    backups,
    complete: backups,
    failed: [],
    damaged: [],
    listing: { ...emptyListing("data"), backups },
    places: [],
    server: [],
    halfMade: [],
    liveName: "data",
    sources: [],
    refusals: [],
    lastProof: null,
    knownSince: null,
    tables: [],
    runs: [],
    drills: [],
    recoveries: [],
    duties: [],
    dutiesDone: [],
    ...parts,
  };
}

/** The index of a believable backup. */
export function indexOf(sample: Sample): BackupIndex {
  const { head, tables, content } = sampleBackup(sample);
  return BackupIndex.parse(encodeManifest(head, tables, content).index);
}

/** A run that ended well. */
export function runOf(startedAt: string, parts: Partial<RunFile> = {}): RunFile {
  return {
    format: 1,
    id: `${new Date(startedAt).toISOString().replaceAll(/[-:]/g, "")}-00000000`,
    operation: "backup",
    database: "data",
    entry: "nightly",
    startedAt: new Date(startedAt).toISOString(),
    finishedAt: new Date(startedAt).toISOString(),
    by: {
      host: "db1",
      user: "ada",
      pid: 1,
      bootId: null,
      pidNamespace: null,
      processStart: null,
      operation: "backup",
    },
    program: "handled",
    outcome: "done",
    backup: null,
    figures: { rows: null, bytes: null, storedBytes: null },
    summary: "",
    error: null,
    ...parts,
  };
}

/** The proof of a backup that was restored and compared. */
export function proofOf(
  backup: string,
  { finishedAt = "2024-12-10T03:00:00Z", bytes = 50, restoreMs = 1000 } = {},
): ProofFile {
  return {
    format: 1,
    backup: BackupId.parse(backup),
    database: "data",
    operation: "verify",
    snapshotAt: finishedAt,
    startedAt: finishedAt,
    finishedAt,
    by: { host: "db1", user: "ada", program: "handled" },
    outcome: "proven",
    level: "content",
    proven: "content",
    compared: {
      objects: 4,
      storedBytes: 10,
      tables: 1,
      rows: 3,
      bytes,
      digests: 1,
      sequences: 0,
      definitions: 2,
    },
    notCompared: [],
    server: { version: "15.18", versionNumber: 150_018, kind: "throw-away" },
    durations: { integrityMs: 10, restoreMs, compareMs: 10 },
    problemCount: 0,
    problems: [],
  };
}
