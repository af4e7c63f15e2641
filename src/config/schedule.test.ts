import { describe, expect, test } from "vitest";
import { nextRun, normalizeSchedule, scheduleProblem } from "./schedule.ts";

describe("scheduleProblem", () => {
  test.each([
    "0 3 * * *",
    "*/15 * * * *",
    "0 0,12 1-15/2 * *",
    "30 2 * jan-mar MON,FRI",
    " 0  3 * * 7 ",
    "0 0 29 2 *",
  ])("accepts %s", (expression) => {
    expect(scheduleProblem(expression)).toBeUndefined();
  });

  test.each([
    ["0 3 * *", /five fields/],
    ["0 0 3 * * *", /five fields/],
    ["@daily", /five fields/],
    ["", /five fields/],
    ["61 3 * * *", /minute: 61/],
    ["0 24 * * *", /hour: 24/],
    ["0 3 L * *", /`L`, which not every cron understands/],
    ["0 3 15W * *", /15W/],
    ["0 3 * * 1#2", /1#2/],
    ["5-1 * * * *", /no cron expression/],
    ["*/0 * * * *", /no cron expression/],
    ["0 0 30 2 *", /never comes/],
    ["0 3 */2 * 1", /crons disagree/],
    ["0 3 1 * */2", /crons disagree/],
  ])("refuses %s", (expression, reason) => {
    expect(scheduleProblem(expression)).toMatch(reason);
  });
});

test("normalizeSchedule leaves one line with single spaces", () => {
  expect(normalizeSchedule(" 0  3\n* * * ")).toBe("0 3 * * *");
});

describe("nextRun", () => {
  const next = (expression: string, after: string): string | undefined =>
    nextRun(expression, "Europe/Berlin", new Date(after))?.toISOString();

  test("is strictly after the given moment, in the given time zone", () => {
    expect(next("0 3 * * *", "2024-12-11T01:59:59Z")).toBe("2024-12-11T02:00:00.000Z");
    expect(next("0 3 * * *", "2024-12-11T02:00:00Z")).toBe("2024-12-12T02:00:00.000Z");
  });

  test("a time skipped in spring is made up for right after the gap", () => {
    expect(next("30 2 * * *", "2024-03-30T12:00:00Z")).toBe("2024-03-31T01:00:00.000Z");
  });

  test("a time that occurs twice in autumn is due once", () => {
    expect(next("30 2 * * *", "2024-10-26T12:00:00Z")).toBe("2024-10-27T00:30:00.000Z");
    expect(next("30 2 * * *", "2024-10-27T00:30:00Z")).toBe("2024-10-28T01:30:00.000Z");
  });

  test("both days restricted means either of them", () => {
    expect(next("0 3 13 * 1", "2024-12-09T12:00:00Z")).toBe("2024-12-13T02:00:00.000Z");
    expect(next("0 3 13 * 1", "2024-12-13T12:00:00Z")).toBe("2024-12-16T02:00:00.000Z");
  });

  test("is null where there is none", () => {
    expect(nextRun("0 0 30 2 *", "UTC", new Date("2024-01-01T00:00:00Z"))).toBeNull();
  });
});
