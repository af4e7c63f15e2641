import { stat } from "node:fs/promises";
import { findDatabase, type Strategy } from "../config/strategy.ts";
import { type Checklist, readChecklist } from "../operations/checklist/checklist.ts";
import { scheduledJobs } from "../operations/schedule/jobs.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";
import { storagesOf, strategyTarget } from "./targets.ts";

/** How the duties of a strategy stand. */
export async function checklistOf(cli: Cli, strategy: Strategy): Promise<Checklist> {
  const { timeZone, duties, path } = strategy;
  const request = {
    jobs: scheduledJobs(strategy),
    duties,
    timeZone,
    since: (await stat(path)).mtime,
    storagesOf: (database: string) => keptIn(cli, strategy, database),
  };
  return await readChecklist(cli.runtime, request, cli.signal);
}

/** Where a database of the strategy is kept. */
export function keptIn(cli: Cli, strategy: Strategy, database: string): readonly Storage[] {
  return storagesOf(strategyTarget(cli, strategy, findDatabase(strategy, database), {}));
}
