import { isAbsolute } from "node:path";
import { nextRun } from "../../config/schedule.ts";
import type { Strategy, StrategyBackup } from "../../config/strategy.ts";
import { AppError } from "../../errors.ts";
import { parseCron, toCrontab } from "./cron-expression.ts";
import { quoteForCrontab } from "./quoting.ts";

/** What scheduling reads of a strategy. */
export type ScheduledStrategy = Pick<Strategy, "path" | "timeZone"> & {
  readonly databases: readonly {
    readonly name: string;
    readonly backups: readonly Pick<StrategyBackup, "name" | "schedule">[];
  }[];
};

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

/** One scheduled backup of one database. */
export interface ScheduledLine {
  readonly database: string;
  readonly backup: string;
  /** The cron expression, as the strategy has it. */
  readonly schedule: string;
  /** Program and arguments. */
  readonly command: readonly string[];
  /** The line of the crontab. */
  readonly line: string;
  /** When it is due next; null when that never comes. */
  readonly next: Date | null;
}

// cron reads a command into 1000 bytes, the end mark included, and refuses a crontab with a longer one.
const CRON_COMMAND_BYTES = 998;

/** Every scheduled backup of the strategy, in the strategy's order. Throws `usage` for what cannot be scheduled. */
export function planSchedule(
  strategy: ScheduledStrategy,
  program: ScheduledProgram,
  now: Date,
): ScheduledLine[] {
  const { node, program: script, logFile, envFile } = program;
  checkPaths([node, script, logFile, strategy.path, ...(envFile === undefined ? [] : [envFile])]);
  return strategy.databases.flatMap(({ name: database, backups }) =>
    backups.flatMap(({ name: backup, schedule }) => {
      if (schedule === undefined) return [];
      const command = commandFor(strategy.path, program, database, backup);
      const line = crontabLine(schedule, command, logFile);
      return [{ database, backup, schedule, command, line, next: nextRun(schedule, strategy.timeZone, now) }];
    }),
  );
}

function commandFor(
  strategyPath: string,
  program: ScheduledProgram,
  database: string,
  backup: string,
): string[] {
  // Node reads the file itself. A shell sourcing it would run what stands there: a password with `&` or `$` in it is
  // enough to lose the rest of the value.
  const nodeOptions = program.envFile === undefined ? [] : [`--env-file=${program.envFile}`];
  const options = ["--backup", backup, "--config", strategyPath, "--quiet"];
  const operands = database.startsWith("-") ? [...options, "--", database] : [database, ...options];
  return [program.node, ...nodeOptions, program.program, "backup", ...operands];
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
