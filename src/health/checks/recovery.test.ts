import { describe, expect, test } from "vitest";
import { factsOf, indexOf, proofOf } from "../../../test/support/health-facts.ts";
import type { Facts } from "../facts.ts";
import { liveFigures } from "../live-figures.ts";
import { checkRecovery } from "./recovery.ts";

const OLD = new Date("2024-10-01T00:00:00Z");
const idsOf = (parts: Partial<Facts>): string[] => checkRecovery(factsOf(parts)).map(({ id }) => id);

describe("a proof", () => {
  test("older than it should be is told, whatever has become of its backup", () => {
    const lastProof = proofOf("20241101T020000Z-0001", { finishedAt: "2024-11-01T02:30:00Z" });
    const found = checkRecovery(factsOf({ lastProof }));
    expect(found).toMatchObject([
      {
        id: "proof-overdue",
        severity: "warning",
        message:
          "the last time that a backup was restored and compared is 40 d 12 h ago, and it should be no more than 35 d",
      },
    ]);
    expect(idsOf({ lastProof, proofMs: 41 * 86_400_000 })).toEqual([]);
    expect(idsOf({ lastProof, proofMs: null })).toEqual([]);
  });

  test("that was never made is asked for only where the data cannot be had again, and first kindly", () => {
    const young = new Date("2024-12-01T00:00:00Z");
    expect(idsOf({ criticality: "critical", knownSince: young })).toEqual(["never-proven"]);
    expect(idsOf({ criticality: "high", knownSince: OLD })).toEqual(["proof-overdue"]);
    expect(idsOf({ criticality: "medium", knownSince: OLD })).toEqual([]);
    expect(idsOf({ criticality: "critical", knownSince: null, backups: [] })).toEqual([]);
  });
});

describe("the time to recover", () => {
  // 2 GB an hour.
  const HOUR = 3_600_000;
  const lastProof = proofOf("20241210T020000Z-0001", { bytes: 2e9, restoreMs: HOUR });
  const tables = (bytes: number): Facts["tables"] => [
    {
      backup: indexOf({ id: "20241211T120000Z-0001", database: "data" }),
      tables: [{ schema: "s", name: "t", rows: 1, bytes }],
    },
  ];

  test("is what the last restore took, and by its rate what the newest backup would take", () => {
    expect(liveFigures(factsOf({ lastProof, tables: tables(6e9) })).timeToRecover).toEqual({
      measuredMs: HOUR,
      predictedMs: 3 * HOUR,
      basis: "restore of 20241210T020000Z-0001 on a throw-away server, 2024-12-10",
    });
  });

  test("is held against the RTO: as measured, or else as predicted", () => {
    const [slow] = checkRecovery(factsOf({ lastProof, tables: tables(6e9), rtoMs: HOUR / 2 }));
    expect(slow).toMatchObject({
      id: "restore-slow",
      evidence: { measuredMs: HOUR, predictedMs: 3 * HOUR },
    });
    expect(idsOf({ lastProof, tables: tables(6e9), rtoMs: 2 * HOUR })).toEqual(["restore-slow-predicted"]);
    expect(idsOf({ lastProof, tables: tables(6e9), rtoMs: 4 * HOUR })).toEqual([]);
    expect(idsOf({ lastProof, tables: tables(6e9), rtoMs: null })).toEqual([]);
  });

  test("of a restore of next to nothing tells no rate", () => {
    const small = proofOf("20241210T020000Z-0001", { bytes: 5000, restoreMs: 2000 });
    const predicted = (bytes: number) =>
      liveFigures(factsOf({ lastProof: small, tables: tables(bytes) })).timeToRecover.predictedMs;
    expect(predicted(6e9)).toBeNull();
    expect(predicted(9000)).toBe(2000);
  });
});

test("only what was restored and compared counts as proven", () => {
  const [newest, second, third] = [
    "20241211T120000Z-0001",
    "20241211T020000Z-0001",
    "20241210T020000Z-0001",
  ].map((id) => indexOf({ id, database: "data" }));
  if (newest === undefined || second === undefined || third === undefined) throw new Error("no backup");
  const backups = [newest, second, third];
  const { listing } = factsOf();
  const proofs = new Map([
    [newest.id, { ...proofOf(newest.id), level: "integrity", proven: "integrity" } as const],
    [third.id, proofOf(third.id)],
  ]);
  const figures = liveFigures(factsOf({ backups, listing: { ...listing, backups, proofs } }));
  expect(figures.newestProven?.id).toBe(third.id);
  expect(figures.dataAtRiskMs).toBe(2.5 * 3_600_000);
  expect(figures.provenAtRiskMs).toBe(36.5 * 3_600_000);
});
