import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Keep } from "../config/keep.ts";
import { planRetention, type RetentionCandidate } from "./retention.ts";

const DAY = 86_400_000;
const NOW = new Date("2024-12-11T02:00:10Z");
const daysAgo = (days: number): Date => new Date(NOW.getTime() - days * DAY);

const backup = (at: Date | string): RetentionCandidate => ({
  id: typeof at === "string" ? at : at.toISOString(),
  at: new Date(at),
});
const backups = (...times: (Date | string)[]): RetentionCandidate[] => times.map(backup);

function kept(
  list: readonly RetentionCandidate[],
  keep: Keep | undefined,
  now = NOW,
  zone = "UTC",
): string[] {
  return planRetention(list, keep, now, zone)
    .filter((decision) => decision.keep)
    .map(({ id }) => id)
    .toSorted();
}

const ids = (list: readonly RetentionCandidate[]): string[] => list.map(({ id }) => id).toSorted();

describe("rules", () => {
  test("no backups, no decisions", () => {
    expect(planRetention([], { days: 14 }, NOW, "UTC")).toEqual([]);
  });

  test.each([undefined, {}, { min: 1 }])("without a rule that lets go (%j) all stay", (keep) => {
    const list = backups(daysAgo(1000), daysAgo(1), daysAgo(500));
    const plan = planRetention(list, keep, NOW, "UTC");
    expect(plan.map((decision) => decision.keep)).toEqual([true, true, true]);
    expect(plan.map(({ reasons }) => reasons.at(-1))).toEqual(Array(3).fill("no retention rule"));
  });

  test("days keeps what is younger than so many times 24 hours", () => {
    const list = [14.001, 14, 13.999, 1].map((days) => backup(daysAgo(days)));
    expect(kept(list, { days: 14 })).toEqual(ids(list.slice(2)));
  });

  test("the team's rule: nightly backups, 14 days", () => {
    const nightly = Array.from({ length: 30 }, (_, day) => backup(new Date(Date.UTC(2024, 11, 11 - day, 2))));
    expect(kept(nightly, { days: 14 })).toEqual(ids(nightly.slice(0, 14)));
  });

  test("the newest stays whatever its age, and says so", () => {
    const list = backups(daysAgo(400), daysAgo(300));
    const plan = planRetention(list, { days: 14 }, NOW, "UTC");
    expect(plan).toEqual([
      { id: daysAgo(300).toISOString(), keep: true, reasons: ["newest"] },
      { id: daysAgo(400).toISOString(), keep: false, reasons: ["older than 14 days"] },
    ]);
  });

  test("last keeps the newest ones, of two at one moment the higher id", () => {
    const at = daysAgo(1);
    const list = [
      { id: "b", at },
      { id: "a", at },
      { id: "c", at: daysAgo(2) },
    ];
    expect(kept(list, { last: 1 })).toEqual(["b"]);
    expect(kept(list, { last: 2 })).toEqual(["a", "b"]);
  });

  test("daily counts only days that have a backup, and keeps the newest of each", () => {
    const list = backups(
      "2024-12-11T01:00Z",
      "2024-12-10T23:59Z",
      "2024-12-10T00:01Z",
      "2024-11-01T12:00Z",
      "2024-10-01T12:00Z",
    );
    expect(kept(list, { daily: 3 })).toEqual(["2024-11-01T12:00Z", "2024-12-10T23:59Z", "2024-12-11T01:00Z"]);
  });

  test("weeks are those of ISO 8601, across the turn of the year", () => {
    // Sunday 29 December 2024 ends week 52; Monday the 30th begins week 1 of 2025, which Sunday 5 January ends.
    const list = backups("2024-12-29T12:00Z", "2024-12-30T12:00Z", "2025-01-05T12:00Z", "2025-01-06T12:00Z");
    const plan = planRetention(list, { weekly: 3 }, new Date("2025-01-07T00:00Z"), "UTC");
    expect(plan.map(({ reasons }) => reasons)).toEqual([
      ["newest", "weekly 2025-W02"],
      ["weekly 2025-W01"],
      ["not the newest of 2025-W01"],
      ["weekly 2024-W52"],
    ]);
  });

  test("months and years", () => {
    const list = backups(
      "2024-12-01T00:00Z",
      "2024-11-30T23:59Z",
      "2024-11-01T00:00Z",
      "2023-12-31T23:59Z",
      "2022-06-01T00:00Z",
    );
    expect(kept(list, { monthly: 2 })).toEqual(["2024-11-30T23:59Z", "2024-12-01T00:00Z"]);
    expect(kept(list, { yearly: 2 })).toEqual(["2023-12-31T23:59Z", "2024-12-01T00:00Z"]);
  });

  test("rules add up, and each that keeps a backup is named", () => {
    const plan = planRetention(backups(daysAgo(0.1)), { days: 1, last: 2, daily: 3 }, NOW, "UTC");
    expect(plan[0]?.reasons).toEqual([
      "newest",
      "younger than 1 day",
      "one of the last 2",
      "daily 2024-12-10",
    ]);
  });

  test("min adds the newest of those that no rule keeps", () => {
    const list = [100, 200, 300, 400].map((days) => backup(daysAgo(days)));
    expect(kept(list, { days: 14, min: 3 })).toEqual(ids(list.slice(0, 3)));
    expect(kept(list, { days: 150, yearly: 2, min: 2 })).toHaveLength(2);
    expect(kept(list, { days: 14, min: 99 })).toEqual(ids(list));
  });
});

