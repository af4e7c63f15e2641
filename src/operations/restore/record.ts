import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import type { Place } from "../places.ts";
import { NO_FIGURES, recordingRun, type RunResult } from "../record-run.ts";
import type { RestoreReport } from "./request.ts";

/** Runs a restore that is to be found in the history of the places it may read from. */
export async function recordingRestore(
  runtime: Runtime,
  { database, places }: { readonly database: string; readonly places: readonly Place[] },
  work: () => Promise<RestoreReport>,
  signal: AbortSignal,
): Promise<RestoreReport> {
  const storages = places.map(({ storage }) => storage);
  const run = { operation: "restore", database, entry: null, storages } as const;
  return await recordingRun(runtime, run, work, runResult, signal);
}

function runResult({ preview, done }: RestoreReport): RunResult {
  const { backup, source, target } = preview;
  const of = backup === null ? `${source}: ` : "";
  const swapped = done?.swap == null ? "" : ", in place of the one that was there";
  return {
    outcome: "done",
    backup,
    figures: { ...NO_FIGURES, rows: done?.rows ?? null },
    summary: `${of}${counted(done?.tables ?? 0, "table")} restored into ${done?.restoredInto ?? target}${swapped}`,
  };
}
