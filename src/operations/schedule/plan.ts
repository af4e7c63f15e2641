import { isAbsolute } from "node:path";
import { nextRun } from "../../config/schedule.ts";
import { AppError } from "../../errors.ts";
import { parseCron, toCrontab } from "./cron-expression.ts";
import {
  type Job,
  jobArguments,
  type ScheduledStrategy,
  scheduledJobs,
  WATCH,
  watchArguments,
} from "./jobs.ts";
import { quoteForCrontab } from "./quoting.ts";

/** How a scheduled run is started. All paths are absolute: cron and systemd start in another folder with a bare PATH. */
export interface ScheduledProgram {
  /** Node itself. */
  readonly node: string;
  /** The program that Node runs. */
  readonly program: string;
  /** Where the runs' output is appended. */
  readonly logFile: string;
  /** A file of `NAME=value` lines that Node reads before the program starts. */
  readonly envFile?: string | undefined;
}

/** One job of one database, or the look at all of them. */
export interface ScheduledLine extends Omit<Job, "database" | "operation"> {
  /** Null: all. */
  readonly database: string | null;
  readonly operation: Job["operation"] | typeof WATCH;
  /** Program and arguments. */
  readonly command: readonly string[];
  /** The line of the crontab. */
  readonly line: string;
  /** When it is due next; null when that never comes. */
  readonly next: Date | null;
}

// cron reads a command into 1000 bytes, the end mark included, and refuses a crontab with a longer one.
const CRON_COMMAND_BYTES = 998;

/**
 * Everything scheduled of the strategy, in the strategy's order. Throws `usage` for what cannot be scheduled.
 * @param watch also the look at everything, where the strategy says who is told
 */
export function planSchedule(
  strategy: ScheduledStrategy,
  program: ScheduledProgram,
  now: Date,
  watch = false,
): ScheduledLine[] {
  const { node, program: script, logFile, envFile } = program;
  checkPaths([node, script, logFile, strategy.path, ...(envFile === undefined ? [] : [envFile])]);
  const jobs = scheduledJobs(strategy).map((job) => ({ ...job, args: jobArguments(strategy.path, job) }));
  const { notify } = strategy;
  const look = { database: null, operation: WATCH, entry: null, deadlineMs: undefined } as const;
  const looks =
    watch && notify !== undefined
      ? [{ ...look, schedule: notify.watch, args: watchArguments(strategy.path) }]
      : [];
  return [...jobs, ...looks].map(({ args, ...job }) => {
    const command = commandFor(program, args);
    const line = crontabLine(job.schedule, command, logFile);
    return { ...job, command, line, next: nextRun(job.schedule, strategy.timeZone, now) };
  });
}

/** The command that runs all of them, for ever. */
export function daemonCommand(strategyPath: string, { node, program, envFile }: ScheduledProgram): string[] {
  checkPaths([node, program, strategyPath, ...(envFile === undefined ? [] : [envFile])]);
  const nodeOptions = envFile === undefined ? [] : [`--env-file=${envFile}`];
  return [node, ...nodeOptions, program, "serve", "--config", strategyPath];
}

function commandFor(program: ScheduledProgram, args: readonly string[]): string[] {
  // Node reads the file itself. A shell sourcing it would run what stands there: a password with `&` or `$` in it is
  // enough to lose the rest of the value.
  const nodeOptions = program.envFile === undefined ? [] : [`--env-file=${program.envFile}`];
  return [program.node, ...nodeOptions, program.program, "--quiet", ...args];
}

function crontabLine(schedule: string, command: readonly string[], logFile: string): string {
  const shell = `${command.map(quoteForCrontab).join(" ")} >> ${quoteForCrontab(logFile)} 2>&1`;
  if (Buffer.byteLength(shell) > CRON_COMMAND_BYTES) {
    throw new AppError(
      "usage",
      `schedule: a crontab command has at most ${CRON_COMMAND_BYTES} bytes: ${shell}`,
      {
        hint: "use shorter paths, or `--systemd`",
      },
    );
  }
  return `${toCrontab(parseCron(schedule))} ${shell}`;
}

function checkPaths(paths: readonly string[]): void {
  for (const path of paths) {
    if (!isAbsolute(path)) throw new AppError("usage", `schedule: ${path} is not an absolute path`);
    if (/\p{Cc}/u.test(path)) {
      throw new AppError("usage", `schedule: ${JSON.stringify(path)} has a control character`, {
        hint: "neither a crontab nor a systemd unit can name it; move it to another path",
      });
    }
  }
}
