import { UNKNOWN_FIGURES } from "../../src/health/live-figures.ts";
import type { DatabaseStatus } from "../../src/health/status.ts";

/** How a database stands that has nothing the matter with it. */
export function statusOf(database: string, more: Partial<DatabaseStatus> = {}): DatabaseStatus {
  return {
    database,
    criticality: null,
    known: true,
    healthy: true,
    degraded: false,
    findings: [],
    newest: null,
    listing: null,
    provider: null,
    live: UNKNOWN_FIGURES,
    rpoMs: 86_400_000,
    rtoMs: null,
    backups: 3,
    storedBytes: 1024,
    nextRun: null,
    entries: [],
    lastProofAt: "2024-12-10T00:00:00.000Z",
    proofMs: null,
    runs: [],
    ...more,
  };
}
