import { describe, expect, test } from "vitest";
import { factsOf, indexOf, runOf } from "../../../test/support/health-facts.ts";
import { AppError } from "../../errors.ts";
import type { SeenRun } from "../facts.ts";
import { checkRuns } from "./runs.ts";

const nightly = { operation: "backup", entry: "nightly", schedule: "0 2 * * *", installed: null } as const;
const refused = { code: "login_refused", message: "connect to data: wrong password", hint: "look" };
const failedAt = (at: string) => runOf(at, { outcome: "failed", error: refused });

describe("the last run of an entry", () => {
  test("failed: since when, how often, why, and what to do", () => {
    const runs = [
      failedAt("2024-12-11T02:00:00Z"),
      failedAt("2024-12-10T02:00:00Z"),
      runOf("2024-12-09T02:00:00Z"),
      failedAt("2024-12-08T02:00:00Z"),
    ];
    expect(checkRuns(factsOf({ runs, jobs: [nightly] }))).toMatchObject([
      {
        id: "run-failed",
        subject: "backup nightly",
        severity: "warning",
        message:
          "backup nightly failed 2 times in a row, since 2024-12-10 02:00 UTC: connect to data: wrong password",
        hint: "look",
        evidence: { failures: 2, error: "login_refused", since: "2024-12-10T02:00:00.000Z" },
      },
    ]);
  });

  test("went well after a failure, or is under way after a success: nothing to say", () => {
    const done = [runOf("2024-12-11T02:00:00Z"), failedAt("2024-12-10T02:00:00Z")];
    expect(checkRuns(factsOf({ runs: done }))).toEqual([]);
    const running = runOf("2024-12-11T14:00:00Z", { outcome: null, finishedAt: null });
    expect(checkRuns(factsOf({ runs: [running, ...done] }))).toEqual([]);
  });

  test("is under way after a failure: the failure still stands", () => {
    const running = runOf("2024-12-11T14:00:00Z", { outcome: null, finishedAt: null });
    expect(checkRuns(factsOf({ runs: [running, failedAt("2024-12-11T02:00:00Z")] }))).toHaveLength(1);
  });

  test("was killed, or has been under way for more than a day", () => {
    const killed = runOf("2024-12-11T02:00:00Z", {
      outcome: "interrupted",
      summary: "its process is gone",
    });
    expect(checkRuns(factsOf({ runs: [killed] }))[0]?.message).toBe(
      "backup nightly was interrupted on 2024-12-11 02:00 UTC: its process is gone",
    );
    const hanging = runOf("2024-12-10T02:00:00Z", { outcome: null, finishedAt: null });
    expect(checkRuns(factsOf({ runs: [hanging] }))).toMatchObject([
      { id: "run-unended", evidence: { host: "db1" } },
    ]);
  });
});

test("each entry stands for itself; a backup by hand counts only where nothing is scheduled", () => {
  const runs = [
    runOf("2024-12-11T03:00:00Z", { entry: "hourly" }),
    failedAt("2024-12-11T02:00:00Z"),
    runOf("2024-12-11T01:00:00Z", { entry: null, outcome: "failed", error: refused }),
  ];
  const subjects = (jobs: readonly (typeof nightly)[]) =>
    checkRuns(factsOf({ runs, jobs })).map(({ subject }) => subject);
  expect(subjects([nightly])).toEqual(["backup nightly"]);
  expect(subjects([])).toEqual(["backup nightly", "backup"]);
});

test("what a restore, a copy, or somebody's Ctrl-C left is nobody's alarm; damage is told by its proof", () => {
  const by = { entry: null, outcome: "failed", error: refused } as const;
  const runs = [
    runOf("2024-12-11T05:00:00Z", { ...by, operation: "restore" }),
    runOf("2024-12-11T04:00:00Z", { ...by, operation: "copy" }),
    runOf("2024-12-11T03:00:00Z", {
      ...by,
      operation: "verify",
      error: { ...refused, code: "backup_damaged" },
    }),
    runOf("2024-12-11T02:00:00Z", {
      operation: "prune",
      entry: null,
      outcome: "interrupted",
      error: { ...refused, code: "interrupted" },
    }),
  ];
  expect(checkRuns(factsOf({ runs }))).toEqual([]);
});

test("a snapshot that could not trust what it was to take over is told until the next one", () => {
  const index = indexOf({ id: "20241211T120000Z-0001", database: "data" });
  const { archive: _, ...shared } = { archive: null, ...index };
  const snapshot = {
    ...shared,
    kind: "snapshot",
    checksum: "0".repeat(64),
    snapshot: {
      parts: { read: 1, reused: 0 },
      readBytes: 1,
      reusedBytes: 0,
      newParts: 1,
      newBytes: 1,
      namedBytes: 1,
      sample: { read: 4, differing: 2 },
      fullRead: null,
      baseline: null,
    },
  } as const;
  const found = checkRuns(factsOf({ backups: [snapshot] }));
  expect(found).toMatchObject([{ id: "run-degraded", evidence: { differing: 2 } }]);
  expect(found[0]?.message).toContain("2 tables");
});

test("a history that cannot be read is no good history", () => {
  const runs = new AppError("repository_unreachable", "list bucket: no answer");
  expect(checkRuns(factsOf({ runs }))).toMatchObject([
    { id: "history-unreadable", message: "what ran cannot be told: list bucket: no answer" },
  ]);
});

describe("a run that was seen to fail here", () => {
  const at = (time: string, parts: Partial<SeenRun> = {}): SeenRun => ({
    operation: "backup",
    entry: "nightly",
    startedAt: new Date(time),
    outcome: "failed",
    error: { message: "write the archive: no space left", hint: "make room" },
    ...parts,
  });
  const runs = [failedAt("2024-12-10T02:00:00Z")];

  test("and left no record is told, once, with what it said", () => {
    const expected = {
      id: "run-failed",
      subject: "backup nightly",
      message:
        "backup nightly failed on 2024-12-11 02:00 UTC and left no record: write the archive: no space left",
      hint: "make room",
    };
    const seen = [at("2024-12-11T02:00:00Z")];
    expect(checkRuns(factsOf({ runs, seen, jobs: [nightly] }))).toMatchObject([expected]);
    const unread = new AppError("repository_unusable", "no");
    expect(checkRuns(factsOf({ runs: unread, seen })).map(({ id }) => id)).toEqual([
      "run-failed",
      "history-unreadable",
    ]);
  });

  test("is told by its record where it left one, and no more once a later one went well", () => {
    const seen = [at("2024-12-10T01:59:59Z")];
    expect(checkRuns(factsOf({ runs, seen }))).toMatchObject([{ hint: "look" }]);
    expect(checkRuns(factsOf({ runs: [runOf("2024-12-11T03:00:00Z")], seen }))).toEqual([]);
    expect(checkRuns(factsOf({ runs: [], seen: [at("2024-12-11T02:00:00Z", { outcome: "done" })] }))).toEqual(
      [],
    );
  });
});
