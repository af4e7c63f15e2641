import fc from "fast-check";
import { expect, test } from "vitest";
import { formatLocalTime } from "./local-time.ts";

test.each([
  ["2024-12-11T13:30:22Z", "Europe/Amsterdam", "20241211_143022"],
  ["2024-12-11T13:30:22.999Z", "UTC", "20241211_133022"],
  ["2024-12-31T15:00:00Z", "Asia/Tokyo", "20250101_000000"],
  ["2024-12-31T18:15:00Z", "Asia/Kathmandu", "20250101_000000"],
  ["2024-03-31T00:59:59Z", "Europe/Amsterdam", "20240331_015959"],
  ["2024-03-31T01:00:00Z", "Europe/Amsterdam", "20240331_030000"],
  ["2024-10-27T00:30:00Z", "Europe/Amsterdam", "20241027_023000"],
  ["2024-10-27T01:30:00Z", "Europe/Amsterdam", "20241027_023000"],
  // Where other calendars and digits are usual.
  ["2024-12-11T13:30:22Z", "Asia/Bangkok", "20241211_203022"],
  ["2024-12-11T13:30:22Z", "Asia/Tehran", "20241211_170022"],
])("%s in %s", (at, zone, shown) => {
  expect(formatLocalTime(new Date(at), zone)).toBe(shown);
});

test("sorts like time where the clock is not changed, and always has the same shape", () => {
  const date = fc.date({
    min: new Date("1970-01-01T00:00:00Z"),
    max: new Date("9999-12-30T00:00:00Z"),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(date, date, (a, b) => {
      const [first = a, second = b] = [a, b].toSorted((x, y) => x.getTime() - y.getTime());
      const shown = formatLocalTime(first, "UTC");
      expect(shown).toBe(first.toISOString().slice(0, 19).replaceAll(/[-:]/g, "").replace("T", "_"));
      expect(shown <= formatLocalTime(second, "UTC")).toBe(true);
    }),
  );
});
