import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { JobRequest } from "../api/contract/jobs.ts";
import type { JobsWorld } from "../api/jobs-world.ts";
import { shownOptions } from "../api/shown-options.ts";
import { parseStrategy } from "../config/load.ts";
import type { Problem } from "../config/problems.ts";
import { AppError, isAppError } from "../errors.ts";
import { findDatabase, type Strategy } from "../config/strategy.ts";
import { stateFolder, strategyStateName } from "../lib/state-folder.ts";
import type { JobProgram } from "../daemon/job-process.ts";
import type { Runtime } from "../lib/runtime.ts";
import { jobInput, type JobPaths, jobWords } from "../jobs/job-arguments.ts";
import { runDry } from "../jobs/plan.ts";
import { newRunId } from "../repository/runs.ts";
import { Jobs } from "../jobs/jobs.ts";
import type { Cli } from "./cli.ts";
import { requireStrategy } from "./strategy-file.ts";

const DEFAULT_DEADLINE_MS = 12 * 3_600_000;

/** The jobs of the daemon that serves a strategy. */
export async function openJobs(
  cli: Cli,
  strategyPath: string,
  onGone: () => void,
  onEnd: () => void,
): Promise<Jobs> {
  const { runtime } = cli;
  // Another strategy's daemon has others.
  const name = strategyStateName(strategyPath);
  return await Jobs.open({
    clock: runtime.clock,
    env: runtime.env,
    folder: join(stateFolder(runtime), "jobs", name),
    program: programOf(cli, strategyPath),
    onGone,
    onEnd,
  });
}

/** What the API asks to be done, checked against the strategy as it is at that moment. */
export function jobsWorld(cli: Cli, jobs: Jobs): JobsWorld {
  const { runtime } = cli;
  return {
    start: async (request, by) => {
      const strategy = await requireStrategy(cli);
      const databases = databasesOf(strategy, request);
      const job = {
        kind: request.kind,
        database: databases[0] ?? null,
        options: shownOptions(request),
        command: jobWords(request, await pathsFor(runtime, request), by),
        by,
        occupies: databases,
        deadlineMs: deadlineOf(strategy, request),
      };
      return await jobs.start(job, jobInput(request));
    },
    plan: async (request, signal) => {
      const strategy = await requireStrategy(cli);
      databasesOf(strategy, request);
      const either = AbortSignal.any([cli.signal, signal]);
      const asked = { command: jobWords(request, undefined), input: jobInput(request) };
      return await runDry(runtime, programOf(cli, strategy.path), asked, either);
    },
    validate: async (text) => {
      const { path } = await requireStrategy(cli);
      try {
        parseStrategy(runtime, text, path);
        return { valid: true, problems: [] };
      } catch (error) {
        if (!isAppError(error, "strategy_invalid")) throw error;
        const problems = error.details["problems"] as readonly Problem[];
        return {
          valid: false,
          problems: problems.map(({ line, column, message }) => ({ line, column, message })),
        };
      }
    },
    list: async (which) => await jobs.list(which),
    show: async (id) => await jobs.show(id),
    events: (id, after, signal) => jobs.events(id, after, signal),
    cancel: async (id, by) => await jobs.cancel(id, by),
  };
}

/** Those that a request is about, the first first. Fails with `usage` for one that the strategy does not have. */
function databasesOf(strategy: Strategy, request: JobRequest): string[] {
  if (!("database" in request)) return [];
  const isOfSeveral = request.kind === "recover" || request.kind === "drill";
  const others = isOfSeveral ? (request.options.with ?? []) : [];
  const names = [...new Set([request.database, ...others])].map((name) => findDatabase(strategy, name).name);
  const places = request.kind === "recover" ? (request.options.to ?? []) : [];
  const stray = places.find(({ database }) => !names.includes(database))?.database;
  if (stray === undefined) return names;
  throw new AppError("usage", `recover: \`to\` says where ${stray} goes, which is not recovered`);
}

/** Files that outlive the job: what undoes it, and what leads to what it has made. */
async function pathsFor(runtime: Runtime, { kind }: JobRequest): Promise<JobPaths> {
  const folder = join(stateFolder(runtime), "files");
  if (kind === "missing-rows" || kind === "provider-restore")
    await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = newRunId(runtime.clock);
  return { undoFile: join(folder, `undo-${name}.sql`), urlFile: join(folder, `url-${name}.txt`) };
}

/** That of the schedule that does the same. */
function deadlineOf(strategy: Strategy, request: JobRequest): number {
  return scheduledLike(strategy, request)?.deadlineMs ?? DEFAULT_DEADLINE_MS;
}

function scheduledLike(
  strategy: Strategy,
  request: JobRequest,
): { readonly deadlineMs?: number | undefined } | undefined {
  if (!("database" in request)) return undefined;
  const { backups, verifications, drills, prune, copy } = findDatabase(strategy, request.database);
  if (request.kind === "prune") return prune;
  if (request.kind === "copy") return copy;
  if (request.kind !== "backup" && request.kind !== "verify" && request.kind !== "drill") return undefined;
  const all = { backup: backups, verify: verifications, drill: drills }[request.kind];
  return all.find(({ name }) => name === request.options.entry);
}

function programOf({ node, script, cwd }: Cli, strategyPath: string): JobProgram {
  return { node, program: script, strategyPath, cwd };
}
