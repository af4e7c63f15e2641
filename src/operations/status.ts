import type { StrategyDatabase } from "../config/strategy.ts";
import { type AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { formatDuration } from "../lib/text.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { Repository } from "../repository/repository.ts";
import { covers, type Scope } from "../repository/scope.ts";
import { requireSameRecipients } from "../repository/sealing/sealing.ts";
import { storedBytesOf } from "../repository/stored-bytes.ts";
import { splitByProof } from "./damage-found.ts";
import { describeShortfall, listPlaces, type PlacesListing } from "./list-places.ts";
import type { Place } from "./places.ts";

export interface StatusRequest {
  readonly database: string;
  readonly places: readonly Place[];
  /** Tells days apart in what each place keeps. */
  readonly timeZone: string;
  readonly criticality: StrategyDatabase["criticality"] | null;
  /** Milliseconds; null where the strategy sets none. */
  readonly rpoMs: number | null;
  readonly rtoMs: number | null;
  /** What a backup must have to count for the objectives; undefined where nobody says. */
  readonly schemas: Scope | undefined;
  /** The strategy's backups of it. */
  readonly entries: readonly StatusEntry[];
}

interface StatusEntry {
  readonly name: string;
  readonly kind: BackupIndex["kind"];
  /** When it is due next; null where it has no schedule. */
  readonly nextRun: Date | null;
  /** Whether its schedule is installed on this machine; null where it has none, or that cannot be told. */
  readonly installed: boolean | null;
}

interface EntryStatus extends StatusEntry {
  readonly newest: BackupIndex | null;
  readonly backups: number;
  readonly storedBytes: number;
}

export interface HealthProblem {
  /** The kind of problem; with the subject the same for as long as it is the same problem, whatever its figures. */
  readonly id: string;
  /** What it is about: a backup, a place; the database where it is all of it. */
  readonly subject: string;
  /** What is wrong: a sentence in lower case without a full stop. */
  readonly message: string;
  /** What to do about it. */
  readonly hint: string | null;
}

export interface DatabaseStatus {
  readonly database: string;
  readonly criticality: StrategyDatabase["criticality"] | null;
  /** Whether the backups could be looked at; where not, there may be any number of them. */
  readonly known: boolean;
  readonly healthy: boolean;
  /** Whether a place lacks a backup that another has, or cannot be read. */
  readonly degraded: boolean;
  /** Empty when healthy. */
  readonly problems: readonly HealthProblem[];
  readonly newest: BackupIndex | null;
  /** Milliseconds since the newest backup's snapshot: what would be lost now. Null where that is not known. */
  readonly dataAtRiskMs: number | null;
  readonly rpoMs: number | null;
  readonly rtoMs: number | null;
  readonly backups: number;
  readonly storedBytes: number;
  readonly nextRun: Date | null;
  readonly entries: readonly EntryStatus[];
}

// Two machines' clocks differ by a little; more than this is worth a word.
const CLOCK_TOLERANCE_MS = 60_000;

/** How one database stands against its objectives, from what the repository holds. */
export async function databaseStatus(
  runtime: Runtime,
  request: StatusRequest,
  signal: AbortSignal,
): Promise<DatabaseStatus> {
  const {
    backups: there,
    damaged,
    proofs,
    shortfalls,
    repositories,
  } = await listOne(runtime, request, signal);
  const { good: backups, failed } = splitByProof(there, proofs);
  const { schemas } = request;
  // A backup of some schemas by hand does not stand in for one of all.
  const newest = backups.find((backup) => schemas === undefined || covers(backup.schemas, schemas)) ?? null;
  const age = newest === null ? null : runtime.clock.now().getTime() - new Date(newest.snapshotAt).getTime();
  const problems = [
    ...ageProblems(request, age, backups.length),
    ...failed.map(({ id, reason }) => ({
      id: "backup-not-proven",
      subject: id,
      message: `backup ${id} cannot be relied on: ${reason}`,
      hint: `\`handled backup ${request.database}\` takes a new one, which relies on nothing of it`,
    })),
    ...damaged.map(({ id, reason }) => ({
      id: "backup-damaged",
      subject: id,
      message: `backup ${id} is damaged: ${reason}`,
      hint: "bring what is missing back from a copy; if there is none, delete its folder under `backups`",
    })),
    ...shortfalls.map((shortfall) => ({
      id: "copy-degraded",
      subject: shortfall.place,
      ...describeShortfall(request.database, shortfall),
    })),
    ...repositories.flatMap((repository) => keyProblems(runtime, repository)),
  ];
  return {
    ...unknownStatus(request),
    known: true,
    healthy: problems.length === 0,
    degraded: shortfalls.length > 0,
    problems,
    newest,
    dataAtRiskMs: age,
    backups: backups.length,
    storedBytes: storedBytesOf(backups),
    entries: request.entries.map((entry) => {
      const own = backups.filter(({ schedule }) => schedule === entry.name);
      return { ...entry, newest: own[0] ?? null, backups: own.length, storedBytes: storedBytesOf(own) };
    }),
  };
}

/** The status of a database whose repository cannot be read: unhealthy, for nobody knows what there is. */
export function unreadableStatus(
  request: Omit<StatusRequest, "places" | "timeZone">,
  error: AppError,
): DatabaseStatus {
  const { message, hint = null } = error;
  const problem = { id: "repository-unreadable", subject: request.database, message, hint };
  return { ...unknownStatus(request), problems: [problem] };
}

function unknownStatus(request: Omit<StatusRequest, "places" | "timeZone">): DatabaseStatus {
  const { database, criticality, rpoMs, rtoMs, entries } = request;
  const runs = entries.flatMap(({ nextRun }) => nextRun ?? []);
  return {
    database,
    criticality,
    known: false,
    healthy: false,
    degraded: false,
    problems: [],
    newest: null,
    dataAtRiskMs: null,
    rpoMs,
    rtoMs,
    backups: 0,
    storedBytes: 0,
    nextRun: runs.toSorted((a, b) => a.getTime() - b.getTime())[0] ?? null,
    entries: entries.map((entry) => ({ ...entry, newest: null, backups: 0, storedBytes: 0 })),
  };
}

function ageProblems(
  { database, rpoMs }: StatusRequest,
  age: number | null,
  backups: number,
): HealthProblem[] {
  const takeOne = `\`handled backup ${database}\` takes one now`;
  if (age === null) {
    const message = backups === 0 ? "there is no backup" : "no backup has all schemas of the strategy";
    return [{ id: "backup-missing", subject: database, message, hint: takeOne }];
  }
  if (age < -CLOCK_TOLERANCE_MS) {
    return [
      {
        id: "clock-skew",
        subject: database,
        message: `the newest backup lies ${formatDuration(-age)} in the future: a clock is wrong`,
        hint: "compare the clock of this machine with that of the machine that takes the backups",
      },
    ];
  }
  if (rpoMs === null || age <= rpoMs) return [];
  return [
    {
      id: "backup-old",
      subject: database,
      message: `the newest backup is ${formatDuration(age)} old, the RPO is ${formatDuration(rpoMs)}`,
      hint: `${takeOne}; \`handled schedule show\` tells whether the schedule is installed`,
    },
  ];
}

/** Where it is sealed to others than the strategy names, the next backup is refused. */
function keyProblems(runtime: Runtime, { file, storage, place }: Repository): HealthProblem[] {
  try {
    requireSameRecipients(file, runtime.keys.wantedFor(storage.place), place);
    return [];
  } catch (error) {
    if (!isAppError(error, "usage")) throw error;
    const message = `the next backup will fail: ${error.message}`;
    return [{ id: "keys-differ", subject: place, message, hint: error.hint ?? null }];
  }
}

async function listOne(
  runtime: Runtime,
  request: StatusRequest,
  signal: AbortSignal,
): Promise<PlacesListing> {
  try {
    return await listPlaces(runtime, request.places, request.database, request.timeZone, signal);
  } catch (error) {
    // Before the first backup there is no repository yet; that is "no backup", not a failure to look.
    if (!isAppError(error, "repository_missing")) throw error;
  }
  return {
    database: request.database,
    backups: [],
    damaged: [],
    foreign: [],
    proofs: new Map(),
    places: new Map(),
    damagedIn: new Map(),
    shortfalls: [],
    repositories: [],
  };
}
