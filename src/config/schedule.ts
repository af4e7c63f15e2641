import { Cron } from "croner";
import { messageOf } from "../errors.ts";

const NAMES = /jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat/gi;
const FIELDS = "minute, hour, day of month, month, day of week";

/** The expression with one space between its fields, so that it fits a line of a crontab. */
export function normalizeSchedule(expression: string): string {
  return expression.trim().split(/\s+/).join(" ");
}

/**
 * What is wrong with a schedule, or undefined. Only what every cron understands in the same way is accepted, because
 * the same text ends up in crontabs, in systemd timers and in our own scheduler.
 */
export function scheduleProblem(expression: string): string | undefined {
  const fields = normalizeSchedule(expression).split(" ");
  if (fields.length !== 5) return `needs the five fields of cron (${FIELDS}), such as \`0 3 * * *\``;
  const strange = fields.find((field) => !/^[\d*,/-]+$/.test(field.replaceAll(NAMES, "1")));
  if (strange !== undefined) return `has \`${strange}\`, which not every cron understands`;
  const [, , dayOfMonth = "", , dayOfWeek = ""] = fields;
  // Vixie cron takes a field that begins with `*` for unrestricted and wants both days to match; others want either.
  if (dayOfMonth.startsWith("*/") && dayOfWeek !== "*")
    return "restricts both days, one by a step: crons disagree on what that means";
  if (dayOfWeek.startsWith("*/") && dayOfMonth !== "*")
    return "restricts both days, one by a step: crons disagree on what that means";
  try {
    // Any start will do: what does not occur in the years after this one never does.
    return nextRun(expression, "UTC", new Date(0)) === null ? "names a day that never comes" : undefined;
  } catch (error) {
    return `is no cron expression: ${messageOf(error).replace(/^CronPattern: /, "")}`;
  }
}

/**
 * The first moment strictly after `after` at which the schedule is due, or null when there is none. On the day the
 * clocks go forward a time that is skipped is due right after the gap; when they go back it is due once, at its first
 * occurrence. Throws on an expression that `scheduleProblem` complains about.
 */
export function nextRun(expression: string, timeZone: string, after: Date): Date | null {
  const cron = new Cron(normalizeSchedule(expression), { mode: "5-part", timezone: timeZone, paused: true });
  return cron.nextRun(after);
}
