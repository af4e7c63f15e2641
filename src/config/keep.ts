import { z } from "zod";

// Keeps sums of days far from where dates overflow: an invalid date would make every age comparison false.
const LARGEST = 100_000;

const count = () => z.int().min(1).max(LARGEST).optional();

const rules = z.strictObject({
  days: count().describe("Keep every backup that is younger than this many days"),
  last: count().describe("Keep this many of the newest backups"),
  hourly: count().describe("Keep the newest backup of each of this many hours that have one"),
  daily: count().describe("Keep the newest backup of each of this many days that have one"),
  weekly: count().describe("Keep the newest backup of each of this many ISO weeks that have one"),
  monthly: count().describe("Keep the newest backup of each of this many months that have one"),
  yearly: count().describe("Keep the newest backup of each of this many years that have one"),
  min: count().describe("Never go below this many backups, whatever their age; needs another rule beside it"),
});

/**
 * What retention keeps; a backup stays when any rule wants it. `min` is a floor and no rule: alone it would say what
 * must stay without saying what may go, and then everything above the floor would be deleted.
 */
export const Keep = rules.refine(
  ({ min: _floor, ...others }) => Object.values(others).some((rule) => rule !== undefined),
  "needs at least one of `days`, `last`, `hourly`, `daily`, `weekly`, `monthly` and `yearly`",
);
export type Keep = z.infer<typeof Keep>;
