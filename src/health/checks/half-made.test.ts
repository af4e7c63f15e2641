import { describe, expect, test } from "vitest";
import { factsOf, runOf } from "../../../test/support/health-facts.ts";
import type { HalfMade } from "../../operations/restore/half-made.ts";
import { checkHalfMade } from "./half-made.ts";

const by = { ...runOf("2024-12-11T12:00:00Z").by, pid: 4711, bootId: "b", processStart: "17" };

/** What a restore of `data` has left, which began two and a half hours before. */
const left = (parts: Partial<HalfMade> = {}): HalfMade => ({
  database: "handled_restoring_1a2b3c4d_9f8e7d6c_4711_17",
  target: "data",
  startedAt: new Date("2024-12-11T12:00:00Z"),
  holder: by,
  maker: "dead",
  bytes: 3_000_000,
  ...parts,
});

const found = (halfMade: HalfMade, facts: Parameters<typeof factsOf>[0] = {}) =>
  checkHalfMade(factsOf({ halfMade: [halfMade], ...facts }));

describe("a half-made database", () => {
  test("of a restore that was killed is found, with its beginning and what to do", () => {
    expect(found(left())).toEqual([
      {
        id: "database-half-made",
        database: "data",
        subject: "handled_restoring_1a2b3c4d_9f8e7d6c_4711_17",
        severity: "warning",
        message:
          "half-made database handled_restoring_1a2b3c4d_9f8e7d6c_4711_17 (2.9 MiB) of data, begun 2 h 30 min ago: the restore that made it was killed",
        hint: 'the next `handled restore` from this machine onto that server drops it; `drop database "handled_restoring_1a2b3c4d_9f8e7d6c_4711_17"` does at once',
        evidence: { startedAt: "2024-12-11T12:00:00.000Z", bytes: 3_000_000 },
      },
    ]);
  });

  test("that is being made is none; of one on another machine that is said after a day", () => {
    expect(found(left({ maker: "alive" }))).toEqual([]);
    expect(found(left({ maker: "unknown" }))).toEqual([]);
    expect(found(left({ maker: "unknown", startedAt: new Date("2024-12-10T12:00:00Z") }))).toHaveLength(1);
  });

  test("for a new name is this database's where a run of it made it, and else another's", () => {
    expect(found(left({ target: "data_look" }))).toEqual([]);
    const runs = [runOf("2024-12-11T12:00:00Z", { operation: "restore", by })];
    expect(found(left({ target: "data_look" }), { runs })).toHaveLength(1);
    expect(found(left({ target: "data_look", holder: null }), { runs })).toEqual([]);
  });
});
