import type { RebuildSource } from "../config/rebuild.ts";
import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted } from "../lib/text.ts";
import { backupDatabase, type BackupReport, type BackupRequest } from "./backup.ts";
import { copyBetween, type PlaceReport } from "./copy.ts";
import { backupsFolder } from "../repository/layout.ts";
import { readRepositoryFile } from "../repository/repository.ts";
import { goneOf, rememberPlace } from "./known-places.ts";
import { absenceOf, isOfPlace, type Place, surveyPlaces } from "./places.ts";
import { recordingRun, type RunResult } from "./record-run.ts";
import { lookAtSources } from "./sources/look-at-sources.ts";

export interface PlacesRequest extends Omit<BackupRequest, "storage" | "others" | "retention"> {
  /** In the order in which they are tried; at least one. */
  readonly places: readonly Place[];
  /** Objects that are copied at the same time. */
  readonly copyJobs: number;
  /** What the database can be made from without a backup: how much that is now is recorded with the run. */
  readonly sources: readonly RebuildSource[];
  /** Whether a place that is no repository is made one, while others have backups, or this machine wrote some there. */
  readonly newPlace: boolean;
}

export interface PlacesReport extends BackupReport {
  /** What came of each place, in their order. */
  readonly places: readonly PlaceReport[];
  /** Whether some place lacks a backup that another has, or could not be used. */
  readonly degraded: boolean;
}

/**
 * Takes a backup into the first place that can be written, and brings it over to the others, with whatever else they lack
 * since an earlier run. The database is read once, and again only when the place it was read for failed. A place that
 * fails does not fail the others. Throws when no place could be written, and for whatever is no place's fault.
 */
export async function backupToPlaces(
  runtime: Runtime,
  request: PlacesRequest,
  signal: AbortSignal,
): Promise<PlacesReport> {
  const { database, schedule: entry, places } = request;
  const storages = places.map(({ storage }) => storage);
  const { sources, ...rest } = request;
  let found: RunResult["sources"];
  return await recordingRun(
    runtime,
    { operation: "backup", database, entry, storages },
    async () => {
      const report = await takeToPlaces(runtime, rest, signal);
      found = await sizesOf(runtime, sources, signal);
      return report;
    },
    (report) => ({ ...runResult(report), sources: found }),
    signal,
  );
}

/** Undefined where there is nothing to record. */
async function sizesOf(
  runtime: Runtime,
  sources: readonly RebuildSource[],
  signal: AbortSignal,
): Promise<RunResult["sources"]> {
  try {
    const looked = await lookAtSources(runtime, sources, signal);
    const sound = looked.filter(({ problem, bytes }) => problem === null && bytes > 0);
    return sound.length === 0
      ? undefined
      : sound.map(({ source, files, bytes }) => ({ source, files, bytes }));
  } catch (error) {
    // The backup was taken by then: whoever interrupts the look does not undo it.
    if (!signal.aborted) throw error;
    return undefined;
  }
}

function runResult({ index, degraded, deleted }: PlacesReport): RunResult {
  const { rows, bytes, storedBytes } = index.totals;
  const differing = index.kind === "snapshot" && index.snapshot.sample.differing > 0;
  const pruned = deleted.length === 0 ? "" : `; ${counted(deleted.length, "old backup")} deleted`;
  return {
    outcome: degraded || differing ? "degraded" : "done",
    backup: index.id,
    figures: { rows, bytes, storedBytes },
    summary: `${index.kind} of ${counted(index.totals.tables, "table")}${pruned}`,
  };
}

