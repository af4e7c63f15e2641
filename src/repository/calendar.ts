export type Period = "hour" | "day" | "week" | "month" | "year";

const DAY_MS = 86_400_000;

/**
 * A function that names the period a moment falls in, as a wall clock of that time zone shows it: `2024-12-11`,
 * `2024-W50`, `2024-12`. An hour carries its offset (`2024-10-27 02:00+01:00`), for one day a year has one hour twice.
 * @param timeZone IANA name; a `RangeError` is thrown for an unknown one
 */
export function bucketNamer(period: Period, timeZone: string): (at: Date) => string {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    timeZoneName: "longOffset",
  });
  return (at) => {
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value]));
    const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? "";
    const [year, month, day] = [part("year"), part("month"), part("day")];
    switch (period) {
      case "hour":
        return `${year}-${month}-${day} ${part("hour")}:00${offsetOf(part("timeZoneName"))}`;
      case "day":
        return `${year}-${month}-${day}`;
      case "week":
        return isoWeek(Number(year), Number(month), Number(day));
      case "month":
        return `${year}-${month}`;
      case "year":
        return year;
    }
  };
}

/** `GMT+01:00` → `+01:00`; UTC itself has no digits. */
function offsetOf(name: string): string {
  const offset = name.replace("GMT", "");
  return offset === "" ? "Z" : offset;
}

/** The ISO 8601 week of a date: weeks begin on Monday, and belong to the year that has their Thursday. */
function isoWeek(year: number, month: number, day: number): string {
  const date = Date.UTC(year, month - 1, day);
  const weekday = (new Date(date).getUTCDay() + 6) % 7;
  const thursday = new Date(date + (3 - weekday) * DAY_MS);
  const weekYear = thursday.getUTCFullYear();
  const week = Math.floor((thursday.getTime() - Date.UTC(weekYear, 0, 1)) / (7 * DAY_MS)) + 1;
  return `${weekYear}-W${String(week).padStart(2, "0")}`;
}
