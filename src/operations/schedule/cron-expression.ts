import { AppError } from "../../errors.ts";

/** The minutes of which a five-field cron expression speaks, as sets of numbers. */
export interface CronExpression {
  readonly minutes: CronField;
  readonly hours: CronField;
  readonly days: CronField;
  readonly months: CronField;
  /** 0 is Sunday. */
  readonly weekdays: CronField;
}

interface CronField {
  /** As written. */
  readonly text: string;
  /** Written as `*`: it says nothing. */
  readonly any: boolean;
  /** Ascending, without duplicates. */
  readonly values: readonly number[];
}

interface FieldRule {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names: readonly string[];
}

const MONTH_NAMES = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAY_NAMES = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const MINUTE: FieldRule = { name: "minute", min: 0, max: 59, names: [] };
const HOUR: FieldRule = { name: "hour", min: 0, max: 23, names: [] };
const DAY: FieldRule = { name: "day of the month", min: 1, max: 31, names: [] };
const MONTH: FieldRule = { name: "month", min: 1, max: 12, names: MONTH_NAMES };
// Both 0 and 7 are Sunday.
const WEEKDAY: FieldRule = { name: "day of the week", min: 0, max: 7, names: WEEKDAY_NAMES };

const NICKNAMES: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

/**
 * Reads a five-field cron expression (or `@daily` and its like) with numbers, names, lists, ranges and steps. Throws
 * `usage` for anything that cron and systemd do not both know: seconds, `L`, `W`, `#`, `@reboot`.
 */
export function parseCron(expression: string): CronExpression {
  const plain = NICKNAMES[expression.trim().toLowerCase()] ?? expression.trim();
  const fields = plain.split(/\s+/);
  const [minute, hour, day, month, weekday] = fields;
  if (
    fields.length !== 5 ||
    minute === undefined ||
    hour === undefined ||
    day === undefined ||
    month === undefined ||
    weekday === undefined
  ) {
    throw notConvertible(expression, "it does not have five fields");
  }
  const weekdays = parseField(expression, weekday, WEEKDAY);
  return {
    minutes: parseField(expression, minute, MINUTE),
    hours: parseField(expression, hour, HOUR),
    days: parseField(expression, day, DAY),
    months: parseField(expression, month, MONTH),
    weekdays: { ...weekdays, values: ascending(weekdays.values.map((value) => value % 7)) },
  };
}

/**
 * The expression as the classic cron of Debian understands it, with the meaning that the strategy gives it: days of
 * the month and days of the week, when both are named, are alternatives.
 */
export function toCrontab(cron: CronExpression): string {
  const { minutes, hours, days, months, weekdays } = cron;
  const bothDays = !days.any && !weekdays.any;
  return [
    numeric(minutes),
    numeric(hours),
    // cron takes a field that begins with a star (`*/2`) for one that says nothing, and then wants both to match.
    bothDays && days.text.startsWith("*") ? days.values.join(",") : numeric(days),
    numeric(months),
    bothDays && weekdays.text.startsWith("*") ? weekdays.values.join(",") : numeric(weekdays),
  ].join(" ");
}

/**
 * The expression as systemd's calendar events, in a time zone (the system's own when undefined). Two when days of the
 * month and days of the week are alternatives: systemd knows no "or" inside one event.
 */
export function toCalendarEvents(cron: CronExpression, timeZone: string | undefined): string[] {
  const time = `${ranges(cron.hours, HOUR)}:${ranges(cron.minutes, MINUTE)}:00`;
  const month = ranges(cron.months, MONTH);
  const zone = timeZone === undefined ? "" : ` ${timeZone}`;
  const anyDay = cron.days.any || cron.days.values.length === 31;
  const anyWeekday = cron.weekdays.any || cron.weekdays.values.length === 7;
  const onDays = `*-${month}-${ranges(cron.days, DAY)} ${time}${zone}`;
  const onWeekdays = `${weekdayNames(cron.weekdays.values)} *-${month}-* ${time}${zone}`;
  const everyDay = `*-${month}-* ${time}${zone}`;
  if (cron.days.any) return [anyWeekday ? everyDay : onWeekdays];
  if (cron.weekdays.any) return [anyDay ? everyDay : onDays];
  return anyDay || anyWeekday ? [everyDay] : [onDays, onWeekdays];
}

