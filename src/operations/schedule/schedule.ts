import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { installCrontab, removeCrontab, showCrontab } from "./crontab.ts";
import { isDaemon, isInCrontab, isInUnits } from "./comparison.ts";
import { checkEnvironment } from "./environment.ts";
import { defaultLogFile, prepareLogFile } from "./log-file.ts";
import { requireMachineTimeZone } from "./machine-time-zone.ts";
import type { ScheduledStrategy } from "./jobs.ts";
import { daemonCommand, planSchedule, type ScheduledLine, type ScheduledProgram } from "./plan.ts";
import { installSystemd, removeSystemd, showSystemd, timerUnits } from "./systemd.ts";
import { DAEMON_UNIT, renderDaemonUnit, type UnitFile } from "./systemd-units.ts";
import { defaultScope, type SystemdScope } from "./systemctl.ts";

/** `systemd`: a timer for each job; `service`: the daemon. */
export type ScheduleMethod = "cron" | "systemd" | "service";

export interface ScheduleRequest {
  readonly strategy: ScheduledStrategy;
  readonly method: ScheduleMethod;
  /** Absolute path of Node (`process.execPath`). */
  readonly node: string;
  /** Absolute path of the program that Node runs. */
  readonly program: string;
  /** POSIX id of the current user: root's schedules are the machine's. */
  readonly uid: number;
  /** Absolute path; `defaultLogFile` when left out. */
  readonly logFile?: string | undefined;
  /** Absolute path of a file of `NAME=value` lines for the scheduled runs. */
  readonly envFile?: string | undefined;
  /** Whether systemd timers are switched on too; they are unless this is false. */
  readonly enable?: boolean | undefined;
  /** Other than the user's own systemd. */
  readonly scope?: SystemdScope | undefined;
  /** Other than `/etc`: where the machine keeps its time zone. */
  readonly machineConfig?: string | undefined;
}

export interface ScheduleReport {
  readonly method: ScheduleMethod;
  /** `the crontab of the current user`, or the folder of the units. */
  readonly place: string;
  readonly changed: boolean;
  readonly lines: readonly ScheduledLine[];
  /** Null: the journal. */
  readonly logFile: string | null;
  /** What the user should look at, one sentence each. */
  readonly warnings: readonly string[];
  /** What is left to type, where systemd could not be told. */
  readonly commands: readonly string[];
}

export interface ShownSchedule {
  readonly method: ScheduleMethod;
  readonly place: string;
  /** What stands there for this strategy: crontab lines, or names of unit files. Empty when nothing is installed. */
  readonly installed: readonly string[];
  /** What the strategy wants, and whether it is installed so, whatever log and environment file it was given. */
  readonly lines: readonly (ScheduledLine & { readonly installed: boolean })[];
  /** Whether exactly what the strategy wants is installed. */
  readonly upToDate: boolean;
}

/**
 * Installs a strategy's schedule; installing it again changes nothing. Throws `usage` for what cannot be scheduled
 * exactly, and what `installCrontab` and `installSystemd` throw.
 */
export async function installSchedule(
  runtime: Runtime,
  request: ScheduleRequest,
  signal: AbortSignal,
): Promise<ScheduleReport> {
  const { strategy, method, envFile } = request;
  const logFile = logFileOf(runtime, request);
  const lines = plan(runtime, request);
  if (lines.length === 0) {
    throw new AppError("usage", `schedule ${strategy.path}: it schedules nothing`, {
      hint: 'give a backup a `schedule: "0 2 * * *"`, or take an old schedule away with `handled schedule remove`',
    });
  }
  if (method === "cron") await requireMachineTimeZone(strategy.timeZone, request.machineConfig);
  const named = lines.flatMap(({ database }) => database ?? []);
  const databases = named.length < lines.length ? strategy.databases.map(({ name }) => name) : named;
  const warnings = [
    ...(await checkEnvironment({ strategyPath: strategy.path, databases, envFile })),
    ...(await warnOfOther(runtime, request, signal)),
  ];
  if (method === "service") return await installDaemon(runtime, request, { lines, warnings }, signal);
  await prepareLogFile(logFile);
  const report = { method, place: placeOf(runtime, request), lines, logFile };
  if (method === "cron") {
    const crontabLines = lines.map(({ line }) => line);
    const { changed } = await installCrontab(runtime, strategy.path, crontabLines, signal);
    return { ...report, changed, warnings, commands: [] };
  }
  const scope = scopeOf(runtime, request);
  const installation = { ...timerUnits(scope, strategy, lines, logFile), enable: request.enable !== false };
  const change = await installSystemd(runtime, scope, strategy, installation, signal);
  return { ...report, ...change, warnings: [...warnings, ...warnOfLogin(scope)] };
}

async function installDaemon(
  runtime: Runtime,
  request: ScheduleRequest,
  { lines, warnings }: Pick<ScheduleReport, "lines" | "warnings">,
  signal: AbortSignal,
): Promise<ScheduleReport> {
  const { strategy, logFile } = request;
  if (logFile !== undefined) await prepareLogFile(logFile);
  const scope = scopeOf(runtime, request);
  const unit = daemonUnit(runtime, request);
  const installation = { files: [unit], units: [unit.name], enable: request.enable !== false };
  const change = await installSystemd(runtime, scope, strategy, installation, signal);
  return {
    method: "service",
    place: scope.folder,
    lines,
    logFile: logFile ?? null,
    ...change,
    warnings: [...warnings, ...warnOfLogin(scope)],
  };
}

