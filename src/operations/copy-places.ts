import type { Runtime } from "../lib/runtime.ts";
import { counted } from "../lib/text.ts";
import { isDegraded } from "./backup-places.ts";
import { copyBetween, type CopyRequest, type PlaceReport } from "./copy.ts";
import { NO_FIGURES, recordingRun, type RunResult } from "./record-run.ts";

/** Brings what places of a database lack over to them, as a run of its own; see `copyBetween`. */
export async function copyPlaces(
  runtime: Runtime,
  request: CopyRequest,
  signal: AbortSignal,
): Promise<PlaceReport[]> {
  const copy = async (): Promise<PlaceReport[]> => await copyBetween(runtime, request, signal);
  if (request.dryRun) return await copy();
  const { database, places } = request;
  const storages = places.map(({ storage }) => storage);
  const run = { operation: "copy", database, entry: null, storages } as const;
  return await recordingRun(runtime, run, copy, runResult, signal);
}

function runResult(reports: readonly PlaceReport[]): RunResult {
  const [failure] = reports.flatMap((report) => report.failure ?? []);
  const copied = reports.reduce((sum, report) => sum + report.copied.length, 0);
  const nothing = reports.every((report) => report.failure !== undefined);
  return {
    outcome: nothing ? "failed" : reports.some(isDegraded) ? "degraded" : "done",
    backup: null,
    figures: NO_FIGURES,
    summary: `${counted(copied, "backup")} brought over`,
    error: failure,
  };
}
