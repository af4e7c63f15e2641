import { expect, test } from "vitest";
import { fasterOf } from "./estimates.ts";

test.each([
  [2000, 1000, "rebuild"],
  [1000, 2000, "backup"],
  [1000, 1000, "backup"],
  [null, 1000, "backup"],
  [1000, null, "backup"],
  [1000, undefined, "backup"],
])("restoring takes %s ms, rebuilding %s ms: %s is proposed", (restore, rebuild, chosen) => {
  const estimate = (ms: number | null) => ({ what: "", ms, basis: null });
  const estimates = {
    restore: estimate(restore),
    ...(rebuild === undefined ? {} : { rebuild: estimate(rebuild) }),
  };
  expect(fasterOf(estimates)).toBe(chosen);
});
