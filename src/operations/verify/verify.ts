import type { Asserted } from "../../config/assertions.ts";
import { AppError, type ErrorCode } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import { type ProofLevel, type ProofProblem, saysNothingOfBackup } from "../../repository/proof-file.ts";
import { markReading } from "../../repository/readers.ts";
import { openRepository, type Repository } from "../../repository/repository.ts";
import { opensSecrets } from "../../repository/sealing/stored-object.ts";
import type { Storage } from "../../storage/storage.ts";
import { recordingRun, type RunResult } from "../record-run.ts";
import { checkOthers } from "./check-others.ts";
import { type Candidate, findCandidate } from "./find.ts";
import { type Findings, isStored, noFindings } from "./findings.ts";
import { checkArchive, checkSnapshot } from "./integrity.ts";
import { proveRestore, type Sound } from "./prove-restore.ts";
import { recordProof, type VerifyReport } from "./record.ts";

export interface VerifyRequest {
  /** The database's name in the repository. */
  readonly database: string;
  readonly storage: Storage;
  /** `latest`, a backup's id, or the name of its archive. */
  readonly which: string;
  readonly level: ProofLevel;
  /** The strategy's entry that asks for it; null where somebody else does. */
  readonly entry: string | null;
  /** A server to restore on; null: one is made and thrown away. */
  readonly to: ConnectionSettings | null;
  /** What the copy must hold up to at the level `assertions`. */
  readonly asserted?: Asserted | undefined;
  /** Threads and connections. */
  readonly jobs: number;
  /** What is damaged will be mended, and checked again: where nothing is opened only that is recorded, for it proves nothing. */
  readonly beforeRepair: boolean;
}

/**
 * Shows that a backup is whole (`integrity`), that it can be restored (`restore`), that what comes back is what was
 * backed up (`content`), and that it holds up to what it is asked (`assertions`); each level includes the ones before it. Whatever comes of it is recorded in the repository. Where
 * no key opens the backup, `integrity` compares what can be compared and proves nothing; the others are `wrong_key`. What
 * keeps the check from being made at all (no server programs, no space, no connection) is thrown and not recorded: it says
 * nothing about the backup. Where the strategy's calendar asks for it, what all other backups need is looked for, too (`checkOthers`).
 */
export async function verifyBackup(
  runtime: Runtime,
  request: VerifyRequest,
  signal: AbortSignal,
): Promise<VerifyReport> {
  const { database, entry, storage } = request;
  return await recordingRun(
    runtime,
    { operation: "verify", database, entry, storages: [storage] },
    async () => await verifyRecorded(runtime, request, signal),
    runResult,
    signal,
  );
}

function runResult({ outcome, proof, problems, key, others }: VerifyReport): RunResult {
  const { backup, proven, level, compared, problemCount } = proof;
  const [first] = problems;
  const summaries = {
    proven: `proven: ${proven ?? ""}`,
    failed: `${counted(problemCount, "problem")} found`,
    unopened: "nothing wrong with what could be compared; not opened, so not proven",
  };
  return {
    outcome:
      first !== undefined
        ? "failed"
        : key === null || others.length > 0 || proven !== level
          ? "degraded"
          : "done",
    backup,
    proven: first === undefined ? proven : null,
    figures: { rows: compared.rows, bytes: compared.bytes, storedBytes: compared.storedBytes },
    summary: `${summaries[outcome]}${others.length === 0 ? "" : `; ${counted(others.length, "other backup")} found damaged`}`,
    error: first === undefined ? undefined : new AppError(codeOf(proof, first), first.reason),
  };
}

/** What the failure is about: the first two say that the backup cannot be relied on. */
function codeOf(proof: VerifyReport["proof"], first: ProofProblem): ErrorCode {
  if (isStored(first)) return "backup_damaged";
  if (!saysNothingOfBackup(proof)) return "rows_differ";
  return first.object === "application" ? "application_failed" : "query_failed";
}

async function verifyRecorded(
  runtime: Runtime,
  request: VerifyRequest,
  signal: AbortSignal,
): Promise<VerifyReport> {
  const { database, level, which } = request;
  const repository = await openRepository(runtime, request.storage, signal);
  const candidate = await findCandidate(repository, database, which, signal);
  const startedAt = runtime.clock.now();
  const findings = noFindings();
  await using _marked = await markReading(
    runtime,
    repository,
    database,
    { operation: "verify", backups: [candidate.id] },
    signal,
  );
  await check({ runtime, request, repository, findings }, candidate, signal);
  const { id, index } = candidate;
  const checked = { database, id, operation: "verify", index, level, startedAt, findings } as const;
  const isRecorded = findings.opened || !request.beforeRepair;
  const report = await recordProof(runtime, repository, { ...checked, isRecorded }, signal);
  // What is verified on a calendar is the newest backup; what is lost of older ones nobody would meet before they are needed.
  if (request.entry === null || repository.storage.asOf !== undefined) return report;
  return { ...report, others: await checkOthers(runtime, repository, database, signal) };
}

interface Run {
  readonly runtime: Runtime;
  readonly request: VerifyRequest;
  readonly repository: Repository;
  readonly findings: Findings;
}

async function check(run: Run, { index, damage }: Candidate, signal: AbortSignal): Promise<void> {
  const { runtime, findings, request } = run;
  if (index === undefined) {
    findings.problems.push({
      object: "index",
      table: null,
      part: null,
      reason: damage ?? "it cannot be read",
    });
    return;
  }
  const started = runtime.clock.monotonic();
  const { level } = request;
  findings.opened = opensSecrets(run.repository.storage);
  if (!findings.opened) {
    if (level !== "integrity") throw cannotOpen(index);
    findings.notCompared.push({ what: "what lies in it", reason: NOT_OPENED });
  }
  // The restore of a snapshot reads every part, and would stop at the first that is damaged.
  const partly = level !== "integrity" && index.kind === "snapshot";
  const sound = await checkStoredObjects(run, index, !partly, signal);
  if (partly && findings.problems.length > 0) {
    findings.problems.length = 0;
    await checkStoredObjects(run, index, true, signal);
  }
  findings.durations.integrityMs = Math.round(runtime.clock.monotonic() - started);
  if (level === "integrity" || findings.problems.length > 0) return;
  await proveRestore(runtime, { ...request, repository: run.repository, index, sound }, findings, signal);
}

const NOT_OPENED =
  "it takes the identity of a recipient; sizes were compared, and SHA-256 where it is recorded outside";

function cannotOpen({ id }: BackupIndex): AppError {
  return new AppError("wrong_key", `open ${id}: no key that is known here opens it`, {
    hint: "name the file of an identity with `--identity FILE` or in HANDLED_IDENTITY; `--level integrity` compares what can be compared without one",
  });
}

/** @param all also what a restore would read anyway */
async function checkStoredObjects(
  { runtime, request, repository, findings }: Run,
  index: BackupIndex,
  all: boolean,
  signal: AbortSignal,
): Promise<Sound> {
  if (index.kind === "archive") {
    const facts = await checkArchive(runtime, { repository, index }, findings, signal);
    return { facts, headers: new Map() };
  }
  const threads = all ? request.jobs : 0;
  const headers = await checkSnapshot(runtime, { repository, index }, threads, findings, signal);
  return { facts: undefined, headers: headers ?? new Map() };
}
