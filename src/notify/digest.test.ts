import { expect, test } from "vitest";
import { isDigestDue } from "./digest.ts";

const MONDAYS = "0 8 * * 1";
const due = (last: string, now: string, zone = "UTC"): boolean =>
  isDigestDue(last, MONDAYS, zone, new Date(now));

test("a digest is due at its time in its time zone, in summer and winter, and once for any number that were missed", () => {
  // 2024-12-16 is a Monday.
  expect(due("2024-12-09T08:00:00.000Z", "2024-12-16T07:59:59.000Z")).toBe(false);
  expect(due("2024-12-09T08:00:00.000Z", "2024-12-16T08:00:00.000Z")).toBe(true);
  expect(due("2024-12-16T08:00:00.000Z", "2024-12-16T08:00:00.000Z")).toBe(false);
  expect(due("2024-10-20T12:00:00.000Z", "2024-10-21T06:00:00.000Z", "Europe/Berlin")).toBe(true);
  expect(due("2024-10-27T12:00:00.000Z", "2024-10-28T06:30:00.000Z", "Europe/Berlin")).toBe(false);
  expect(due("2024-10-27T12:00:00.000Z", "2024-10-28T07:00:00.000Z", "Europe/Berlin")).toBe(true);
  expect(due("2024-06-03T08:00:00.000Z", "2024-12-18T00:00:00.000Z")).toBe(true);
  expect(due("2024-12-18T00:00:00.000Z", "2024-12-18T01:00:00.000Z")).toBe(false);
});

test("a clock that was years ahead does not silence it", () => {
  expect(due("2034-12-09T08:00:00.000Z", "2024-12-16T07:59:59.000Z")).toBe(true);
});
