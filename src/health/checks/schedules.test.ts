import { describe, expect, test } from "vitest";
import { factsOf, indexOf, runOf } from "../../../test/support/health-facts.ts";
import { checkSchedules } from "./schedules.ts";

const jobOf = (schedule: string, installed: boolean | null = true) => ({
  operation: "backup" as const,
  entry: "nightly",
  schedule,
  installed,
});

describe("a schedule that does not fire", () => {
  test("is told once a run is more than an hour late, with all that were missed", () => {
    const at = (now: string) =>
      checkSchedules(
        factsOf({
          now: new Date(now),
          runs: [runOf("2024-12-09T02:00:01Z", { outcome: "failed" })],
          jobs: [jobOf("0 2 * * *")],
        }),
      );
    expect(at("2024-12-10T02:59:00Z")).toEqual([]);
    expect(at("2024-12-11T14:30:00Z")).toMatchObject([
      {
        id: "schedule-not-firing",
        subject: "backup nightly",
        message:
          "backup nightly should have run 1 d 12 h ago and did not begin: 2 runs missed since 2024-12-09 02:00 UTC",
        evidence: { missed: 2 },
      },
    ]);
  });

  test("began a little early by another clock: that was this run", () => {
    const runs = [runOf("2024-12-11T01:59:58Z")];
    expect(checkSchedules(factsOf({ runs, jobs: [jobOf("0 2 * * *")] }))).toEqual([]);
  });

  test("a backup whose record is gone counts as a run; one that never ran may be new", () => {
    const backups = [indexOf({ id: "20241211T020000Z-0001", database: "data", schedule: "nightly" })];
    expect(checkSchedules(factsOf({ backups, jobs: [jobOf("0 2 * * *")] }))).toEqual([]);
    expect(checkSchedules(factsOf({ jobs: [jobOf("0 2 * * *")] }))).toEqual([]);
  });

  test.each([
    ["forward, where 02:30 is skipped", "2025-03-29T01:30:00Z", "2025-03-30T02:20:00Z"],
    ["back, where it comes twice", "2024-10-26T00:30:00Z", "2024-10-27T01:29:00Z"],
  ])("over a change of the clocks %s, nothing is late that is not", (_, ran, now) => {
    const facts = factsOf({
      timeZone: "Europe/Berlin",
      now: new Date(now),
      runs: [runOf(ran), runOf("2024-10-27T00:30:05Z"), runOf("2025-03-30T01:30:05Z")].filter(
        ({ startedAt }) => startedAt <= new Date(now).toISOString(),
      ),
      jobs: [jobOf("30 2 * * *")],
    });
    expect(checkSchedules(facts)).toEqual([]);
  });
});

test("a run that takes longer than the time to the next one is not late", () => {
  const runs = [runOf("2024-12-11T09:00:00Z", { outcome: null, finishedAt: null })];
  expect(checkSchedules(factsOf({ runs, jobs: [jobOf("0 * * * *")] }))).toEqual([]);
});

test("also what verifies, by its entry, and what prunes, whoever began it", () => {
  const jobs = [
    { operation: "verify", entry: "weekly", schedule: "0 4 * * 0", installed: null },
    { operation: "prune", entry: null, schedule: "0 5 * * *", installed: null },
  ] as const;
  const runs = [
    runOf("2024-12-09T04:00:00Z", { operation: "verify", entry: "monthly" }),
    runOf("2024-12-09T05:00:00Z", { operation: "prune", entry: null }),
    runOf("2024-11-24T04:00:00Z", { operation: "verify", entry: "weekly" }),
  ];
  expect(checkSchedules(factsOf({ jobs, runs })).map(({ subject }) => subject)).toEqual([
    "verify weekly",
    "prune",
  ]);
});

test("a schedule that this machine does not run is worth a notice, and no more", () => {
  expect(checkSchedules(factsOf({ jobs: [jobOf("0 2 * * *", false)] }))).toMatchObject([
    { id: "schedule-not-installed", subject: "backup nightly", severity: "notice" },
  ]);
  expect(checkSchedules(factsOf({ jobs: [jobOf("0 2 * * *", null)] }))).toEqual([]);
});
