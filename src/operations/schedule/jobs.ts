import type { Notify } from "../../config/notify.ts";
import type { Strategy, StrategyBackup, StrategyDatabase } from "../../config/strategy.ts";

/** What scheduling reads of a strategy. */
export type ScheduledStrategy = Pick<Strategy, "path" | "timeZone"> & {
  readonly databases: readonly ScheduledDatabase[];
  /** When somebody is to be told how everything is. */
  readonly notify?: Pick<Notify, "watch"> | undefined;
};

type ScheduledDatabase = Pick<StrategyDatabase, "name"> &
  Partial<Pick<StrategyDatabase, "verifications" | "drills" | "prune" | "copy">> & {
    readonly backups: readonly (Pick<StrategyBackup, "name" | "schedule"> &
      Partial<Pick<StrategyBackup, "deadlineMs">>)[];
  };

/** Something that a strategy wants done at certain times. */
export interface Job {
  readonly database: string;
  readonly operation: "backup" | "verify" | "drill" | "prune" | "copy";
  /** Of a drill: what is to have happened. */
  readonly scenario?: string | undefined;
  /** The strategy's entry; null for what a database has one of. */
  readonly entry: string | null;
  /** Five fields of cron. */
  readonly schedule: string;
  readonly deadlineMs: number | undefined;
}

type Wanted = Pick<Job, "operation" | "scenario"> & {
  readonly name: string | null;
  readonly schedule?: string | undefined;
  readonly deadlineMs?: number | undefined;
};

/** All that has a schedule, in the strategy's order. */
export function scheduledJobs({ databases }: Pick<ScheduledStrategy, "databases">): Job[] {
  return databases.flatMap(({ name: database, backups, verifications = [], drills = [], prune, copy }) => {
    const wanted: Wanted[] = [
      ...backups.map((entry) => ({ operation: "backup" as const, ...entry })),
      ...verifications.map((entry) => ({ operation: "verify" as const, ...entry })),
      ...drills.map((entry) => ({ operation: "drill" as const, ...entry })),
      ...(prune === undefined ? [] : [{ operation: "prune" as const, name: null, ...prune }]),
      ...(copy === undefined ? [] : [{ operation: "copy" as const, name: null, ...copy }]),
    ];
    return wanted.flatMap(({ operation, name: entry, schedule, deadlineMs, scenario }) =>
      schedule === undefined ? [] : [{ database, operation, entry, schedule, deadlineMs, scenario }],
    );
  });
}

/** What one says of its own accord: looks at all databases and tells whoever is to be told. Where the daemon runs, it does that. */
export const WATCH = "status";

/** `backup nightly`, `prune`. */
export function describeJob({
  operation,
  entry,
}: {
  readonly operation: string;
  readonly entry: string | null;
}): string {
  return entry === null ? operation : `${operation} ${entry}`;
}

/** The command line that looks at everything and tells, without the program. */
export function watchArguments(strategyPath: string): string[] {
  return [WATCH, "--connect", "--notify", "--config", strategyPath];
}

/** The command line that does a job, without the program. */
export function jobArguments(strategyPath: string, job: Job): string[] {
  const { deadlineMs } = job;
  const deadline = deadlineMs === undefined ? [] : ["--deadline", `${deadlineMs / 1000}s`];
  return jobCommand(job, [...deadline, "--config", strategyPath]);
}

/** The command that does a job. @param more options that it has as well */
export function jobCommand(
  { database, operation, entry, scenario }: Pick<Job, "database" | "operation" | "entry" | "scenario">,
  more: readonly string[] = [],
): string[] {
  const operands = scenario === undefined ? [] : [scenario];
  const own = entry === null ? [] : [operation === "backup" ? "--backup" : "--entry", entry];
  const options = [...own, ...more];
  // A name may begin like an option.
  return database.startsWith("-")
    ? [operation, ...options, "--", ...operands, database]
    : [operation, ...operands, database, ...options];
}
