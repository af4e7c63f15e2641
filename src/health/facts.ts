import type { RebuildSource } from "../config/rebuild.ts";
import type { StrategyDrill } from "../config/drills.ts";
import type { StrategyDuty } from "../config/strategy.ts";
import { readDuties } from "../repository/duties.ts";
import type { DutyFile } from "../repository/duty-file.ts";
import type { DamagedBackup } from "../repository/backups.ts";
import { AppError, isAppError } from "../errors.ts";
import { type Runtime, silentReporter } from "../lib/runtime.ts";
import { splitByProof } from "../operations/damage-found.ts";
import { readRuns } from "../operations/history.ts";
import { goneOf } from "../operations/known-places.ts";
import { emptyListing, listPlaces, type PlacesListing } from "../operations/list-places.ts";
import { recoveriesIn } from "../operations/recoveries.ts";
import type { Place } from "../operations/places.ts";
import type { Job } from "../operations/schedule/jobs.ts";
import { restoresIn } from "../operations/provider/record.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { ProviderRestoreFile } from "../repository/provider-restore-file.ts";
import type { ProofFile } from "../repository/proof-file.ts";
import { newestRestored } from "../repository/proofs.ts";
import type { RecordedRecovery } from "../repository/recoveries.ts";
import type { Repository } from "../repository/repository.ts";
import type { RunFile } from "../repository/run-file.ts";
import { monthsOfRuns } from "../repository/runs.ts";
import { covers, type Scope } from "../repository/scope.ts";
import { requireSameRecipients } from "../repository/sealing/sealing.ts";
import { lookAtSources, type SourceFacts } from "../operations/sources/look-at-sources.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { askProvider, type ManagedCluster, type ProviderFacts } from "./ask-provider.ts";
import { askServer, type ServerFacts, UNASKED } from "./ask-server.ts";
import type { Criticality } from "./finding.ts";
import { gatherPlaces, type PlaceFacts } from "./place-facts.ts";
import { readTableHistory, type TablesOf } from "./table-history.ts";

/** What the strategy says of a database. */
export interface Expected {
  readonly database: string;
  readonly criticality: Criticality;
  /** Milliseconds; null where the strategy sets none. */
  readonly rpoMs: number | null;
  readonly rtoMs: number | null;
  /** How long a backup may go without one being restored and compared. */
  readonly proofMs: number | null;
  /** What a backup must have to count for the objectives; undefined where nobody says. */
  readonly schemas: Scope | undefined;
  /** The strategy's backups of it. */
  readonly entries: readonly ExpectedEntry[];
  /** All that is scheduled for it. */
  readonly jobs: readonly ExpectedJob[];
  /** The recoveries of it that are rehearsed. */
  readonly drills: readonly Pick<StrategyDrill, "name" | "scenario" | "schedule">[];
  /** What people have to do for it. */
  readonly duties: readonly StrategyDuty[];
  /** How far back the managed service is assumed to restore any moment; undefined where none runs it. */
  readonly providerWindowMs?: number | undefined;
  /** The one that schedules are in, and that tells days apart. */
  readonly timeZone: string;
}

export interface ExpectedEntry {
  readonly name: string;
  readonly kind: BackupIndex["kind"];
  /** When it is due next; null where it has no schedule. */
  readonly nextRun: Date | null;
  /** Whether its schedule is installed on this machine; null where it has none, or that cannot be told. */
  readonly installed: boolean | null;
}

export interface ExpectedJob extends Pick<Job, "operation" | "entry" | "schedule"> {
  /** Whether cron or systemd runs it on this machine; null where that cannot be told. */
  readonly installed: boolean | null;
}

/** How the last run of a job ended, as whoever started it saw; that it left a record is not said. */
export interface SeenRun extends Pick<Job, "operation" | "entry"> {
  readonly startedAt: Date;
  readonly outcome: NonNullable<RunFile["outcome"]>;
  readonly error?: { readonly message: string; readonly hint: string | null } | undefined;
}