describe("time zones", () => {
  test("a day is the wall clock's, not UTC's", () => {
    // 23:30 and 00:30 in Berlin are one day in UTC.
    const list = backups("2024-12-10T22:30Z", "2024-12-10T23:30Z");
    const now = new Date("2024-12-11T00:00Z");
    expect(kept(list, { daily: 2 }, now, "UTC")).toEqual(["2024-12-10T23:30Z"]);
    expect(kept(list, { daily: 2 }, now, "Europe/Berlin")).toEqual(ids(list));
  });

  test("the hour that a day has twice is two hours", () => {
    // 02:30 summer time and 02:30 winter time in Berlin.
    const list = backups("2024-10-27T00:30Z", "2024-10-27T01:30Z");
    expect(kept(list, { hourly: 2 }, NOW, "Europe/Berlin")).toEqual(ids(list));
    const plan = planRetention(list, { hourly: 2 }, NOW, "Europe/Berlin");
    expect(plan.map(({ reasons }) => reasons.at(-1))).toEqual([
      "hourly 2024-10-27 02:00+01:00",
      "hourly 2024-10-27 02:00+02:00",
    ]);
  });

  test("a day without an hour, and one of 25, are one day each", () => {
    const hourly = (from: string, count: number): RetentionCandidate[] =>
      Array.from({ length: count }, (_, hour) => backup(new Date(Date.parse(from) + hour * 3_600_000)));
    const spring = hourly("2024-03-30T23:00Z", 23);
    expect(kept(spring, { daily: 5 }, NOW, "Europe/Berlin")).toEqual([spring.at(-1)?.id]);
    const autumn = hourly("2024-10-26T22:00Z", 25);
    expect(kept(autumn, { daily: 5 }, NOW, "Europe/Berlin")).toEqual([autumn.at(-1)?.id]);
    expect(kept(autumn, { hourly: 25 }, NOW, "Europe/Berlin")).toHaveLength(25);
  });
});

describe("clocks that were wrong", () => {
  test("a backup from the future is kept and takes no other's place", () => {
    const list = backups("2034-01-01T00:00Z", daysAgo(1), daysAgo(2), daysAgo(3));
    const plan = planRetention(list, { last: 2 }, NOW, "UTC");
    expect(plan.map((decision) => decision.keep)).toEqual([true, true, true, false]);
    expect(plan[0]?.reasons).toEqual(["dated in the future"]);
    expect(plan[1]?.reasons).toEqual(["newest", "one of the last 2"]);
  });

  test("a clock that fell back deletes nothing", () => {
    const list = [1, 2, 3, 500].map((days) => backup(daysAgo(days)));
    expect(kept(list, { last: 1, days: 1 }, new Date(0))).toEqual(ids(list));
  });

  test("a clock that ran ahead leaves what the counting rules keep", () => {
    const list = [0, 1, 2, 3, 4].map((days) => backup(daysAgo(days)));
    const ahead = new Date("2044-01-01T00:00Z");
    expect(kept(list, { days: 14, daily: 3 }, ahead)).toEqual(ids(list.slice(0, 3)));
    expect(kept(list, { days: 14, min: 4 }, ahead)).toEqual(ids(list.slice(0, 4)));
  });
});

const count = fc.option(fc.integer({ min: 1, max: 6 }), { nil: undefined });
const anyKeep = fc
  .record({
    days: count,
    last: count,
    hourly: count,
    daily: count,
    weekly: count,
    monthly: count,
    yearly: count,
    min: count,
  })
  .map((keep) => Object.fromEntries(Object.entries(keep).filter(([, value]) => value !== undefined)) as Keep);
const anyZone = fc.constantFrom("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia");
/** Minutes before `NOW`, from three years ago to a day ahead, thickly near `NOW`. */
const anyAge = fc.oneof(fc.integer({ min: -1440, max: 10_000 }), fc.integer({ min: 0, max: 1_600_000 }));
const anyBackups = fc
  .uniqueArray(anyAge, { maxLength: 40 })
  .map((ages) => ages.map((minutes) => backup(new Date(NOW.getTime() - minutes * 60_000))));

