import { expect, test } from "vitest";
import { noAbort, testRuntime } from "../../test/support/runtime.ts";
import { sampleRepository } from "../../test/support/sample-repository.ts";
import { proofKey, proofsFolder } from "./layout.ts";
import type { AssertionResult } from "./asserted.ts";
import { BackupId } from "./manifest.ts";
import type { ProofFile } from "./proof-file.ts";
import { newestProofs, writeProof } from "./proofs.ts";

const ID = BackupId.parse("20241211T143022Z-7f3a");
const OTHER = BackupId.parse("20241211T143022Z-7f3b");
const signal = noAbort();

function proofAt(finishedAt: string, parts: Partial<ProofFile> = {}): ProofFile {
  return {
    format: 1,
    backup: ID,
    database: "shop",
    operation: "verify",
    snapshotAt: "2024-12-11T14:30:22.410Z",
    startedAt: "2024-12-11T15:00:00.000Z",
    finishedAt,
    by: { host: "desk", user: "ada", program: "handled 0.1.0" },
    outcome: "proven",
    level: "integrity",
    proven: "integrity",
    compared: {
      objects: 4,
      storedBytes: 100,
      tables: 1,
      rows: 3,
      bytes: 30,
      digests: 0,
      sequences: 0,
      definitions: 0,
    },
    notCompared: [],
    server: null,
    durations: { integrityMs: 5, restoreMs: null, compareMs: null },
    problemCount: 0,
    problems: [],
    ...parts,
  };
}

test("the newest proof of each backup is found, whatever the order they were written in", async () => {
  await using folder = await sampleRepository([]);
  const { repository } = folder;
  await writeProof(repository, proofAt("2024-12-12T15:00:00.000Z", { level: "content" }), signal);
  await writeProof(repository, proofAt("2024-12-11T15:00:00.000Z", { level: "restore" }), signal);
  await writeProof(repository, proofAt("2024-12-10T15:00:00.000Z", { backup: OTHER }), signal);
  const found = await newestProofs(testRuntime(), repository, "shop", [ID], signal);
  expect([...found.keys()]).toEqual([ID]);
  expect(found.get(ID)?.level).toBe("content");
});

test("two proofs of the same millisecond are both kept", async () => {
  await using folder = await sampleRepository([]);
  const { repository } = folder;
  const at = "2024-12-12T15:00:00.000Z";
  const first = await writeProof(repository, proofAt(at), signal);
  const second = await writeProof(repository, proofAt(at, { outcome: "failed", proven: null }), signal);
  expect(first).toBe(`${proofsFolder("shop")}20241212T150000.000Z-${ID}.json`);
  expect(second).not.toBe(first);
  const found = await newestProofs(testRuntime(), repository, "shop", [ID], signal);
  expect(found.get(ID)?.outcome).toBe("failed");
});

test("a proof that cannot be read is told, and hides nothing", async () => {
  await using folder = await sampleRepository([]);
  const { repository } = folder;
  await writeProof(repository, proofAt("2024-12-12T15:00:00.000Z", { backup: OTHER }), signal);
  await repository.storage.put(proofKey("shop", new Date("2024-12-12"), ID), Buffer.from("{"), signal);
  await repository.storage.put(`${proofsFolder("shop")}notes.txt`, Buffer.from("mine"), signal);
  const runtime = testRuntime();
  const found = await newestProofs(runtime, repository, "shop", [ID, OTHER], signal);
  expect([...found.keys()]).toEqual([OTHER]);
  expect(runtime.warnings).toHaveLength(1);
});

/** A check that asked queries, and what they gave: `true`, or why not. */
function asked(day: string, answers: Readonly<Record<string, AssertionResult["outcome"]>>): ProofFile {
  const assertions = Object.entries(answers).map(([sql, outcome]) => ({
    name: null,
    sql,
    outcome,
    reason: outcome === "true" ? null : outcome,
    ms: 1,
  }));
  const problems = assertions
    .filter(({ reason }) => reason !== null)
    .map(({ sql }) => ({ object: "assertion" as const, table: null, part: null, reason: sql }));
  const failed = problems.length > 0;
  return proofAt(`2024-12-${day}T15:00:00.000Z`, {
    format: 2,
    level: "assertions",
    outcome: failed ? "failed" : "proven",
    proven: failed ? null : "assertions",
    assertions,
    problems,
    problemCount: problems.length,
  });
}

const checkedOnly = (day: string): ProofFile => proofAt(`2024-12-${day}T15:00:00.000Z`);

test.each([
  ["could not be asked again", asked("13", { a: "timed out", b: "true" }), "12", "12"],
  [
    "could not be asked again, and neither could another",
    asked("13", { a: "error", b: "error" }),
    "12",
    "12",
  ],
  ["was not asked again", checkedOnly("13"), "12", "12"],
  [
    "was true since, while another could not be asked",
    asked("13", { a: "true", b: "timed out" }),
    "13",
    "15",
  ],
  ["is no longer among those that all held", asked("13", { b: "true" }), "13", "15"],
  ["was false again", asked("13", { a: "false" }), "13", "13"],
  ["is not asked any more, and another could not be", asked("13", { b: "timed out" }), "12", "12"],
])("a query that was false, and %s", async (_, newest, counts, later) => {
  await using folder = await sampleRepository([]);
  const { repository } = folder;
  const refuted = asked("12", { a: "false", b: "true" });
  for (const proof of [asked("11", { a: "true" }), refuted, newest])
    await writeProof(repository, proof, signal);
  const count = async (): Promise<string | undefined> =>
    (await newestProofs(testRuntime(), repository, "shop", [ID], signal)).get(ID)?.finishedAt.slice(8, 10);
  expect(await count()).toBe(counts);
  // Nor does what did not ask it, however often.
  for (const day of ["14", "15"]) await writeProof(repository, checkedOnly(day), signal);
  expect(await count()).toBe(later);
  await writeProof(repository, asked("16", { a: "true", b: "true" }), signal);
  await writeProof(repository, checkedOnly("17"), signal);
  expect(await count()).toBe("17");
});
