import type { Runtime } from "../lib/runtime.ts";
import { type BackupListing, type DamagedBackup, listBackups } from "../repository/listing.ts";
import type { BackupIndex, SnapshotIndex } from "../repository/manifest.ts";
import type { ProofFile } from "../repository/proof-file.ts";
import { newestProofs } from "../repository/proofs.ts";
import type { Repository } from "../repository/repository.ts";

const STORED: readonly string[] = ["archive", "index", "tables", "content", "part list", "part"];

/** What a verification, a restore or an export found to be wrong with stored objects. */
interface DamageFound {
  readonly id: string;
  readonly at: Date;
}

/**
 * The snapshots whose parts a new one may rely on, newest first. Once stored objects of one were found to be damaged, that is
 * none of those taken before: they share parts with it. The next snapshot then stores everything anew, and those after it
 * rely on that one. A later verification that finds nothing wrong ends this, and so does deleting it.
 */
export async function reliableSnapshots(
  runtime: Runtime,
  repository: Repository,
  database: string,
  backups: readonly BackupIndex[],
  signal: AbortSignal,
): Promise<{ readonly snapshots: readonly SnapshotIndex[]; readonly damage: DamageFound | undefined }> {
  const snapshots = backups.filter((backup) => backup.kind === "snapshot");
  const ids = snapshots.map((snapshot) => snapshot.id);
  const proofs = await newestProofs(runtime, repository, database, ids, signal);
  const damage = [...proofs.values()]
    .filter(hasDamage)
    .map((proof) => ({ id: proof.backup, at: new Date(proof.finishedAt) }))
    .toSorted((a, b) => b.at.getTime() - a.at.getTime())
    .at(0);
  if (damage === undefined) return { snapshots, damage };
  return { snapshots: snapshots.filter(({ startedAt }) => new Date(startedAt) > damage.at), damage };
}

/**
 * The backups that are there. Those whose last verification failed are among the damaged ones: they are not what retention
 * may count on, nor what a restore of the latest takes. A later verification that succeeds makes them good again.
 */
export async function listGoodBackups(
  runtime: Runtime,
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<BackupListing> {
  const listing = await listBackups(repository, database, signal);
  const ids = listing.backups.map((backup) => backup.id);
  const proofs = await newestProofs(runtime, repository, database, ids, signal);
  const { good, failed } = splitByProof(listing.backups, proofs);
  return { ...listing, backups: good, damaged: [...failed, ...listing.damaged] };
}

interface FailedBackup extends DamagedBackup {
  readonly index: BackupIndex;
}

/** Backups whose last verification, if there was one, did not fail; and those whose did, with what it found. */
export function splitByProof(
  backups: readonly BackupIndex[],
  proofs: ReadonlyMap<string, ProofFile>,
): { readonly good: BackupIndex[]; readonly failed: FailedBackup[] } {
  const good: BackupIndex[] = [];
  const failed: FailedBackup[] = [];
  for (const index of backups) {
    const reason = failureOf(proofs.get(index.id));
    if (reason === undefined) good.push(index);
    else failed.push({ id: index.id, reason, index });
  }
  return { good, failed };
}

/** What was found first, in words; undefined where nothing failed. */
function failureOf(proof: ProofFile | undefined): string | undefined {
  if (proof?.outcome !== "failed") return undefined;
  const [first] = proof.problems;
  const what =
    first === undefined ? "" : `: ${first.table === null ? "" : `${first.table}: `}${first.reason}`;
  const at = `of ${proof.finishedAt.slice(0, 16).replace("T", " ")} UTC`;
  switch (proof.operation) {
    case "verify":
      return `its verification ${at} failed${what}`;
    case "restore":
      return `a restore ${at} found it damaged${what}`;
    case "export":
      return `an export ${at} found it damaged${what}`;
  }
}

function hasDamage({ outcome, problems }: ProofFile): boolean {
  return outcome === "failed" && problems.some(({ object }) => STORED.includes(object));
}
