import type { PERIODS } from "../../config/duties.ts";
import { nextRun } from "../../config/schedule.ts";
import { bucketNamer } from "../../repository/calendar.ts";

export type DutyPeriod = (typeof PERIODS)[number];

/** `done` in this period; `open`: not yet, but in the one before; `overdue`: in neither. */
export type DutyState = "done" | "open" | "overdue";

const DAY_MS = 86_400_000;

/**
 * How a duty stands.
 * @param lastAt when it was done last; null: never
 * @param since from when on it counts where it was never done: it is not overdue before a whole period has passed
 */
export function dutyState(
  period: DutyPeriod,
  timeZone: string,
  lastAt: Date | null,
  since: Date,
  now: Date,
): DutyState {
  const nameOf = periodNamer(period, timeZone);
  const current = nameOf(now);
  if (lastAt !== null && nameOf(lastAt) >= current) return "done";
  const before = nameOf(beforeThis(nameOf, now));
  return nameOf(lastAt ?? since) >= before ? "open" : "overdue";
}

/** The first moment of the next period, to the day: until then it is to be done. */
export function endOfPeriod(period: DutyPeriod, timeZone: string, now: Date): Date {
  const expressions = {
    daily: "0 0 * * *",
    weekly: "0 0 * * 1",
    monthly: "0 0 1 * *",
    quarterly: "0 0 1 1,4,7,10 *",
  };
  return nextRun(expressions[period], timeZone, now) ?? now;
}

/** How often something with this schedule is due, in the checklist's terms. */
export function periodOf(schedule: string, timeZone: string, now: Date): DutyPeriod {
  const first = nextRun(schedule, timeZone, now);
  const second = first === null ? null : nextRun(schedule, timeZone, first);
  if (first === null || second === null) return "quarterly";
  const days = (second.getTime() - first.getTime()) / DAY_MS;
  if (days < 4) return "daily";
  return days < 15 ? "weekly" : days < 46 ? "monthly" : "quarterly";
}

/** Names sort as the periods do. */
function periodNamer(period: DutyPeriod, timeZone: string): (at: Date) => string {
  if (period === "daily") return bucketNamer("day", timeZone);
  if (period === "weekly") return bucketNamer("week", timeZone);
  const month = bucketNamer("month", timeZone);
  if (period === "monthly") return month;
  return (at) => {
    const [year, number] = month(at).split("-");
    return `${year}-Q${Math.ceil(Number(number) / 3)}`;
  };
}

/** A moment in the period before that of `now`. */
function beforeThis(nameOf: (at: Date) => string, now: Date): Date {
  const current = nameOf(now);
  for (let back = 1; ; back++) {
    const at = new Date(now.getTime() - back * DAY_MS);
    if (nameOf(at) !== current) return at;
  }
}
