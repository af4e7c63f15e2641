import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextRun } from "../config/schedule.ts";
import type { Job } from "../operations/schedule/jobs.ts";
import { nextDue, type PastRun, type Timing } from "./due.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const jobAt = (schedule: string): Job => ({
  database: "data",
  operation: "backup",
  entry: "nightly",
  schedule,
  deadlineMs: undefined,
});
const TIMING: Timing = { timeZone: "Europe/Berlin", jitterMs: 0, retries: 2, retryAfterMs: 5 * MINUTE };
const done = (at: string | number): PastRun => runAt(at, "done");
const failed = (at: string | number): PastRun => runAt(at, "failed");

function runAt(at: string | number, outcome: PastRun["outcome"]): PastRun {
  const startedAt = new Date(at);
  return { startedAt, finishedAt: outcome === null ? null : new Date(startedAt.getTime() + MINUTE), outcome };
}

/** When runs begin from one time to another, if somebody looks every minute except while nobody is there. */
function simulate(
  job: Job,
  from: string,
  to: string,
  options: {
    readonly timing?: Partial<Timing>;
    readonly away?: readonly (readonly [string, string])[];
    readonly outcome?: (n: number) => PastRun["outcome"];
  } = {},
): string[] {
  const away = (options.away ?? []).map(([a, b]) => [Date.parse(a), Date.parse(b)] as const);
  const since = new Date(from);
  const past: PastRun[] = [];
  for (let now = Date.parse(from); ; now += MINUTE) {
    const due = nextDue(job, { ...TIMING, ...options.timing }, past, since, new Date(now));
    now = Math.max(now, Math.ceil((due?.at.getTime() ?? Infinity) / MINUTE) * MINUTE);
    now = away.find(([a, b]) => now >= a && now < b)?.[1] ?? now;
    if (now >= Date.parse(to)) break;
    past.unshift(runAt(now, options.outcome?.(past.length) ?? "done"));
  }
  return past.map(({ startedAt }) => startedAt.toISOString().slice(0, 16)).toReversed();
}

describe("a schedule of the strategy", () => {
  test("runs at its times in its time zone, on the days when clocks change as well", () => {
    // In Berlin 02:30 does not exist on 2024-03-31, and exists twice on 2024-10-27.
    expect(simulate(jobAt("30 2 * * *"), "2024-03-29T12:00Z", "2024-04-02T12:00Z")).toEqual([
      "2024-03-30T01:30",
      "2024-03-31T01:00",
      "2024-04-01T00:30",
      "2024-04-02T00:30",
    ]);
    expect(simulate(jobAt("30 2 * * *"), "2024-10-25T12:00Z", "2024-10-29T12:00Z")).toEqual([
      "2024-10-26T00:30",
      "2024-10-27T00:30",
      "2024-10-28T01:30",
      "2024-10-29T01:30",
    ]);
  });

  test("an hourly one loses no hour and has none twice when clocks change", () => {
    for (const day of ["2024-03-31", "2024-10-27"]) {
      const hours = simulate(jobAt("0 * * * *"), `${day}T00:00Z`, `${day}T12:00Z`).map(Date.parse);
      const gaps = hours.slice(1).map((at, n) => at - (hours[n] ?? 0));
      expect(new Set(gaps)).toEqual(new Set([HOUR]));
    }
  });

  test("of the leap day runs on leap days", () => {
    const leap = { ...jobAt("0 3 29 2 *") };
    const utc = { ...TIMING, timeZone: "UTC" };
    const due = nextDue(leap, utc, [done("2024-02-29T03:00Z")], new Date(0), new Date("2025-01-01T00:00Z"));
    expect(due?.at).toEqual(new Date("2028-02-29T03:00Z"));
  });

  test("a week in which the machine was off is made up once, at once", () => {
    const away = [["2024-06-03T00:00Z", "2024-06-10T07:11Z"]] as const;
    expect(simulate(jobAt("0 2 * * *"), "2024-06-01T12:00Z", "2024-06-12T12:00Z", { away })).toEqual([
      "2024-06-02T00:00",
      "2024-06-10T07:11",
      "2024-06-11T00:00",
      "2024-06-12T00:00",
    ]);
  });

  test("what never ran counts from when the strategy has it", () => {
    const due = (since: string) =>
      nextDue(jobAt("0 2 * * *"), TIMING, [], new Date(since), new Date("2024-06-10T12:00Z"))?.at;
    expect(due("2024-06-10T11:00Z")).toEqual(new Date("2024-06-11T00:00Z"));
    expect(due("2024-06-01T11:00Z")).toEqual(new Date("2024-06-02T00:00Z"));
  });

  test("while it runs it is not due, whoever started it", () => {
    const now = new Date("2024-06-10T12:00Z");
    expect(nextDue(jobAt("* * * * *"), TIMING, [runAt("2024-06-10T11:00Z", null)], now, now)).toBe(undefined);
  });

  test("a run that a wrong clock dates in the future does not keep it from running", () => {
    const now = new Date("2024-06-10T12:00Z");
    const past = [done("2031-01-01T00:00Z"), done("2024-06-09T00:00Z")];
    expect(nextDue(jobAt("0 2 * * *"), TIMING, past, now, now)?.at).toEqual(new Date("2024-06-10T00:00Z"));
  });
});

