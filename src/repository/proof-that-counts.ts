import { type ProofFile, saysNothingOfBackup, UNANSWERED } from "./proof-file.ts";

/** Whether what was proven before cannot change what this one says of the backup. */
export function isFinal(proof: ProofFile): boolean {
  return proof.outcome === "failed" ? !saysNothingOfBackup(proof) : proof.proven === "assertions";
}

/**
 * The proof of a backup that counts: the newest, unless a query was answered otherwise than the strategy demands before, and
 * by none since as it does. That it could not be asked, or was not, takes nothing away from that answer. Where all queries
 * of a strategy held, one that is no longer among them is forgotten.
 * @param newest of the proofs of one backup
 * @param older newest first
 */
export function proofThatCounts(newest: ProofFile, older: readonly ProofFile[]): ProofFile {
  const held = new Set<string>();
  for (const proof of [newest, ...older]) {
    const { assertions = [] } = proof;
    const refuted = assertions.some(
      ({ sql, outcome, reason }) => reason !== null && !UNANSWERED.includes(outcome) && !held.has(sql),
    );
    if (refuted) return proof;
    if (isFinal(proof)) return newest;
    for (const { sql, outcome } of assertions) if (outcome === "true") held.add(sql);
  }
  return newest;
}
