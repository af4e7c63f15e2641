import { expect, test } from "vitest";
import { AppError } from "../errors.ts";
import { assumedWindowFrom, providerView } from "./provider-view.ts";

const DAY = 24 * 60 * 60 * 1000;
const now = new Date("2026-11-29T12:00:00Z");
const before = (ms: number): Date => new Date(now.getTime() - ms);
const backup = (age: number) => ({ createdAt: before(age), bytes: 1 });

test("any moment is assumed from the start of the window on, but none before the oldest backup that the service lists", () => {
  const window = { windowMs: 7 * DAY, now };
  expect(assumedWindowFrom([backup(0), backup(7.5 * DAY)], window)).toEqual(before(7 * DAY));
  // A cluster that was made an hour ago.
  expect(assumedWindowFrom([backup(1000), backup(3_600_000)], window)).toEqual(before(3_600_000));
  expect(assumedWindowFrom([], window)).toEqual(now);
  expect(providerView([backup(3_600_000)], window, []).windowFrom).toEqual(before(3_600_000));
  const unreachable = new AppError("provider_unreachable", "nobody answers");
  expect(providerView(unreachable, window, []).windowFrom).toEqual(before(7 * DAY));
});
