import type { Facts } from "../../src/health/facts.ts";
import type { PlacesListing } from "../../src/operations/list-places.ts";
import { BackupIndex } from "../../src/repository/manifest.ts";
import { encodeManifest } from "../../src/repository/manifests.ts";
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
    schemas: null,
    entries: [],
    timeZone: "UTC",
    now: NOW,
    backups,
    complete: backups,
    failed: [],
    listing: listingOf(backups),
    refusals: [],
    tables: [],
    runs: [],
    ...parts,
  };
}

/** A listing that has these backups, and nothing else to tell. */
function listingOf(backups: readonly BackupIndex[]): PlacesListing {
  return {
    database: "data",
    backups,
    damaged: [],
    foreign: [],
    proofs: new Map(),
    places: new Map(),
    damagedIn: new Map(),
    shortfalls: [],
    repositories: [],
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
