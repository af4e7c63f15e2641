import type { Clock } from "../../src/lib/clock.ts";
import type { Holder } from "../../src/repository/manifest.ts";
import type { RunFile } from "../../src/repository/run-file.ts";
import { newRunId } from "../../src/repository/runs.ts";

/** The record of a backup of `data` that began and ended now, and went well, but for what is told otherwise. */
export function runFile(clock: Clock, by: Holder, parts: Partial<RunFile> = {}): RunFile {
  const at = clock.now().toISOString();
  return {
    format: 1,
    id: newRunId(clock),
    operation: "backup",
    database: "data",
    entry: null,
    startedAt: at,
    finishedAt: at,
    by,
    program: "handled",
    outcome: "done",
    backup: null,
    figures: { rows: 1, bytes: 2, storedBytes: 3 },
    summary: "done",
    error: null,
    ...parts,
  };
}
