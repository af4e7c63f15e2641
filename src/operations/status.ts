import type { Runtime } from "../lib/runtime.ts";
import { formatDuration } from "../lib/text.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import { isAppError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import { type DatabaseListing, listRepository } from "./list.ts";

export interface StatusRequest {
  readonly database: string;
  readonly storage: Storage;
  readonly criticality: string | null;
  /** Milliseconds; null where the strategy sets none. */
  readonly rpoMs: number | null;
  readonly rtoMs: number | null;
  /** The next scheduled run, if any. */
  readonly nextRun: Date | null;
}

export interface DatabaseStatus {
  readonly database: string;
  readonly criticality: string | null;
  readonly healthy: boolean;
  /** What is wrong, one sentence each; empty when healthy. */
  readonly problems: readonly string[];
  readonly newest: BackupIndex | null;
  /** Milliseconds since the newest backup's snapshot: what would be lost now. */
  readonly dataAtRiskMs: number | null;
  readonly rpoMs: number | null;
  readonly rtoMs: number | null;
  readonly backups: number;
  readonly storedBytes: number;
  readonly nextRun: Date | null;
}

/** How one database stands against its objectives, from what the repository holds. */
export async function databaseStatus(
  runtime: Runtime,
  request: StatusRequest,
  signal: AbortSignal,
): Promise<DatabaseStatus> {
  const listing = await listOne(runtime, request, signal);
  const newest = listing.backups[0] ?? null;
  const age = newest === null ? null : runtime.clock.now().getTime() - new Date(newest.snapshotAt).getTime();
  const problems: string[] = [];
  if (newest === null) problems.push("there is no backup");
  if (age !== null && request.rpoMs !== null && age > request.rpoMs) {
    problems.push(`the newest backup is ${formatDuration(age)} old, the RPO is ${formatDuration(request.rpoMs)}`);
  }
  if (age !== null && age < -CLOCK_TOLERANCE_MS) {
    problems.push(`the newest backup lies ${formatDuration(-age)} in the future: a clock is wrong`);
  }
  for (const { id, reason } of listing.damaged) problems.push(`backup ${id} is damaged: ${reason}`);
  return {
    database: request.database,
    criticality: request.criticality,
    healthy: problems.length === 0,
    problems,
    newest,
    dataAtRiskMs: age,
    rpoMs: request.rpoMs,
    rtoMs: request.rtoMs,
    backups: listing.backups.length,
    storedBytes: listing.backups.reduce((sum, backup) => sum + backup.totals.storedBytes, 0),
    nextRun: request.nextRun,
  };
}

// Two machines' clocks differ by a little; more than this is worth a word.
const CLOCK_TOLERANCE_MS = 60_000;

async function listOne(runtime: Runtime, request: StatusRequest, signal: AbortSignal): Promise<DatabaseListing> {
  try {
    const [listing] = await listRepository(runtime, request.storage, request.database, signal);
    if (listing !== undefined) return listing;
  } catch (error) {
    // Before the first backup there is no repository yet; that is "no backup", not a failure to look.
    if (!isAppError(error, "repository_missing")) throw error;
  }
  return { database: request.database, backups: [], damaged: [], foreign: [] };
}