async function takeToPlaces(
  runtime: Runtime,
  { places, copyJobs, newPlace, ...request }: Omit<PlacesRequest, "sources">,
  signal: AbortSignal,
): Promise<PlacesReport> {
  const missing = places.length < 2 ? [] : await findMissing(places, request.database, signal);
  const failed =
    newPlace || missing.length === 0
      ? new Map<Place, AppError>()
      : await findAbsent(runtime, places, request, signal);
  for (const [{ name }, { message }] of failed) runtime.reporter.warn(`${name} is passed over: ${message}`);
  const { report, written } = await backupToFirst(runtime, { ...request, newPlace }, places, failed, signal);
  const others = places.filter((place) => !failed.has(place));
  const { database, prefix, timeZone } = request;
  const copies =
    others.length < 2
      ? []
      : await copyBetween(
          runtime,
          {
            database,
            places: others,
            prefix,
            timeZone,
            jobs: copyJobs,
            dryRun: false,
            // Not what is gone only since this run began.
            newPlaces: missing.map(({ name }) => name),
            // The first did so at the end of its backup.
            pruned: others.filter((place) => place !== written).map(({ name }) => name),
          },
          signal,
        );
  const reports = places.map((place): PlaceReport => {
    const copied = copies.find(({ name }) => name === place.name);
    const failure = failed.get(place) ?? copied?.failure;
    return { ...emptyReport(place), ...copied, failure };
  });
  for (const [at, { storage }] of places.entries())
    if (reports[at]?.failure === undefined) await rememberPlace(runtime, storage);
  for (const { name, failure } of reports) {
    if (failure !== undefined && ![...failed.values()].includes(failure))
      runtime.reporter.warn(`${name} lacks what the other places have: ${failure.message}`);
  }
  return { ...report, places: reports, degraded: reports.some((one) => isDegraded(one)) };
}

/** Whether a place could not be used, or lacks a backup that it should have. */
export function isDegraded({ failure, lacking, damaged }: PlaceReport): boolean {
  return failure !== undefined || lacking.length > 0 || damaged.length > 0;
}

function emptyReport({ name, storage }: Place): PlaceReport {
  return {
    name,
    place: storage.place,
    copied: [],
    lacking: [],
    damaged: [],
    deleted: [],
    failure: undefined,
  };
}

/** Places that are no repository though they should have backups: nothing is written there before somebody says so. */
async function findAbsent(
  runtime: Runtime,
  places: readonly Place[],
  { database, timeZone }: Pick<BackupRequest, "database" | "timeZone">,
  signal: AbortSignal,
): Promise<Map<Place, AppError>> {
  const absent = new Map<Place, AppError>();
  const surveyed = await surveyPlaces(runtime, places, database, signal);
  for (const one of surveyed) {
    const isNone = one.repository === undefined && one.failure === undefined;
    const absence =
      absenceOf(runtime, database, one, surveyed, timeZone) ??
      (isNone ? await goneOf(runtime, one.place.storage, database) : undefined);
    if (absence !== undefined) absent.set(one.place, absence);
  }
  return absent;
}

/**
 * Those that are no repositories, or have nothing of the database: two small reads a place. One that does not answer is told
 * of when it is written to.
 */
async function findMissing(
  places: readonly Place[],
  database: string,
  signal: AbortSignal,
): Promise<Place[]> {
  const missing: Place[] = [];
  for (const place of places) {
    try {
      const { storage } = place;
      const file = await readRepositoryFile(storage, signal);
      if (file === undefined || (await storage.folders(backupsFolder(database), signal)).length === 0)
        missing.push(place);
    } catch (error) {
      if (!isOfPlace(error, signal)) throw error;
    }
  }
  return missing;
}

async function backupToFirst(
  runtime: Runtime,
  request: Omit<BackupRequest, "storage" | "others" | "retention">,
  places: readonly Place[],
  failed: Map<Place, AppError>,
  signal: AbortSignal,
): Promise<{ report: BackupReport; written: Place }> {
  const usable = places.filter((place) => !failed.has(place));
  for (const [at, place] of usable.entries()) {
    const { storage, rules: retention } = place;
    const others = places.filter((other) => other !== place).map((other) => other.storage);
    try {
      const report = await backupDatabase(runtime, { ...request, storage, others, retention }, signal);
      return { report, written: place };
    } catch (error) {
      const next = usable[at + 1];
      if (!isOfPlace(error, signal)) throw error;
      // Why the nearest could not be used is told as the error; of the others a warning says it.
      if (next === undefined && failed.size > 0)
        runtime.reporter.warn(`${place.name} cannot take the backup either: ${error.message}`);
      if (next === undefined) throw [...failed.values()][0] ?? error;
      failed.set(place, error);
      runtime.reporter.warn(`${place.name} cannot take the backup, ${next.name} is tried: ${error.message}`);
    }
  }
  throw [...failed.values()][0] ?? new AppError("unexpected", "back up: there is no place");
}
