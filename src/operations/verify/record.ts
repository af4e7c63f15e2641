import { isAppError, messageOf } from "../../errors.ts";
import { PROGRAM } from "../../lib/program.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { describeHolder } from "../../repository/holder.ts";
import { type BackupId, type BackupIndex, FORMAT_VERSION } from "../../repository/manifest.ts";
import {
  includesLevel,
  NEWEST_PROOF_FORMAT,
  PROBLEMS_KEPT,
  type ProofFile,
  type ProofLevel,
  type ProofProblem,
} from "../../repository/proof-file.ts";
import { newestProofs, writeProof } from "../../repository/proofs.ts";
import type { Repository } from "../../repository/repository.ts";
import { requireStillThere } from "../../repository/still-there.ts";
import { type Findings, isStored } from "./findings.ts";

export interface VerifyReport {
  /** `unopened`: nothing is wrong with what could be compared, and no key opened the rest. */
  readonly outcome: ProofFile["outcome"] | "unopened";
  readonly proof: ProofFile;
  /** Undefined when the backup's index cannot be read. */
  readonly index: BackupIndex | undefined;
  /** All problems; the proof has the first of them. */
  readonly problems: readonly ProofProblem[];
  /** Other backups that were found damaged meanwhile, and recorded as that. */
  readonly others: readonly BackupId[];
  /** Where the proof lies; null when it could not be written, or was not, which was told. */
  readonly key: string | null;
}

export interface Checked {
  readonly database: string;
  readonly id: BackupId;
  readonly operation: ProofFile["operation"];
  readonly index: BackupIndex | undefined;
  readonly level: ProofLevel;
  readonly startedAt: Date;
  readonly findings: Findings;
}

/**
 * Writes down what came of a check. That it cannot be written takes nothing away from what was found. Fails with
 * `repository_missing` or `backup_missing` where what seems damaged is not there at all.
 */
export async function recordProof(
  runtime: Runtime,
  repository: Repository,
  checked: Checked & { readonly isRecorded: boolean },
  signal: AbortSignal,
): Promise<VerifyReport> {
  const { index, findings } = checked;
  const unopened = !findings.opened && findings.problems.length === 0;
  if (findings.problems.some(isStored)) await requireStillThere(repository, index, signal);
  const proof = await proofOf(runtime, checked);
  const outcome = unopened ? "unopened" : proof.outcome;
  const report = { outcome, proof, index, problems: findings.problems, others: [] } as const;
  if (!checked.isRecorded) return { ...report, key: null };
  if (unopened) {
    runtime.reporter.note("the result is not recorded: a check that opens nothing proves nothing");
    return { ...report, key: null };
  }
  if (repository.storage.asOf !== undefined) {
    runtime.reporter.note("the result is not recorded: it is about the bucket as it was, not as it is");
    return { ...report, key: null };
  }
  try {
    if (!findings.opened && (await isWorseKnown(runtime, repository, proof, signal))) {
      runtime.reporter.note("the result is not recorded: an earlier check of this backup found more");
      return { ...report, key: null };
    }
    return { ...report, key: await writeProof(repository, proof, signal) };
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error)) throw error;
    runtime.reporter.warn(`the result is not recorded: ${messageOf(error)}`);
    return { ...report, key: null };
  }
}

/** Whether the newest proof names damage that this one does not, and that must not be forgotten for it. */
async function isWorseKnown(
  runtime: Runtime,
  repository: Repository,
  { database, backup, problems }: ProofFile,
  signal: AbortSignal,
): Promise<boolean> {
  const earlier = (await newestProofs(runtime, repository, database, [backup], signal)).get(backup);
  if (earlier?.outcome !== "failed") return false;
  const nameOf = ({ object, part }: ProofProblem): string => `${object} ${part ?? ""}`;
  const named = new Set(problems.map(nameOf));
  return (
    earlier.problemCount > earlier.problems.length || earlier.problems.some((one) => !named.has(nameOf(one)))
  );
}

export async function proofOf(runtime: Runtime, checked: Checked): Promise<ProofFile> {
  const { database, id, operation, index, level, startedAt, findings } = checked;
  const { problems, compared, notCompared, durations, server, contentComplete } = findings;
  const { host, user } = await describeHolder(operation);
  const failed = problems.length > 0 || !findings.opened;
  const reached = includesLevel(level, "content") && !contentComplete ? "restore" : level;
  const { assertions, application } = findings;
  const asserted =
    level === "assertions" ? { assertions, ...(application === undefined ? {} : { application }) } : {};
  return {
    format: level === "assertions" ? NEWEST_PROOF_FORMAT : FORMAT_VERSION,
    backup: id,
    database,
    operation,
    snapshotAt: index?.snapshotAt ?? null,
    startedAt: startedAt.toISOString(),
    finishedAt: runtime.clock.now().toISOString(),
    by: { host, user, program: PROGRAM },
    outcome: failed ? "failed" : "proven",
    level,
    proven: failed ? null : reached,
    compared,
    notCompared,
    server,
    durations,
    problemCount: problems.length,
    problems: problems.slice(0, PROBLEMS_KEPT),
    ...asserted,
  };
}
