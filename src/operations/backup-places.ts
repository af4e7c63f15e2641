import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted } from "../lib/text.ts";
import { backupDatabase, type BackupReport, type BackupRequest } from "./backup.ts";
import { copyBetween, type PlaceReport } from "./copy.ts";
import { isOfPlace, type Place } from "./places.ts";
import { recordingRun, type RunResult } from "./record-run.ts";

export interface PlacesRequest extends Omit<BackupRequest, "storage" | "others" | "retention"> {
  /** In the order in which they are tried; at least one. */
  readonly places: readonly Place[];
  /** Objects that are copied at the same time. */
  readonly copyJobs: number;
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
  return await recordingRun(
    runtime,
    { operation: "backup", database, entry, storages },
    async () => await takeToPlaces(runtime, request, signal),
    runResult,
    signal,
  );
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
  { places, copyJobs, ...request }: PlacesRequest,
  signal: AbortSignal,
): Promise<PlacesReport> {
  const failed = new Map<Place, AppError>();
  const { report, written } = await backupToFirst(runtime, request, places, failed, signal);
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

async function backupToFirst(
  runtime: Runtime,
  request: Omit<BackupRequest, "storage" | "others" | "retention">,
  places: readonly Place[],
  failed: Map<Place, AppError>,
  signal: AbortSignal,
): Promise<{ report: BackupReport; written: Place }> {
  for (const [at, place] of places.entries()) {
    const { storage, rules: retention } = place;
    const others = places.filter((other) => other !== place).map((other) => other.storage);
    try {
      const report = await backupDatabase(runtime, { ...request, storage, others, retention }, signal);
      return { report, written: place };
    } catch (error) {
      const next = places[at + 1];
      if (!isOfPlace(error, signal)) throw error;
      // Why the nearest could not be used is told as the error; of the others a warning says it.
      if (next === undefined && failed.size > 0)
        runtime.reporter.warn(`${place.name} cannot take the backup either: ${error.message}`);
      if (next === undefined) throw [...failed.values()][0] ?? error;
      failed.set(place, error);
      runtime.reporter.warn(`${place.name} cannot take the backup, ${next.name} is tried: ${error.message}`);
    }
  }
  throw new AppError("unexpected", "back up: there is no place");
}
