import { expect, test } from "vitest";
import { factsOf, runOf } from "../../../test/support/health-facts.ts";
import type { SourceFacts } from "../../operations/sources/look-at-sources.ts";
import { checkSources } from "./sources.ts";

const MB = 1_000_000;
const SOUND = { source: "in.csv", files: 1, problem: null };

/** What is found today, after nights that recorded these sizes, newest first. */
function found(now: Partial<SourceFacts>, bytes: readonly number[], files: readonly number[] = []) {
  const runs = bytes.map((size, n) =>
    runOf(`2024-12-${String(11 - n).padStart(2, "0")}T02:00:00Z`, {
      sources: [
        { source: "in.csv", files: files[n] ?? 1, bytes: size },
        { source: "other.csv", files: 1, bytes: 7 },
      ],
    }),
  );
  // Runs that recorded nothing of it say nothing about it.
  const others = [runOf("2024-12-11T03:00:00Z"), runOf("2024-12-11T04:00:00Z", { operation: "verify" })];
  const facts = factsOf({ criticality: "high", runs: [...others, ...runs] });
  return checkSources({ ...facts, sources: [{ ...SOUND, bytes: 0, ...now }] });
}

const ids = (...args: Parameters<typeof found>) => found(...args).map(({ id }) => id);
const nights = (count: number, size: number): number[] => Array.from({ length: count }, () => size);

test("a source that lost a part of what it had is told, with figures", () => {
  expect(found({ bytes: 8 * MB }, nights(8, 10 * MB))).toEqual([
    {
      id: "source-shrunk",
      database: "data",
      subject: "in.csv",
      severity: "critical",
      message:
        "in.csv, which data can be made from, has 20 % less in it than at the 8 backups before: 7.6 MiB, and 9.5 MiB then",
      hint: "bring it back from where it came from, or take it out of `rebuild.sources`; until then only backups bring data back",
      evidence: { of: "bytes", now: 8 * MB, median: 10 * MB, backups: 8 },
    },
  ]);
  // Of files of which one in five is gone, though another has grown.
  expect(ids({ bytes: 10 * MB, files: 4 }, nights(8, 10 * MB), nights(8, 5))).toEqual(["source-shrunk"]);
});

test("what grows, stays, or scatters as it always did is no finding", () => {
  expect(ids({ bytes: 10 * MB }, nights(8, 10 * MB))).toEqual([]);
  expect(ids({ bytes: 12 * MB }, nights(8, 10 * MB))).toEqual([]);
  expect(ids({ bytes: 9.5 * MB }, nights(8, 10 * MB))).toEqual([]);
  expect(
    ids(
      { bytes: 6 * MB },
      [9, 5, 12, 7, 10, 4, 8, 11, 6, 9].map((n) => n * MB),
    ),
  ).toEqual([]);
});

test("it stays found while backups record what is left, and is over when the source is back", () => {
  expect(ids({ bytes: 2 * MB }, [...nights(3, 2 * MB), ...nights(8, 10 * MB)])).toEqual(["source-shrunk"]);
  expect(ids({ bytes: 10 * MB }, [...nights(3, 2 * MB), ...nights(8, 10 * MB)])).toEqual([]);
});

test("with little history only the loss of more than half is told, and nothing with none", () => {
  expect(ids({ bytes: 1 }, [])).toEqual([]);
  expect(ids({ bytes: 8 * MB }, [10 * MB])).toEqual([]);
  expect(ids({ bytes: 4 * MB }, [10 * MB])).toEqual(["source-shrunk"]);
});

test("one that is empty, missing or cannot be read is told, with what is known of it", () => {
  expect(ids({ bytes: 0 }, [])).toEqual(["source-shrunk"]);
  const problem = { kind: "missing", reason: "it is not there" } as const;
  expect(found({ problem, files: 0 }, [10 * MB])).toMatchObject([
    {
      id: "source-missing",
      severity: "critical",
      message: "in.csv, which data can be made from, is missing: it is not there",
      evidence: { lastFiles: 1, lastBytes: 10 * MB },
    },
  ]);
  expect(ids({ problem: { kind: "unreadable", reason: "EACCES" } }, [])).toEqual(["source-unreadable"]);
});
