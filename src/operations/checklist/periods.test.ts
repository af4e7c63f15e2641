import fc from "fast-check";
import { expect, test } from "vitest";
import { type DutyPeriod, dutyState, endOfPeriod, periodOf } from "./periods.ts";

const ZONE = "Europe/Berlin";
const at = (text: string): Date => new Date(text);

test("done in this period, open after the one before, overdue after that", () => {
  const state = (period: DutyPeriod, last: string | null, now: string, since = "2020-01-01T00:00Z") =>
    dutyState(period, ZONE, last === null ? null : at(last), at(since), at(now));
  // Midnight is Berlin's.
  expect(state("daily", "2024-12-11T22:59Z", "2024-12-11T23:30Z")).toBe("open");
  expect(state("daily", "2024-12-11T23:10Z", "2024-12-11T23:30Z")).toBe("done");
  expect(state("daily", "2024-12-10T12:00Z", "2024-12-12T12:00Z")).toBe("overdue");
  // Weeks begin on Monday, also where the year changes.
  expect(state("weekly", "2024-12-29T12:00Z", "2024-12-30T12:00Z")).toBe("open");
  expect(state("weekly", "2024-12-30T01:00Z", "2025-01-05T12:00Z")).toBe("done");
  expect(state("weekly", "2024-12-22T12:00Z", "2025-01-01T12:00Z")).toBe("overdue");
  expect(state("monthly", "2024-11-30T12:00Z", "2024-12-31T12:00Z")).toBe("open");
  expect(state("quarterly", "2024-10-01T12:00Z", "2024-12-31T12:00Z")).toBe("done");
  expect(state("quarterly", "2024-09-30T12:00Z", "2024-12-31T12:00Z")).toBe("open");
  expect(state("quarterly", "2024-06-30T12:00Z", "2024-12-31T12:00Z")).toBe("overdue");
});

test("what was never done has a whole period before it is overdue", () => {
  const state = (since: string) => dutyState("monthly", ZONE, null, at(since), at("2024-12-15T12:00Z"));
  expect(state("2024-12-14T12:00Z")).toBe("open");
  expect(state("2024-11-02T12:00Z")).toBe("open");
  expect(state("2024-10-30T12:00Z")).toBe("overdue");
});

test("done every period at any time of it, a duty is never overdue; left for two, it is", () => {
  const periods: readonly DutyPeriod[] = ["daily", "weekly", "monthly", "quarterly"];
  fc.assert(
    fc.property(
      fc.constantFrom(...periods),
      fc.constantFrom("UTC", ZONE, "America/New_York", "Pacific/Chatham"),
      fc.integer({ min: Date.parse("2023-01-01Z"), max: Date.parse("2027-01-01Z") }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (period, zone, begin, doneShare, seenShare) => {
        const start = endOfPeriod(period, zone, new Date(begin));
        const end = endOfPeriod(period, zone, start);
        const within = (a: Date, b: Date, share: number): Date =>
          new Date(a.getTime() + (b.getTime() - a.getTime()) * share);
        const done = within(start, end, doneShare);
        const next = endOfPeriod(period, zone, end);
        const last = endOfPeriod(period, zone, next);
        const stateAt = (now: Date) => dutyState(period, zone, done, new Date(0), now);
        expect(stateAt(within(done, end, seenShare))).toBe("done");
        expect(stateAt(within(end, next, seenShare))).toBe("open");
        expect(stateAt(within(next, last, seenShare))).toBe("overdue");
      },
    ),
    { numRuns: 100 },
  );
});

test("a schedule is a duty of the period that it keeps", () => {
  const now = at("2024-12-11T12:00Z");
  expect(periodOf("0 * * * *", ZONE, now)).toBe("daily");
  expect(periodOf("0 2 * * *", ZONE, now)).toBe("daily");
  expect(periodOf("0 2 * * 1-5", ZONE, now)).toBe("daily");
  expect(periodOf("0 4 * * 0", ZONE, now)).toBe("weekly");
  expect(periodOf("0 5 1 * *", ZONE, now)).toBe("monthly");
  expect(periodOf("0 5 1 1,4,7,10 *", ZONE, now)).toBe("quarterly");
  expect(periodOf("0 5 29 2 *", ZONE, now)).toBe("quarterly");
});
