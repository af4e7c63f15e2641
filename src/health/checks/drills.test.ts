import { expect, test } from "vitest";
import { factsOf, proofOf, runOf } from "../../../test/support/health-facts.ts";
import type { RecordedRecovery } from "../../repository/recoveries.ts";
import type { Facts } from "../facts.ts";
import { liveFigures } from "../live-figures.ts";
import { checkDrills } from "./drills.ts";

const HOUR = 3_600_000;

function drillOf(startedAt: string, parts: Partial<RecordedRecovery> = {}): RecordedRecovery {
  const { id, by, program } = runOf(startedAt);
  return {
    format: 1,
    id,
    kind: "drill",
    scenario: "server-lost",
    databases: ["data"],
    entry: "quarterly",
    startedAt,
    finishedAt: new Date(Date.parse(startedAt) + HOUR).toISOString(),
    by,
    program,
    outcome: "done",
    from: "20241211T120000Z-0001",
    budgetMs: 4 * HOUR,
    steps: [{ id: "restore", title: "Restore data", budgetMs: HOUR, ms: HOUR, outcome: "done" }],
    rtoMs: HOUR,
    dataLostMs: HOUR,
    error: null,
    note: "",
    notes: [],
    ...parts,
  };
}

const drills = [{ name: "quarterly", scenario: "server-lost", schedule: "0 4 1 1,4,7,10 *" }] as const;
const failure = {
  outcome: "failed",
  rtoMs: null,
  error: { code: "rows_differ", message: "no", hint: null },
} as const;
const idsOf = (parts: Partial<Facts>): string[] =>
  checkDrills(factsOf({ drills, ...parts })).map(({ id, subject }) => `${id} ${subject}`);
const knownSince = new Date("2024-02-01T00:00:00Z");

test("a drill that was done when it was due is well", () => {
  expect(idsOf({ recoveries: [drillOf("2024-10-01T04:00:05.000Z")], knownSince })).toEqual([]);
  // Begun a moment ahead of its time, by a clock that is behind.
  expect(idsOf({ recoveries: [drillOf("2024-10-01T03:59:30.000Z")], knownSince })).toEqual([]);
  expect(idsOf({ knownSince: null })).toEqual([]);
  expect(
    idsOf({ drills: [{ name: "quarterly", scenario: "server-lost", schedule: undefined }], knownSince }),
  ).toEqual([]);
});

test("one that was due and not done is overdue, a day later, also where it never was", () => {
  expect(idsOf({ knownSince })).toEqual(["drill-overdue quarterly"]);
  expect(idsOf({ recoveries: [drillOf("2024-07-01T04:00:00.000Z")], knownSince })).toEqual([
    "drill-overdue quarterly",
  ]);
  const now = new Date("2024-10-01T22:00:00Z");
  expect(idsOf({ recoveries: [drillOf("2024-07-01T04:00:00.000Z")], knownSince, now })).toEqual([]);
  // By hand, of another entry: that is no drill of this one.
  expect(idsOf({ recoveries: [drillOf("2024-10-01T04:00:00.000Z", { entry: null })], knownSince })).toEqual([
    "drill-overdue quarterly",
  ]);
});

test("a failed one counts until the same scenario is drilled well, and says at which step", () => {
  const steps: RecordedRecovery["steps"] = [
    { id: "check", title: "Ask the application", budgetMs: 1, ms: 1, outcome: "failed" },
  ];
  const failed = drillOf("2024-10-01T04:00:00.000Z", { ...failure, steps });
  const before = drillOf("2024-07-01T04:00:00.000Z");
  expect(idsOf({ recoveries: [failed, before], knownSince })).toEqual(["drill-failed server-lost"]);
  const [found] = checkDrills(factsOf({ recoveries: [failed, failed, before] }));
  expect(found?.message).toContain("2 in a row: Ask the application: no");
  const byHand = drillOf("2024-10-02T04:00:00.000Z", { entry: null });
  expect(idsOf({ recoveries: [byHand, failed, before], knownSince })).toEqual([]);
  const interrupted = { outcome: "interrupted", rtoMs: null, finishedAt: null } as const;
  expect(idsOf({ recoveries: [drillOf("2024-10-01T04:00:00.000Z", interrupted)] })).toEqual([
    "drill-failed server-lost",
  ]);
  const stopped = { ...interrupted, entry: null, error: { code: "interrupted", message: "", hint: null } };
  expect(idsOf({ recoveries: [drillOf("2024-12-01T04:00:00.000Z", stopped), before], drills: [] })).toEqual(
    [],
  );
  // Somebody's real recovery is no drill.
  expect(idsOf({ recoveries: [{ ...failed, kind: "recover" }], drills: [] })).toEqual([]);
});

test("slower than the RTO is a finding, and counts as measured until a newer proof is there", () => {
  const slow = drillOf("2024-10-01T04:00:00.000Z", { rtoMs: 5 * HOUR });
  expect(idsOf({ recoveries: [slow] })).toEqual(["recovery-over-objective server-lost"]);
  expect(idsOf({ recoveries: [slow], rtoMs: null })).toEqual([]);
  const measured = (parts: Partial<Facts>): number | null =>
    liveFigures(factsOf({ recoveries: [slow], ...parts })).timeToRecover.measuredMs;
  expect(measured({})).toBe(5 * HOUR);
  expect(measured({ lastProof: proofOf("20241211T120000Z-0001") })).toBe(1000);
  const older = proofOf("20241211T120000Z-0001", { finishedAt: "2024-09-10T03:00:00Z" });
  expect(measured({ lastProof: older })).toBe(5 * HOUR);
  expect(measured({ recoveries: [{ ...slow, scenario: "data-deleted" }], lastProof: older })).toBe(1000);
});