function parseField(expression: string, text: string, rule: FieldRule): CronField {
  const values = text.split(",").flatMap((item) => parseItem(expression, item, rule));
  return { text, any: text === "*" || text === "?", values: ascending(values) };
}

function parseItem(expression: string, item: string, rule: FieldRule): number[] {
  const match = /^(?:(?<star>[*?])|(?<from>\w+)(?:-(?<to>\w+))?)(?:\/(?<step>\d+))?$/.exec(item);
  const { star, from, to, step } = match?.groups ?? {};
  const bad = (reason: string): AppError => notConvertible(expression, `${rule.name} \`${item}\` ${reason}`);
  if (match === null || (step !== undefined && star === undefined && to === undefined)) {
    throw bad("is no number, list, range or step");
  }
  const number = (word: string): number => {
    const named = rule.names.indexOf(word.toUpperCase());
    const value =
      named >= 0 ? named + (rule === MONTH ? 1 : 0) : /^\d+$/.test(word) ? Number(word) : Number.NaN;
    if (!(value >= rule.min && value <= rule.max)) throw bad(`is not in ${rule.min} to ${rule.max}`);
    return value;
  };
  // A star in the weekday field means Sunday to Saturday once, not Sunday twice: steps count from there.
  const first = from === undefined ? rule.min : number(from);
  const last = from === undefined ? (rule === WEEKDAY ? 6 : rule.max) : to === undefined ? first : number(to);
  const by = step === undefined ? 1 : Number(step);
  if (by === 0) throw bad("has a step of zero");
  if (first > last) throw bad("runs backwards");
  return Array.from({ length: Math.floor((last - first) / by) + 1 }, (_, index) => first + index * by);
}

function ascending(values: readonly number[]): number[] {
  return [...new Set(values)].toSorted((a, b) => a - b);
}

/** As written when that is digits and signs; otherwise (names, `?`) as numbers: not every cron knows names in lists. */
function numeric(field: CronField): string {
  if (field.any) return "*";
  return /^[\d*,/-]+$/.test(field.text) ? field.text : field.values.join(",");
}

/** Numbers in systemd's spelling: `*`, `02`, `00,15,30,45`, `09..17`. */
function ranges(field: CronField, rule: FieldRule): string {
  if (field.values.length === rule.max - rule.min + 1) return "*";
  const two = (value: number): string => String(value).padStart(2, "0");
  return runs(field.values)
    .map(([first, last]) => (first === last ? two(first) : `${two(first)}..${two(last)}`))
    .join(",");
}

const SYSTEMD_WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

function weekdayNames(values: readonly number[]): string {
  // systemd's week begins on Monday, and its ranges do not wrap around.
  const fromMonday = ascending(values.map((value) => (value + 6) % 7));
  return runs(fromMonday)
    .map(([first, last]) => {
      const [from, to] = [SYSTEMD_WEEKDAYS[first] ?? "", SYSTEMD_WEEKDAYS[last] ?? ""];
      return first === last ? from : `${from}..${to}`;
    })
    .join(",");
}

/** Ascending numbers as runs: `1 2 3 7` → `[1, 3] [7, 7]`. */
function runs(values: readonly number[]): [number, number][] {
  const result: [number, number][] = [];
  for (const value of values) {
    const open = result.at(-1);
    if (open !== undefined && value === open[1] + 1) open[1] = value;
    else result.push([value, value]);
  }
  return result;
}

function notConvertible(expression: string, reason: string): AppError {
  return new AppError("usage", `schedule \`${expression}\`: ${reason}`, {
    hint: "write minute, hour, day of the month, month and day of the week, as in `0 2 * * *` or `30 1 * * MON-FRI`",
  });
}