export interface HealthRequest extends Expected {
  /** Runs that were seen here; default: none. */
  readonly seen?: readonly SeenRun[];
  /** Opens the managed service that runs the database; undefined where none does. */
  readonly managed?: (() => ManagedCluster) | undefined;
  /** Opens its places. */
  readonly places: () => readonly Place[];
  /** What it can be made from without a backup. */
  readonly madeFrom: readonly RebuildSource[];
  /** Looks the connection string up where the live server is to be asked, too; undefined leaves it alone. */
  readonly connection: (() => Promise<ConnectionSettings>) | undefined;
}

/** All that is known of a database; the checks look at nothing else. */
export interface Facts extends Expected, ServerFacts {
  readonly now: Date;
  /** Backups that can be relied on as far as anybody knows, newest first. */
  readonly backups: readonly BackupIndex[];
  /** Those among them that have all schemas of the strategy: one of some schemas by hand does not stand in for one of all. */
  readonly complete: readonly BackupIndex[];
  /** Those whose last verification failed. */
  readonly failed: readonly DamagedBackup[];
  /** Those of which something was found missing or damaged just now. */
  readonly damaged: readonly DamagedBackup[];
  readonly listing: PlacesListing;
  readonly places: readonly PlaceFacts[];
  /** What there is of the files that it can be made from. */
  readonly sources: readonly SourceFacts[];
  /** Undefined where no managed service runs it. */
  readonly provider?: ProviderFacts | undefined;
  /** The restores from it that were checked, newest first; undefined where there is none. */
  readonly providerRestores?: readonly ProviderRestoreFile[] | undefined;
  /** Why the next backup will be refused, by place. */
  readonly refusals: readonly Refusal[];
  /** The newest proof that a backup was restored and compared; that backup may be gone. */
  readonly lastProof: ProofFile | null;
  /** Since when the database has backups, at the latest; null where it has none. */
  readonly knownSince: Date | null;
  /** What is in the newest complete backup, and in those to compare it with, newest first. */
  readonly tables: readonly TablesOf[];
  /** What people have done of their duties. */
  readonly dutiesDone: readonly DutyFile[];
  /** The last drills and recoveries, newest first. */
  readonly recoveries: readonly RecordedRecovery[];
  /** Runs that were seen here, and may have left no record. */
  readonly seen?: readonly SeenRun[];
  /** The last runs, newest first; or why they could not be read. */
  readonly runs: readonly RunFile[] | AppError;
}

interface Refusal {
  readonly place: string;
  readonly reason: string;
  readonly hint: string | null;
}

/** Reads what the checks of one database need from its places. Throws where none of them can be read. */
export async function gatherFacts(
  runtime: Runtime,
  request: HealthRequest,
  signal: AbortSignal,
): Promise<Facts> {
  const places = request.places();
  const listing = await listOne(runtime, request, places, signal);
  const { good, failed } = splitByProof(listing.backups, listing.proofs);
  const { database, schemas, timeZone, connection } = request;
  const { repositories } = listing;
  const complete = good.filter((backup) => schemas === undefined || covers(backup.schemas, schemas));
  // Where nobody says, the next backup is taken to be like the last one.
  const read = schemas === undefined ? (good[0]?.schemas ?? null) : schemas;
  const tables = await readTableHistory(repositories, complete, signal);
  return {
    ...request,
    now: runtime.clock.now(),
    backups: good,
    complete,
    failed,
    damaged: [...listing.damaged, ...tables.damaged],
    listing,
    places: await gatherPlaces(runtime, places, timeZone, { listing, newest: complete[0] }, signal),
    provider: request.managed === undefined ? undefined : await askProvider(request.managed, signal),
    providerRestores:
      request.managed === undefined ? undefined : await restoresIn(runtime, repositories, database, signal),
    ...(connection === undefined ? UNASKED : await askServer(runtime, database, connection, read, signal)),
    sources: await lookAtSources(runtime, request.madeFrom, signal),
    lastProof: await findLastProof(repositories, database, signal),
    knownSince: await findFirst(repositories, listing, signal),
    tables: tables.compared,
    dutiesDone: await readDutiesDone(runtime, request, repositories, signal),
    recoveries: await recoveriesIn(runtime, repositories, { database, last: LAST_RECOVERIES }, signal),
    runs: await readLastRuns(runtime, request, repositories, signal),
    refusals: repositories.flatMap((repository) => refusalsBy(runtime, repository)),
  };
}