describe("what failed", () => {
  test("is tried again after longer and longer, so often, and then at its next time", () => {
    const outcome = () => "failed" as const;
    expect(simulate(jobAt("0 2 * * *"), "2024-06-01T12:00Z", "2024-06-03T12:00Z", { outcome })).toEqual([
      "2024-06-02T00:00",
      "2024-06-02T00:06",
      "2024-06-02T00:22",
      "2024-06-03T00:00",
      "2024-06-03T00:06",
      "2024-06-03T00:22",
    ]);
  });

  test("and then worked is not tried again", () => {
    const outcome = (n: number) => (n === 0 ? ("interrupted" as const) : ("done" as const));
    expect(simulate(jobAt("0 2 * * *"), "2024-06-01T12:00Z", "2024-06-03T12:00Z", { outcome })).toEqual([
      "2024-06-02T00:00",
      "2024-06-02T00:06",
      "2024-06-03T00:00",
    ]);
  });

  test("is not tried again where the strategy wants that", () => {
    const due = nextDue(
      jobAt("0 2 * * *"),
      { ...TIMING, retries: 0 },
      [failed("2024-06-02T00:00Z")],
      new Date(0),
      new Date("2024-06-02T00:01Z"),
    );
    expect(due).toEqual({ at: new Date("2024-06-03T00:00Z"), why: "time" });
  });

  test("long ago is made up for, not tried again", () => {
    const now = new Date("2024-06-10T12:00Z");
    const due = nextDue(jobAt("0 2 * * *"), TIMING, [failed("2024-06-02T00:00Z")], new Date(0), now);
    // Both are over; one run does for both.
    expect(due?.at.getTime()).toBeLessThan(now.getTime());
    const after = nextDue(
      jobAt("0 2 * * *"),
      TIMING,
      [done(now.getTime()), failed("2024-06-02T00:00Z")],
      now,
      now,
    );
    expect(after).toEqual({ at: new Date("2024-06-11T00:00Z"), why: "time" });
  });
});

// With the hours that lie between two times of each, about.
const SCHEDULES = [
  ["*/10 * * * *", 1 / 6],
  ["0 * * * *", 1],
  ["30 2 * * *", 24],
  ["0 3 * * 0", 7 * 24],
  ["0 5 1 * *", 30 * 24],
  ["15 1,13 * * 1-5", 12],
] as const;
const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"];

const STRETCH = fc.double({ min: 0.1, max: 5, noNaN: true });

test("however the machine goes on and off: no time is lost, none has two runs, all in time when it is on", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...SCHEDULES),
      fc.constantFrom(...ZONES),
      fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 * 60 })),
      fc.integer({ min: Date.parse("2024-01-01Z"), max: Date.parse("2025-06-01Z") }),
      fc.array(fc.tuple(STRETCH, STRETCH), { minLength: 1, maxLength: 4 }),
      ([schedule, hours], timeZone, jitterSeconds, begin, stretches) => {
        const job = jobAt(schedule);
        const timing = { ...TIMING, timeZone, jitterMs: jitterSeconds * 1000 };
        const since = new Date(begin);
        const past: PastRun[] = [];
        const starts: number[] = [];
        let now = begin;
        const dueNow = (): number =>
          Math.max(now, nextDue(job, timing, past, since, new Date(now))?.at.getTime() ?? Infinity);
        for (const [on, off] of stretches) {
          const end = now + on * hours * HOUR;
          for (let at = dueNow(); at < end; at = dueNow()) {
            now = at;
            past.unshift(runAt(now, "done"));
            starts.push(now);
            now += 1;
          }
          now = end + off * hours * HOUR;
        }
        // Between two runs there is always a time of the schedule, so that no time has two.
        for (const [n, at] of starts.entries()) {
          const before = n === 0 ? begin - timing.jitterMs : (starts[n - 1] ?? 0) - timing.jitterMs;
          const slot = nextRun(schedule, timeZone, new Date(before));
          expect(slot?.getTime()).toBeLessThanOrEqual(at);
        }
        // And whatever time passed while it was on has its run.
        let from = begin;
        for (const [on, off] of stretches) {
          const end = from + on * hours * HOUR;
          const slot = nextRun(schedule, timeZone, new Date(from));
          if (slot !== null && slot.getTime() + timing.jitterMs < end)
            expect(starts.some((at) => at >= from && at <= slot.getTime() + timing.jitterMs)).toBe(true);
          from = end + off * hours * HOUR;
        }
      },
    ),
    { numRuns: 60 },
  );
});
