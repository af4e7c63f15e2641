import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import type { Place } from "../places.ts";
import { NO_FIGURES, recordingRun, type RunResult } from "../record-run.ts";
import type { MissingRowsReport } from "./request.ts";

/** Brings missing rows back in a way that is to be found in the history of the places they may come from. */
export async function recordingMissingRows(
  runtime: Runtime,
  { database, places }: { readonly database: string; readonly places: readonly Place[] },
  work: () => Promise<MissingRowsReport>,
  signal: AbortSignal,
): Promise<MissingRowsReport> {
  const storages = places.map(({ storage }) => storage);
  const run = { operation: "restore", database, entry: null, storages } as const;
  return await recordingRun(runtime, run, work, runResult, signal);
}

function runResult({ preview, done }: MissingRowsReport): RunResult {
  const rows = done?.rows ?? 0;
  const into = preview.tables.map(({ schema, name }) => `${schema}.${name}`).join(", ");
  return {
    outcome: "done",
    backup: preview.backup,
    figures: { ...NO_FIGURES, rows },
    summary: `${counted(rows, "missing row")} brought back into ${into}`,
  };
}
