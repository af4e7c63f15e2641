import { counted } from "../../lib/text.ts";
import { describeJob, WATCH } from "../../operations/schedule/jobs.ts";
import type { ScheduleReport, ShownSchedule } from "../../operations/schedule/schedule.ts";
import type { ScheduleInstallJson, ScheduleShowJson } from "../../json/setup.ts";
import type { Output } from "../output.ts";
import { renderTable } from "./table.ts";
import { formatAge, formatTime } from "./time.ts";

export function installJson(report: ScheduleReport, envFile: string | undefined): ScheduleInstallJson {
  return {
    method: report.method,
    place: report.place,
    changed: report.changed,
    lines: report.lines.map(({ database, operation, entry, schedule, line, next }) => ({
      database,
      operation,
      entry,
      schedule,
      line,
      next: next?.toISOString() ?? null,
    })),
    logFile: report.logFile,
    envFile: envFile ?? null,
    warnings: [...report.warnings],
    commands: [...report.commands],
  };
}

export function renderInstall(
  output: Output,
  report: ScheduleReport,
  envFile: string | undefined,
  now: Date,
  timeZone: string,
): string {
  const { place, changed, lines, logFile } = report;
  const what = counted(lines.length, "scheduled job");
  const title = changed ? `${what} installed in ${place}` : `${what} in ${place} already, nothing changed`;
  return [
    `${output.paint("green", "✓")} ${title}`,
    renderTable(
      ["DATABASE", "JOB", "SCHEDULE", "NEXT RUN"].map((column) => ({ title: column })),
      lines.map((line) => [
        line.database ?? "all",
        wordsFor(line),
        line.schedule,
        describeRun(line.next, now, timeZone),
      ]),
      output.width,
    ),
    logFile === null ? "output goes to the journal" : `output is appended to ${logFile}`,
    ...(envFile === undefined ? [] : [`environment variables are read from ${envFile}`]),
    ...renderCommands(report.commands),
  ].join("\n");
}

function wordsFor(line: Parameters<typeof describeJob>[0]): string {
  return line.operation === WATCH ? "look, and tell" : describeJob(line);
}

/** What is left to type, where systemd could not be told. */
export function renderCommands(commands: readonly string[]): string[] {
  return commands.length === 0
    ? []
    : ["systemd does not run here; where it does, type:", ...commands.map((each) => `  ${each}`)];
}

export function showJson(schedules: readonly ShownSchedule[]): ScheduleShowJson {
  return {
    schedules: schedules.map(({ method, place, installed, lines, upToDate }) => ({
      method,
      place,
      installed: [...installed],
      lines: lines.map(({ database, operation, entry, schedule, next, installed: isInstalled }) => ({
        database,
        operation,
        entry,
        schedule,
        next: next?.toISOString() ?? null,
        installed: isInstalled,
      })),
      upToDate,
    })),
  };
}

export function renderShown(output: Output, shown: ShownSchedule, now: Date, timeZone: string): string {
  const { method, place, lines, installed, upToDate } = shown;
  const table = renderTable(
    ["DATABASE", "JOB", "SCHEDULE", "NEXT RUN", "INSTALLED"].map((title) => ({ title })),
    lines.map((line) => [
      line.database ?? "all",
      wordsFor(line),
      line.schedule,
      line.installed ? describeRun(line.next, now, timeZone) : "-",
      line.installed ? output.paint("green", "✓ yes") : output.paint("red", "✗ no"),
    ]),
    output.width,
  );
  return [
    output.paint("bold", place),
    ...(lines.length === 0 ? ["the strategy schedules nothing"] : [table]),
    ...(installed.length === 0 ? [] : ["installed:", ...installed.map((each) => `  ${each}`)]),
    ...(upToDate
      ? []
      : [`not what the strategy wants: \`handled schedule install --${method}\` puts it right`]),
  ].join("\n");
}

function describeRun(next: Date | null, now: Date, timeZone: string): string {
  return next === null ? "never" : `${formatTime(next, timeZone)} (${formatAge(next, now)})`;
}
