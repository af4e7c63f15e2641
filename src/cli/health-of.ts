import { nextRun } from "../config/schedule.ts";
import type { HealthRequest, SeenRun } from "../health/facts.ts";
import { type Health, lookAtHealth } from "../health/health.ts";
import { readInstalled } from "../operations/schedule/installed.ts";
import { scheduledJobs } from "../operations/schedule/jobs.ts";
import type { Cli } from "./cli.ts";
import { scheduleRequest } from "./schedule-request.ts";
import { providerOf } from "./provider-of.ts";
import { placesOf, type Target } from "./targets.ts";

/** Whether something runs a job at its times; null where that cannot be told. */
export type IsInstalled = Awaited<ReturnType<typeof readInstalled>>;

/** What this machine has installed of the strategy's schedules; null without a strategy. */
export async function installedIn(cli: Cli, targets: readonly Target[]): Promise<IsInstalled> {
  const strategy = targets[0]?.strategy ?? null;
  return strategy === null
    ? null
    : await readInstalled(cli.runtime, scheduleRequest(cli, strategy), cli.signal);
}

interface Look {
  readonly isInstalled: IsInstalled;
  /** Ask the live servers, too. */
  readonly connect: boolean;
  /** How runs ended that this process has seen. */
  readonly seen?: readonly (Omit<SeenRun, "outcome" | "error"> & {
    readonly database: string;
    readonly end: Pick<SeenRun, "outcome" | "error">;
  })[];
}

/** How databases stand. */
export async function healthOf(
  cli: Cli,
  targets: readonly Target[],
  { isInstalled, connect, seen = [] }: Look,
): Promise<Health> {
  const requests = targets.map((target) => ({
    ...requestOf(cli, target, isInstalled),
    connection: connect ? () => target.connection() : undefined,
    seen: seen
      .filter(({ database }) => database === target.name)
      .map(({ operation, entry, startedAt, end }) => ({ operation, entry, startedAt, ...end })),
  }));
  return await lookAtHealth(cli.runtime, requests, targets[0]?.strategy ?? null, cli.signal);
}

function requestOf(
  cli: Cli,
  target: Target,
  isInstalled: IsInstalled,
): Omit<HealthRequest, "connection" | "seen"> {
  const { entry } = target;
  const now = cli.runtime.clock.now();
  return {
    managed:
      entry?.provider === undefined
        ? undefined
        : () => {
            const { provider, managed } = providerOf(cli, target);
            return { provider, cluster: managed.cluster };
          },
    providerWindowMs: entry?.provider?.windowMs,
    database: target.name,
    criticality: entry?.criticality ?? null,
    rpoMs: entry?.objectives.rpoMs ?? null,
    rtoMs: entry?.objectives.rtoMs ?? null,
    proofMs: entry?.objectives.proofMs ?? null,
    timeZone: target.timeZone,
    places: () => placesOf(target, undefined),
    madeFrom: entry?.rebuild?.sources ?? [],
    schemas: entry === null ? undefined : (entry.schemas ?? null),
    entries: (entry?.backups ?? []).map(({ name, kind, schedule }) => ({
      name,
      kind,
      nextRun: schedule === undefined ? null : nextRun(schedule, target.timeZone, now),
      installed:
        schedule === undefined
          ? null
          : (isInstalled?.({ database: target.name, operation: "backup", entry: name }) ?? null),
    })),
    jobs: scheduledJobs({ databases: entry === null ? [] : [entry] }).map((job) => ({
      ...job,
      installed: isInstalled?.(job) ?? null,
    })),
    drills: entry?.drills ?? [],
    duties: (target.strategy?.duties ?? []).filter(({ database }) => database === target.name),
  };
}
