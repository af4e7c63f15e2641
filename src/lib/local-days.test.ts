import fc from "fast-check";
import { expect, test } from "vitest";
import { lastDays } from "./local-days.ts";

test.each([
  [
    "UTC",
    "2026-11-29T12:00:00Z",
    ["2026-11-28 2026-11-28T00:00:00.000Z", "2026-11-29 2026-11-29T00:00:00.000Z"],
  ],
  // One ends at 23 hours, the other begins a day later than UTC's.
  [
    "Europe/Berlin",
    "2026-03-30T10:00:00Z",
    ["2026-03-29 2026-03-28T23:00:00.000Z", "2026-03-30 2026-03-29T22:00:00.000Z"],
  ],
  [
    "Pacific/Kiritimati",
    "2026-01-01T11:00:00Z",
    ["2026-01-01 2025-12-31T10:00:00.000Z", "2026-01-02 2026-01-01T10:00:00.000Z"],
  ],
  [
    "Asia/Kathmandu",
    "2026-01-02T00:00:00Z",
    ["2026-01-01 2025-12-31T18:15:00.000Z", "2026-01-02 2026-01-01T18:15:00.000Z"],
  ],
  // There clocks go forward at midnight: the day begins at one.
  [
    "Africa/Cairo",
    "2026-04-24T12:00:00Z",
    ["2026-04-23 2026-04-22T22:00:00.000Z", "2026-04-24 2026-04-23T22:00:00.000Z"],
  ],
])("the days of %s", (zone, now, expected) => {
  expect(lastDays(new Date(now), 2, zone).map(({ day, from }) => `${day} ${from}`)).toEqual(expected);
});

test("days follow each other without a gap, each as long as a day can be, and now is in the last", () => {
  const zones = ["UTC", "America/St_Johns", "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"];
  fc.assert(
    fc.property(
      fc.date({ min: new Date("2015-01-01"), max: new Date("2030-01-01"), noInvalidDate: true }),
      fc.constantFrom(...zones),
      (now, zone) => {
        const days = lastDays(now, 10, zone);
        for (const [n, { from }] of days.entries()) {
          const next = days[n + 1]?.from;
          if (next === undefined) continue;
          const hours = (Date.parse(next) - Date.parse(from)) / 3_600_000;
          expect(hours).toBeGreaterThanOrEqual(23);
          expect(hours).toBeLessThanOrEqual(25);
        }
        const last = Date.parse(days.at(-1)?.from ?? "");
        expect(last).toBeLessThanOrEqual(now.getTime());
        expect(now.getTime() - last).toBeLessThan(25 * 3_600_000);
      },
    ),
    { numRuns: 30 },
  );
});
