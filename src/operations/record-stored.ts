import type { Runtime } from "../lib/runtime.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { ProofFile, ProofProblem } from "../repository/proof-file.ts";
import { writeProof } from "../repository/proofs.ts";
import type { Repository } from "../repository/repository.ts";
import { requireStillThere } from "../repository/still-there.ts";
import { noFindings } from "./verify/findings.ts";
import { proofOf } from "./verify/record.ts";

/** What is missing or cut of a backup whose index can be read. */
export interface StoredDamage {
  readonly index: BackupIndex;
  readonly problemCount: number;
  /** The first of them. */
  readonly problems: readonly ProofProblem[];
}

/**
 * Writes down what a look at stored objects found missing or cut of a backup, so that it counts for nothing, and the next snapshot
 * reads again what is missing. Fails with `repository_missing` or `backup_missing` where what seems damaged is not there at all.
 */
export async function recordStored(
  runtime: Runtime,
  repository: Repository,
  operation: ProofFile["operation"],
  { index, problems, problemCount }: StoredDamage,
  signal: AbortSignal,
): Promise<void> {
  await requireStillThere(repository, index, signal);
  const { database, id } = index;
  const findings = { ...noFindings(), problems: [...problems] };
  const startedAt = runtime.clock.now();
  const checked = { database, id, operation, index, level: "integrity", startedAt, findings } as const;
  await writeProof(repository, { ...(await proofOf(runtime, checked)), problemCount }, signal);
}
