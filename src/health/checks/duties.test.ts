import { expect, test } from "vitest";
import { factsOf } from "../../../test/support/health-facts.ts";
import { checkDuties } from "./duties.ts";

const duties = [
  { name: "dashboard-review", every: "weekly" as const, what: "look at the dashboard", database: "data" },
];
const done = (at: string) => ({
  format: 1,
  duty: "dashboard-review",
  at,
  host: "h",
  user: "ada",
  note: "",
});

test("a duty that was done neither in this week nor in the last is a finding, until it is done", () => {
  const old = factsOf({ duties, dutiesDone: [done("2024-11-20T12:00:00.000Z")] });
  expect(checkDuties(old)).toMatchObject([
    {
      id: "duty-overdue",
      subject: "dashboard-review",
      severity: "warning",
      message: expect.stringContaining("the weekly duty dashboard-review was last done"),
      hint: expect.stringContaining("handled checklist done dashboard-review"),
    },
  ]);
  const dutiesDone = [done("2024-12-04T12:00:00.000Z"), ...old.dutiesDone];
  expect(checkDuties(factsOf({ duties, dutiesDone }))).toEqual([]);
});

test("one that never was done counts from when there are backups", () => {
  expect(checkDuties(factsOf({ duties }))).toEqual([]);
  expect(checkDuties(factsOf({ duties, knownSince: new Date("2024-12-04T00:00Z") }))).toEqual([]);
  const [found] = checkDuties(factsOf({ duties, knownSince: new Date("2024-11-20T00:00Z") }));
  expect(found?.message).toContain("was never done");
});
