import { AppError } from "../errors.ts";
import type { PlacesListing } from "../operations/list-places.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { RunFile } from "../repository/run-file.ts";
import { storedBytesOf } from "../repository/stored-bytes.ts";
import { checkAge } from "./checks/age.ts";
import { checkDrills } from "./checks/drills.ts";
import { checkDuties } from "./checks/duties.ts";
import { checkHalfMade } from "./checks/half-made.ts";
import { checkLocks } from "./checks/locks.ts";
import { checkProvider } from "./checks/provider.ts";
import { checkRecovery } from "./checks/recovery.ts";
import { checkRuns } from "./checks/runs.ts";
import { checkSchedules } from "./checks/schedules.ts";
import { checkServer } from "./checks/server.ts";
import { checkStored } from "./checks/stored.ts";
import { checkSources } from "./checks/sources.ts";
import { checkTables } from "./checks/tables.ts";
import type { Expected, ExpectedEntry, Facts } from "./facts.ts";
import { type Criticality, type Finding, finding, isHealthy } from "./finding.ts";
import { type LiveFigures, liveFigures, UNKNOWN_FIGURES } from "./live-figures.ts";
import { type ProviderView, providerView } from "./provider-view.ts";

/** How many of the last runs were of one operation and ended in one way. */
interface RunCount extends Pick<RunFile, "operation"> {
  readonly outcome: NonNullable<RunFile["outcome"]>;
  readonly runs: number;
  /** When the last of them ended; where nobody saw its end, when it began. */
  readonly lastAt: string;
}

interface EntryStatus extends ExpectedEntry {
  readonly newest: BackupIndex | null;
  readonly backups: number;
  readonly storedBytes: number;
}

/** How one database stands. */
export interface DatabaseStatus {
  readonly database: string;
  readonly criticality: Criticality;
  /** Whether the backups could be looked at; where not, there may be any number of them. */
  readonly known: boolean;
  /** Whether nothing worse than a notice was found. */
  readonly healthy: boolean;
  /** Whether a place lacks a backup that another has, or cannot be read. */
  readonly degraded: boolean;
  readonly findings: readonly Finding[];
  readonly newest: BackupIndex | null;
  /** What its places hold; null where they could not be looked at. */
  readonly listing: PlacesListing | null;
  /** Null where no managed service runs it. */
  readonly provider: ProviderView | null;
  readonly live: LiveFigures;
  readonly rpoMs: number | null;
  readonly rtoMs: number | null;
  readonly backups: number;
  readonly storedBytes: number;
  readonly nextRun: Date | null;
  readonly entries: readonly EntryStatus[];
  /** When the newest verification ended that restored a backup and compared it; null where there is none. */
  readonly lastProofAt: string | null;
  readonly proofMs: number | null;
  /** Of the runs that were looked at, those that have ended. */
  readonly runs: readonly RunCount[];
}

/** How one database stands against its objectives, by the facts. */
export function statusOf(facts: Facts): DatabaseStatus {
  const { backups, complete, listing } = facts;
  const findings = checkDatabase(facts);
  return {
    ...unknownStatus(facts),
    known: true,
    healthy: isHealthy(findings),
    degraded: listing.shortfalls.length > 0,
    findings,
    newest: complete[0] ?? null,
    listing,
    provider: providerOf(facts),
    live: liveFigures(facts),
    backups: backups.length,
    storedBytes: storedBytesOf(backups),
    entries: facts.entries.map((entry) => {
      const own = backups.filter(({ schedule }) => schedule === entry.name);
      return { ...entry, newest: own[0] ?? null, backups: own.length, storedBytes: storedBytesOf(own) };
    }),
    lastProofAt: facts.lastProof?.finishedAt ?? null,
    runs: facts.runs instanceof AppError ? [] : countRuns(facts.runs),
  };
}

function providerOf(facts: Facts): ProviderView | null {
  const { provider, providerWindowMs: windowMs = 0, providerRestores = [], now } = facts;
  return provider === undefined ? null : providerView(provider, { windowMs, now }, providerRestores);
}

/** @param runs newest first */
function countRuns(runs: readonly RunFile[]): RunCount[] {
  const counts = new Map<string, RunCount>();
  for (const { operation, outcome, finishedAt, startedAt } of runs) {
    if (outcome === null) continue;
    const key = `${operation} ${outcome}`;
    const at = finishedAt ?? startedAt;
    const before = counts.get(key) ?? { operation, outcome, runs: 0, lastAt: at };
    counts.set(key, { ...before, runs: before.runs + 1, lastAt: before.lastAt > at ? before.lastAt : at });
  }
  return [...counts.values()];
}

const CHECKS_OF_DATABASE: readonly ((facts: Facts) => Finding[])[] = [
  checkAge,
  checkStored,
  checkLocks,
  checkRecovery,
  checkTables,
  checkSources,
  checkServer,
  checkHalfMade,
  checkProvider,
  checkRuns,
  checkSchedules,
  checkDrills,
  checkDuties,
];

/** Every check of one database, the gravest family first. */
function checkDatabase(facts: Facts): Finding[] {
  return CHECKS_OF_DATABASE.flatMap((check) => check(facts));
}

/** The status of a database whose repository cannot be read: unhealthy, for nobody knows what there is. */
export function unreadableStatus(request: Expected, error: AppError): DatabaseStatus {
  const { message, hint = null, code } = error;
  const unreadable = finding("repository-unreadable", request, { message, hint, evidence: { error: code } });
  return { ...unknownStatus(request), findings: [unreadable] };
}

function unknownStatus(request: Expected): DatabaseStatus {
  const { database, criticality, rpoMs, rtoMs, proofMs, entries } = request;
  const runs = entries.flatMap(({ nextRun }) => nextRun ?? []);
  return {
    database,
    criticality,
    known: false,
    healthy: false,
    degraded: false,
    findings: [],
    newest: null,
    listing: null,
    provider: null,
    live: UNKNOWN_FIGURES,
    rpoMs,
    rtoMs,
    backups: 0,
    storedBytes: 0,
    nextRun: runs.toSorted((a, b) => a.getTime() - b.getTime())[0] ?? null,
    entries: entries.map((entry) => ({ ...entry, newest: null, backups: 0, storedBytes: 0 })),
    lastProofAt: null,
    proofMs,
    runs: [],
  };
}
