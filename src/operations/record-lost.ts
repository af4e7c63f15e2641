import { isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted } from "../lib/text.ts";
import type { KnownParts, LostBy } from "../repository/known-parts.ts";
import type { PartName } from "../repository/manifest.ts";
import { PROBLEMS_KEPT, type ProofProblem } from "../repository/proof-file.ts";
import { newestProofs } from "../repository/proofs.ts";
import type { Repository } from "../repository/repository.ts";
import { splitByProof } from "./damage-found.ts";
import { MISSING, tellLostOf } from "./lost-parts.ts";
import { recordStored, type StoredDamage } from "./record-stored.ts";

interface Seen {
  readonly known: KnownParts;
  /** Parts that somebody read and found damaged. */
  readonly damagedParts: ReadonlySet<PartName>;
}

/**
 * Writes down which earlier snapshots lack something, and says so, once: the new one does without it, and they cannot. From then
 * on they count for nothing, as after a verification that failed. That it cannot be written down is told, and keeps no backup from being taken.
 */
export async function recordLost(
  runtime: Runtime,
  repository: Repository,
  database: string,
  seen: Seen,
  signal: AbortSignal,
): Promise<void> {
  const { lostBy } = seen.known;
  if (lostBy.length === 0) return;
  const indexes = lostBy.map(({ index }) => index);
  const ids = indexes.map(({ id }) => id);
  const { good } = splitByProof(indexes, await newestProofs(runtime, repository, database, ids, signal));
  const parts = new Set<string>();
  const told: string[] = [];
  for (const one of lostBy) {
    const { id } = one.index;
    if (!good.some((index) => index.id === id)) continue;
    const damage = await damageOf(repository, one, seen, parts, signal);
    if (damage.problemCount === 0) continue;
    told.push(id);
    await record(runtime, repository, damage, signal);
  }
  const [first] = told;
  // What is no part was told as what this backup knows nothing of.
  if (first === undefined || parts.size === 0) return;
  const are = parts.size === 1 ? "is" : "are";
  runtime.reporter.warn(
    `${counted(parts.size, "part")} of ${told.join(" and ")} ${are} missing or damaged: this backup stores again what it needs of ` +
      `that; \`handled verify ${database} ${first}\` says what can no longer be restored`,
  );
}

async function damageOf(
  repository: Repository,
  { index, tables, lists }: LostBy,
  { known, damagedParts }: Seen,
  parts: Set<string>,
  signal: AbortSignal,
): Promise<StoredDamage> {
  const problems: ProofProblem[] = [];
  let problemCount = 0;
  const tell = (problem: ProofProblem): void => {
    problemCount += 1;
    if (problems.length < PROBLEMS_KEPT) problems.push(problem);
    if (problem.object === "part" && problem.part !== null) parts.add(problem.part);
  };
  if (tables !== undefined) tell({ object: "tables", table: null, part: null, reason: tables });
  const part = (name: PartName): string | undefined => {
    if (!known.isLost(name)) return undefined;
    return `part ${name} ${damagedParts.has(name) ? "was found damaged in another backup" : MISSING}`;
  };
  await tellLostOf(repository, index, { list: (name) => lists.get(name), part }, tell, signal);
  return { index, problems, problemCount };
}

async function record(
  runtime: Runtime,
  repository: Repository,
  damage: StoredDamage,
  signal: AbortSignal,
): Promise<void> {
  try {
    await recordStored(runtime, repository, "backup", damage, signal);
  } catch (failure) {
    signal.throwIfAborted();
    if (!isAppError(failure)) throw failure;
    // Somebody deleted it meanwhile.
    if (failure.code === "backup_missing") return;
    runtime.reporter.warn(
      `${damage.index.id} is damaged, which could not be recorded: it still counts as good: ${messageOf(failure)}`,
    );
  }
}
