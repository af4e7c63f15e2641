import { createHash } from "node:crypto";
import { join } from "node:path";
import type { JobRequest } from "../api/contract/jobs.ts";
import type { JobsWorld } from "../api/jobs-world.ts";
import { findDatabase, type Strategy } from "../config/strategy.ts";
import { stateFolder } from "../lib/state-folder.ts";
import { jobWords } from "../jobs/job-arguments.ts";
import { Jobs } from "../jobs/jobs.ts";
import type { Cli } from "./cli.ts";
import { requireStrategy } from "./strategy-file.ts";

const DEFAULT_DEADLINE_MS = 12 * 3_600_000;

/** The jobs of the daemon that serves a strategy. */
export async function openJobs(
  { runtime, node, script, cwd }: Cli,
  strategyPath: string,
  hooks: { readonly elsewhere: (database: string) => string | undefined; readonly onEnd: () => void },
): Promise<Jobs> {
  // Another strategy's daemon has others.
  const name = createHash("sha256").update(strategyPath).digest("hex").slice(0, 16);
  return await Jobs.open({
    clock: runtime.clock,
    env: runtime.env,
    folder: join(stateFolder(runtime), "jobs", name),
    program: { node, program: script, strategyPath, cwd },
    ...hooks,
  });
}

/** What the API asks to be done, checked against the strategy as it is at that moment. */
export function jobsWorld(cli: Cli, jobs: Jobs): JobsWorld {
  return {
    start: async (request, by) => {
      const strategy = await requireStrategy(cli);
      const { kind, database, options } = request;
      findDatabase(strategy, database);
      return await jobs.start({
        kind,
        database,
        options,
        command: jobWords(request),
        by,
        occupies: [database],
        deadlineMs: deadlineOf(strategy, request),
      });
    },
    list: async (which) => await jobs.list(which),
    show: async (id) => await jobs.show(id),
    events: (id, after, signal) => jobs.events(id, after, signal),
    cancel: async (id, by) => await jobs.cancel(id, by),
  };
}

/** That of the schedule that does the same. */
function deadlineOf(strategy: Strategy, { kind, database, options }: JobRequest): number {
  const { backups, verifications, prune } = findDatabase(strategy, database);
  const named = "entry" in options ? options.entry : undefined;
  const found =
    kind === "prune"
      ? prune
      : (kind === "backup" ? backups : verifications).find(({ name }) => name === named);
  return found?.deadlineMs ?? DEFAULT_DEADLINE_MS;
}