const hasRule = (keep: Keep): boolean => Object.keys(keep).some((name) => name !== "min");

describe("whatever the rules and the backups", () => {
  test("every backup gets one decision with a reason, and the newest stays", () => {
    fc.assert(
      fc.property(anyBackups, anyKeep, anyZone, (list, keep, zone) => {
        const plan = planRetention(list, keep, NOW, zone);
        expect(plan.map(({ id }) => id).toSorted()).toEqual(ids(list));
        for (const { reasons } of plan) expect(reasons.length).toBeGreaterThan(0);
        const past = plan.filter(({ id }) => Date.parse(id) <= NOW.getTime());
        expect(plan[0]?.keep ?? true).toBe(true);
        expect(past[0]?.keep ?? true).toBe(true);
      }),
    );
  });

  test("there are never fewer left than min, or than all", () => {
    fc.assert(
      fc.property(anyBackups, anyKeep, anyZone, (list, keep, zone) => {
        expect(kept(list, keep, NOW, zone).length).toBeGreaterThanOrEqual(
          Math.min(keep.min ?? 0, list.length),
        );
      }),
    );
  });

  test("pruning again at once deletes nothing more", () => {
    fc.assert(
      fc.property(anyBackups, anyKeep, anyZone, (list, keep, zone) => {
        const once = kept(list, keep, NOW, zone);
        const left = list.filter(({ id }) => once.includes(id));
        expect(kept(left, keep, NOW, zone)).toEqual(once);
      }),
    );
  });

  test("one more rule never deletes what stayed without it", () => {
    fc.assert(
      fc.property(anyBackups, anyKeep, anyKeep, anyZone, (list, some, more, zone) => {
        const { min: _floor, ...rules } = some;
        fc.pre(hasRule(rules));
        // A rule that both have keeps its larger number.
        const both = Object.fromEntries(
          [...Object.keys(rules), ...Object.keys(more)].map((name) => [
            name,
            Math.max(rules[name as keyof typeof rules] ?? 0, more[name as keyof Keep] ?? 0),
          ]),
        ) as Keep;
        const keptByBoth = new Set(kept(list, both, NOW, zone));
        expect(kept(list, rules, NOW, zone).filter((id) => !keptByBoth.has(id))).toEqual([]);
      }),
    );
  });

  test("a backup from the future changes nothing for the others", () => {
    fc.assert(
      fc.property(anyBackups, anyKeep, anyZone, (list, keep, zone) => {
        const past = list.filter(({ at }) => at.getTime() <= NOW.getTime());
        const future = backup("2099-01-01T00:00Z");
        expect(kept([...past, future], keep, NOW, zone)).toEqual(
          [...kept(past, keep, NOW, zone), future.id].toSorted(),
        );
      }),
    );
  });
});

describe("a year of nightly backups, each followed by pruning", () => {
  const simulate = (keep: Keep, zone: string, days = 366): string[] => {
    let left: RetentionCandidate[] = [];
    for (let day = 0; day < days; day++) {
      const at = new Date(Date.UTC(2024, 0, 1 + day, 2));
      left = [...left, backup(at)];
      const stays = new Set(kept(left, keep, new Date(at.getTime() + 60_000), zone));
      left = left.filter(({ id }) => stays.has(id));
    }
    return left.map(({ id }) => id.slice(0, 10));
  };

  test("14 days leave the last 14", () => {
    expect(simulate({ days: 14 }, "Europe/Berlin")).toEqual(
      Array.from({ length: 14 }, (_, day) => `2024-12-${18 + day}`),
    );
  });

  test.each(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Auckland"])(
    "days, weeks, months and years leave what they promise in %s",
    (zone) => {
      const left = simulate({ daily: 7, weekly: 4, monthly: 12, yearly: 2 }, zone);
      const daily = Array.from({ length: 7 }, (_, day) => `2024-12-${25 + day}`);
      // In Auckland 02:00 UTC is 15:00 of the same day, in New York 21:00 or 22:00 of the day before.
      const shift = zone === "America/New_York" ? 1 : 0;
      const endsOfMonths = Array.from({ length: 11 }, (_, month) =>
        new Date(Date.UTC(2024, month + 1, 0 + shift)).toISOString().slice(0, 10),
      );
      const sundays = ["2024-12-15", "2024-12-22", "2024-12-29"].map((day) =>
        new Date(Date.parse(day) + shift * DAY).toISOString().slice(0, 10),
      );
      const firstOfAll = shift === 1 ? ["2024-01-01"] : [];
      const expected = [...daily, ...endsOfMonths, ...sundays, ...firstOfAll];
      expect(left.toSorted()).toEqual([...new Set(expected)].toSorted());
    },
  );
});
