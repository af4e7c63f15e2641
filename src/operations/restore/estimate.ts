import { isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ProofFile } from "../../repository/proof-file.ts";
import { newestRestored } from "../../repository/proofs.ts";
import type { Repository } from "../../repository/repository.ts";

/** How long a restore may take, by the last one that was made to prove a backup. */
export interface RestoreTime {
  /** How long that one took, in milliseconds; null where there was none. */
  readonly measuredMs: number | null;
  /** How long so many bytes take at the same rate; null where nothing tells the rate. */
  readonly predictedMs: number | null;
  /** What that was measured on, in words. */
  readonly basis: string | null;
}

export const NEVER_MEASURED: RestoreTime = { measuredMs: null, predictedMs: null, basis: null };

// What less takes is the time to start, which does not grow with the data.
const TELLING_BYTES = 1024 ** 2;

/** @param bytes of the rows that are to be restored, before compression; undefined where nobody knows */
export function timeByProof(proof: ProofFile | null, bytes: number | undefined): RestoreTime {
  const measuredMs = proof?.durations.restoreMs ?? null;
  if (proof === null || measuredMs === null) return NEVER_MEASURED;
  const { compared, server, backup, finishedAt } = proof;
  const where = server?.kind === "throw-away" ? "a throw-away server" : "a server that was given";
  const basis = `restore of ${backup} on ${where}, ${finishedAt.slice(0, 10)}`;
  if (bytes === undefined) return { measuredMs, predictedMs: null, basis };
  if (compared.bytes >= TELLING_BYTES)
    return { measuredMs, predictedMs: Math.round((measuredMs / compared.bytes) * bytes), basis };
  return { measuredMs, predictedMs: bytes <= TELLING_BYTES ? measuredMs : null, basis };
}

/** The same by the newest proof in a repository. That it cannot be read keeps nobody from restoring: nothing is known then. */
export async function timeInRepository(
  runtime: Runtime,
  repository: Repository,
  { database, bytes }: { readonly database: string; readonly bytes: number },
  signal: AbortSignal,
): Promise<RestoreTime> {
  try {
    return timeByProof((await newestRestored(repository, database, signal)) ?? null, bytes);
  } catch (error) {
    if (!isAppError(error) || signal.aborted) throw error;
    runtime.reporter.warn(`how long it takes is not known: ${error.message}`);
    return NEVER_MEASURED;
  }
}