async function findLastProof(
  repositories: readonly Repository[],
  database: string,
  signal: AbortSignal,
): Promise<ProofFile | null> {
  let newest: ProofFile | null = null;
  for (const repository of repositories) {
    const proof = await newestRestored(repository, database, signal);
    if (proof === undefined) continue;
    if (newest === null || Date.parse(proof.finishedAt) > Date.parse(newest.finishedAt)) newest = proof;
  }
  return newest;
}

/** Backups go by retention, what ran is remembered: the end of the first month of which something is. */
async function findFirst(
  repositories: readonly Repository[],
  { database, backups }: PlacesListing,
  signal: AbortSignal,
): Promise<Date | null> {
  const times = backups.map(({ startedAt }) => Date.parse(startedAt));
  for (const repository of repositories) {
    const first = (await monthsOfRuns(repository, database, signal)).at(-1);
    if (first !== undefined) times.push(Date.UTC(Number(first.slice(0, 4)), Number(first.slice(5)), 1));
  }
  return times.length === 0 ? null : new Date(times.reduce((a, b) => Math.min(a, b)));
}

async function readDutiesDone(
  runtime: Runtime,
  { database, duties }: HealthRequest,
  repositories: readonly Repository[],
  signal: AbortSignal,
): Promise<DutyFile[]> {
  if (duties.length === 0) return [];
  const done = new Map<string, DutyFile>();
  for (const repository of repositories)
    for (const [id, file] of await readDuties(runtime, repository, database, signal)) done.set(id, file);
  return [...done.values()];
}

// Some years of drills.
const LAST_RECOVERIES = 64;

// Enough to find the last run of a weekly backup among hourly ones.
const LAST_RUNS = 200;

async function readLastRuns(
  runtime: Runtime,
  { database }: HealthRequest,
  repositories: readonly Repository[],
  signal: AbortSignal,
): Promise<Facts["runs"]> {
  try {
    return (await readRuns(runtime, repositories, { database, last: LAST_RUNS }, signal)).runs;
  } catch (error) {
    if (!(error instanceof AppError) || signal.aborted) throw error;
    return error;
  }
}

/** Where it is sealed to others than the strategy names, the next backup is refused. */
function refusalsBy(runtime: Runtime, { file, storage, place }: Repository): Refusal[] {
  try {
    requireSameRecipients(file, runtime.keys.wantedFor(storage.place), place);
    return [];
  } catch (error) {
    if (!isAppError(error, "usage")) throw error;
    return [{ place, reason: error.message, hint: error.hint ?? null }];
  }
}

async function listOne(
  runtime: Runtime,
  { database, timeZone, schemas }: HealthRequest,
  places: readonly Place[],
  signal: AbortSignal,
): Promise<PlacesListing> {
  // A name that the strategy gives is not mistyped: that there is nothing of it is a finding, and whether another was meant no question.
  const warn = (text: string): void => runtime.reporter.warn(text);
  const asKnown = schemas === undefined ? runtime : { ...runtime, reporter: { ...silentReporter, warn } };
  try {
    return await listPlaces(asKnown, places, database, timeZone, signal);
  } catch (error) {
    // Before the first backup there is no repository yet; that is "no backup", not a failure to look.
    if (!isAppError(error, "repository_missing")) throw error;
    for (const { storage } of places) {
      const gone = await goneOf(runtime, storage, database);
      if (gone !== undefined) throw gone;
    }
  }
  return emptyListing(database);
}
