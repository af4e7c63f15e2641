/** A moment as the clock on the wall of a time zone shows it: `20241211_143022`. */
export function formatLocalTime(at: Date, timeZone: string): string {
  const parts = new Map(
    new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "iso8601",
      numberingSystem: "latn",
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    })
      .formatToParts(at)
      .map((part) => [part.type, part.value]),
  );
  const pick = (...types: Intl.DateTimeFormatPartTypes[]): string =>
    types.map((type) => parts.get(type)).join("");
  return `${pick("year", "month", "day")}_${pick("hour", "minute", "second")}`;
}
