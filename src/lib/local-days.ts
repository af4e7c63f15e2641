const DAY_MS = 86_400_000;
const MINUTE_MS = 60_000;
// No zone is further from UTC (the tz database: Kiribati is 14 hours ahead).
const FARTHEST_MS = 15 * 3_600_000;

export interface LocalDay {
  /** By the calendar of the zone: `2026-11-29`. */
  readonly day: string;
  /** Its first moment, as ISO 8601. */
  readonly from: string;
}

/** The last days by the calendar of a time zone, today the last. @param timeZone an IANA name */
export function lastDays(now: Date, count: number, timeZone: string): LocalDay[] {
  const calendar = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    calendar: "iso8601",
    numberingSystem: "latn",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
  });
  const dayAt = (ms: number): string => {
    const parts = new Map(calendar.formatToParts(ms).map(({ type, value }) => [type, value]));
    return `${parts.get("year")}-${parts.get("month")}-${parts.get("day")}`;
  };
  const today = Date.parse(`${dayAt(now.getTime())}T00:00:00Z`);
  return Array.from({ length: count }, (_, n) => {
    const midnight = today - (count - 1 - n) * DAY_MS;
    const day = new Date(midnight).toISOString().slice(0, 10);
    // Zones change between whole minutes; a day may begin later than at midnight.
    let [before, after] = [(midnight - FARTHEST_MS) / MINUTE_MS, (midnight + FARTHEST_MS) / MINUTE_MS];
    while (after - before > 1) {
      const middle = Math.floor((before + after) / 2);
      if (dayAt(middle * MINUTE_MS) < day) before = middle;
      else after = middle;
    }
    return { day, from: new Date(after * MINUTE_MS).toISOString() };
  });
}