function daemonUnit(runtime: Runtime, request: ScheduleRequest): UnitFile {
  const { strategy, logFile } = request;
  const forUser = scopeOf(runtime, request).kind === "user";
  return renderDaemonUnit(strategy, { command: commandOf(runtime, request), logFile }, forUser);
}

function commandOf(runtime: Runtime, request: ScheduleRequest): string[] {
  return daemonCommand(request.strategy.path, { ...request, logFile: logFileOf(runtime, request) });
}

function warnOfLogin(scope: SystemdScope): string[] {
  return scope.kind === "user"
    ? ["a user's units run only while that user is logged in: `loginctl enable-linger` keeps them running"]
    : [];
}

/** What is installed for a strategy, beside what it wants. Changes nothing. */
export async function showSchedule(
  runtime: Runtime,
  request: ScheduleRequest,
  signal: AbortSignal,
): Promise<ShownSchedule> {
  const { strategy, method } = request;
  const planned = plan(runtime, request);
  const place = placeOf(runtime, request);
  if (method === "cron") {
    const installed = (await showCrontab(runtime, strategy.path, signal)) ?? [];
    const lines = planned.map((line) => ({ ...line, installed: isInCrontab(line, installed) }));
    const upToDate = installed.length === lines.length && lines.every((line) => line.installed);
    return { method, place, installed, lines, upToDate };
  }
  const all = await showSystemd(scopeOf(runtime, request), strategy.path);
  if (method === "service") {
    const daemon = all.filter(({ name }) => name === DAEMON_UNIT);
    const isThere = daemon.some((unit) => isDaemon(unit, commandOf(runtime, request)));
    const lines = planned.map((line) => ({ ...line, installed: isThere }));
    return { method, place, installed: daemon.map(({ name }) => name), lines, upToDate: isThere };
  }
  const units = all.filter(({ name }) => name !== DAEMON_UNIT);
  const lines = planned.map((line) => ({ ...line, installed: isInUnits(strategy, line, units) }));
  // Each line has a timer and a service.
  const upToDate = units.length === 2 * lines.length && lines.every((line) => line.installed);
  return { method, place, installed: units.map(({ name }) => name), lines, upToDate };
}

/** Takes a strategy's schedule away; nothing else is touched. */
export async function removeSchedule(
  runtime: Runtime,
  request: ScheduleRequest,
  signal: AbortSignal,
): Promise<{ place: string; changed: boolean; commands: readonly string[] }> {
  const { strategy, method } = request;
  const place = placeOf(runtime, request);
  if (method === "cron") {
    return { place, ...(await removeCrontab(runtime, strategy.path, signal)), commands: [] };
  }
  const isOurs = (name: string): boolean => (name === DAEMON_UNIT) === (method === "service");
  const scope = scopeOf(runtime, request);
  return { place, ...(await removeSystemd(runtime, scope, strategy.path, isOurs, signal)) };
}

function plan(runtime: Runtime, request: ScheduleRequest): ScheduledLine[] {
  const program: ScheduledProgram = { ...request, logFile: logFileOf(runtime, request) };
  // The daemon looks by itself.
  return planSchedule(request.strategy, program, runtime.clock.now(), request.method !== "service");
}

function logFileOf(runtime: Runtime, { logFile, uid }: ScheduleRequest): string {
  return logFile ?? defaultLogFile(runtime, uid);
}

function scopeOf(runtime: Runtime, { scope, uid }: ScheduleRequest): SystemdScope {
  return scope ?? defaultScope(runtime, uid);
}

function placeOf(runtime: Runtime, request: ScheduleRequest): string {
  return request.method === "cron" ? "the crontab of the current user" : scopeOf(runtime, request).folder;
}

/** Both at once would take every backup twice. */
async function warnOfOther(
  runtime: Runtime,
  request: ScheduleRequest,
  signal: AbortSignal,
): Promise<string[]> {
  const { strategy, method } = request;
  const both = (other: string, option: ScheduleMethod): string =>
    `${other} runs this strategy as well: take that away with \`handled schedule remove --${option}\``;
  if (method !== "cron") {
    // Of timers and the daemon, installing one removes the other.
    const lines = await linesInCrontab(runtime, strategy.path, signal);
    return lines.length === 0 ? [] : [both("cron", "cron")];
  }
  const units = await showSystemd(scopeOf(runtime, request), strategy.path);
  const hasDaemon = units.some(({ name }) => name === DAEMON_UNIT);
  return units.length === 0 ? [] : [both("systemd", hasDaemon ? "service" : "systemd")];
}

async function linesInCrontab(runtime: Runtime, strategy: string, signal: AbortSignal): Promise<string[]> {
  try {
    return (await showCrontab(runtime, strategy, signal)) ?? [];
  } catch (error) {
    // Where cron is missing or closed to this user, we have never put anything into it.
    if (isAppError(error, "client_missing") || isAppError(error, "tool_failed")) return [];
    throw error;
  }
}
