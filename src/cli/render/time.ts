import { formatDuration } from "../../lib/text.ts";

/** `2024-12-11 14:30:22` in a time zone. */
export function formatTime(at: Date, timeZone: string): string {
  return timeFormat(timeZone)(at);
}

/** The same for many times of one zone: making the format is what takes the time. */
export function timeFormat(timeZone: string): (at: Date) => string {
  const format = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" });
  return (at) => format.format(at);
}

/** `4 min 10 s ago`, or `in 3 h`. */
export function formatAge(at: Date, now: Date): string {
  const ms = now.getTime() - at.getTime();
  return ms < 0 ? `in ${formatDuration(-ms)}` : `${formatDuration(ms)} ago`;
}
