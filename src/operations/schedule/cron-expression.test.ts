import { spawnSync } from "node:child_process";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextRun, scheduleProblem } from "../../config/schedule.ts";
import { parseCron, toCalendarEvents, toCrontab } from "./cron-expression.ts";

describe("reading", () => {
  test("numbers, names, lists, ranges and steps", () => {
    const cron = parseCron("*/20 1,3-5 1-31/10 jan,MAR 5-7");
    expect(cron.minutes.values).toEqual([0, 20, 40]);
    expect(cron.hours.values).toEqual([1, 3, 4, 5]);
    expect(cron.days.values).toEqual([1, 11, 21, 31]);
    expect(cron.months.values).toEqual([1, 3]);
    expect(cron.weekdays.values).toEqual([0, 5, 6]);
  });

  test("nicknames stand for their five fields", () => {
    expect(toCrontab(parseCron("@daily"))).toBe("0 0 * * *");
    expect(toCrontab(parseCron("@hourly"))).toBe("0 * * * *");
  });

  test.each([
    "",
    "* * * *",
    "0 0 0 * * *",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * * 13 *",
    "* * * * 8",
    "5/10 * * * *",
    "9-5 * * * *",
    "*/0 * * * *",
    "* * L * *",
    "* * * * MON#1",
    "* * 15W * *",
    "* * * * FOO",
    "@reboot",
    "1,,2 * * * *",
    "-1 * * * *",
    "1.5 * * * *",
  ])("refuses `%s`, with a hint", (expression) => {
    expect(() => parseCron(expression)).toThrow(
      expect.objectContaining({ code: "usage", hint: expect.stringContaining("0 2 * * *") as string }),
    );
  });
});

describe("for crontab", () => {
  test.each([
    ["0 2 * * *", "0 2 * * *"],
    ["*/5 0-6 1,15 * 1-5", "*/5 0-6 1,15 * 1-5"],
    // Names in lists are not for every cron.
    ["30 1 * jan-mar MON,WED", "30 1 * 1,2,3 1,3"],
    // cron would take a field that begins with a star for one that says nothing.
    ["0 0 */10 * 1", "0 0 1,11,21,31 * 1"],
    ["0 0 13 * */3", "0 0 13 * 0,3,6"],
    ["0 0 * * */3", "0 0 * * */3"],
  ])("%s", (expression, line) => {
    expect(toCrontab(parseCron(expression))).toBe(line);
  });
});

describe("for systemd", () => {
  test.each([
    ["0 2 * * *", ["*-*-* 02:00:00 Europe/Berlin"]],
    ["*/15 9-17 * * MON-FRI", ["Mon..Fri *-*-* 09..17:00,15,30,45:00 Europe/Berlin"]],
    ["0 0 1 1,7 *", ["*-01,07-01 00:00:00 Europe/Berlin"]],
    // Sunday is the last day of systemd's week, and its ranges do not wrap around.
    ["5 4 * * 6,0,1", ["Mon,Sat..Sun *-*-* 04:05:00 Europe/Berlin"]],
    // Both kinds of day named: either will do.
    ["0 3 1,15 * 5", ["*-*-01,15 03:00:00 Europe/Berlin", "Fri *-*-* 03:00:00 Europe/Berlin"]],
    ["0 3 1-31 * 5", ["*-*-* 03:00:00 Europe/Berlin"]],
  ])("%s", (expression, events) => {
    expect(toCalendarEvents(parseCron(expression), "Europe/Berlin")).toEqual(events);
  });

  test("without a time zone it is the machine's", () => {
    expect(toCalendarEvents(parseCron("0 2 * * *"), undefined)).toEqual(["*-*-* 02:00:00"]);
  });

  test("systemd finds the same moments as the strategy's scheduler", () => {
    // No transition to or from summer time follows soon: there each scheduler has its own habits.
    const base = new Date("2025-01-01T00:00:30Z");
    fc.assert(
      fc.property(fc.array(expressions(), { minLength: 25, maxLength: 25 }), (batch) => {
        const events = batch.map((expression) => toCalendarEvents(parseCron(expression), "Asia/Kolkata"));
        const found = systemdMoments(events.flat(), base);
        let index = 0;
        for (const [position, expression] of batch.entries()) {
          const own = events[position]?.flatMap(() => found[index++] ?? []) ?? [];
          const expected = moments(expression, base, 4);
          expect([expression, [...new Set(own)].toSorted().slice(0, 4)]).toEqual([expression, expected]);
        }
      }),
      { numRuns: 8 },
    );
  });
});

function expressions(): fc.Arbitrary<string> {
  const item = (min: number, max: number): fc.Arbitrary<string> =>
    fc.oneof(
      fc.integer({ min, max }).map(String),
      fc
        .tuple(fc.integer({ min, max }), fc.integer({ min, max }), fc.option(fc.integer({ min: 1, max: 6 })))
        .map(([a, b, step]) => `${Math.min(a, b)}-${Math.max(a, b)}${step === null ? "" : `/${step}`}`),
      fc.integer({ min: 1, max: 6 }).map((step) => `*/${step}`),
    );
  const field = (min: number, max: number): fc.Arbitrary<string> =>
    fc.oneof(
      { arbitrary: fc.constant("*"), weight: 1 },
      {
        arbitrary: fc.array(item(min, max), { minLength: 1, maxLength: 3 }).map((a) => a.join(",")),
        weight: 2,
      },
    );
  return fc
    .tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 7))
    .map((fields) => fields.join(" "))
    .filter((expression) => scheduleProblem(expression) === undefined);
}

function moments(expression: string, base: Date, count: number): string[] {
  const found: string[] = [];
  let after: Date | null = base;
  while (found.length < count) {
    after = nextRun(expression, "Asia/Kolkata", after);
    if (after === null) break;
    found.push(after.toISOString().slice(0, 19));
  }
  return found;
}

/** The next four moments of each calendar event. */
function systemdMoments(events: readonly string[], base: Date): string[][] {
  const from = base.toISOString().replace("T", " ").slice(0, 19);
  const { status, stdout, stderr } = spawnSync(
    "systemd-analyze",
    ["calendar", `--base-time=${from} UTC`, "--iterations=4", ...events],
    { env: { PATH: "/usr/bin:/bin", TZ: "UTC", LC_ALL: "C" }, encoding: "utf8" },
  );
  expect([status, stderr]).toEqual([0, ""]);
  // One paragraph an event.
  return stdout
    .split("\n\n")
    .map((paragraph) =>
      [...paragraph.matchAll(/(?:elapse|Iter\. #\d+): \w+ ([\d-]+) ([\d:]+) UTC/g)].map(
        ([, day = "", time = ""]) => `${day}T${time}`,
      ),
    );
}
