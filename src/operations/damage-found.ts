import type { Runtime } from "../lib/runtime.ts";
import { type BackupListing, type DamagedBackup, listBackups } from "../repository/listing.ts";
import { type BackupIndex, PartName, type SnapshotIndex } from "../repository/manifest.ts";
import { type ProofFile, saysNothingOfBackup } from "../repository/proof-file.ts";
import { newestProofs } from "../repository/proofs.ts";
import type { Repository } from "../repository/repository.ts";

const STORED: readonly string[] = ["archive", "index", "tables", "content", "part list", "part"];

/** What a verification, a restore or an export found to be wrong with stored objects. */
interface DamageFound {
  readonly id: string;
  readonly at: Date;
}

/** What a new snapshot may rely on. */
interface Reliable {
  /** Newest first. */
  readonly snapshots: readonly SnapshotIndex[];
  /** Why those taken before are not among them. */
  readonly damage: DamageFound | undefined;
  /** Parts of any of them that are damaged. */
  readonly damagedParts: ReadonlySet<PartName>;
}

/**
 * The snapshots whose parts a new one may rely on. Where a verification read everything and named each damaged part, that is
 * all of them, without these parts. Where only the first damage is known (a restore stops there), or it is of what names
 * parts, it is none of those taken before, for they share parts with it, unless one was verified since: the next snapshot
 * then stores everything anew. A later verification that finds nothing wrong ends this, and so does deleting the backup.
 */
export async function reliableSnapshots(
  runtime: Runtime,
  repository: Repository,
  database: string,
  backups: readonly BackupIndex[],
  signal: AbortSignal,
): Promise<Reliable> {
  const snapshots = backups.filter((backup) => backup.kind === "snapshot");
  const ids = snapshots.map((snapshot) => snapshot.id);
  const proofs = await newestProofs(runtime, repository, database, ids, signal);
  const found = [...proofs.values()].filter(hasDamage).map((proof) => ({ proof, parts: exactDamage(proof) }));
  const damagedParts = new Set(found.flatMap(({ parts }) => parts ?? []));
  const damage = found
    .filter(({ parts }) => parts === undefined)
    .map(({ proof }) => ({ id: proof.backup, at: new Date(proof.finishedAt) }))
    .toSorted((a, b) => b.at.getTime() - a.at.getTime())
    .at(0);
  if (damage === undefined) return { snapshots, damage, damagedParts };
  const isSince = ({ startedAt }: { readonly startedAt: string }): boolean => new Date(startedAt) > damage.at;
  const reliable = snapshots.filter((snapshot) => {
    const proof = proofs.get(snapshot.id);
    if (proof === undefined) return isSince(snapshot);
    return (
      isSince(snapshot) || ((proof.outcome === "proven" || saysNothingOfBackup(proof)) && isSince(proof))
    );
  });
  return { snapshots: reliable, damage, damagedParts };
}

/** The damaged parts, where a verification read and named them all; undefined where there may be more. */
function exactDamage({ operation, problems, problemCount }: ProofFile): PartName[] | undefined {
  // The others have looked at all parts, if not into them: what it does not name is as good as in a snapshot never verified.
  if (!["verify", "repair", "backup", "check"].includes(operation) || problems.length < problemCount)
    return undefined;
  const parts: PartName[] = [];
  for (const { object, part } of problems) {
    // Of a damaged content alone all parts are read; damage of anything else hides parts.
    if (object === "content") continue;
    // A backup that cannot read a list knows none of its parts: neither did the one that found that, nor will the next.
    if (operation === "backup" && object !== "part") continue;
    const name = PartName.safeParse(part);
    if (object !== "part" || !name.success) return undefined;
    parts.push(name.data);
  }
  return parts;
}

/**
 * The backups that are there. Those whose last verification failed are among the damaged ones: they are not what retention
 * may count on, nor what a restore of the latest takes. A later verification that succeeds makes them good again.
 * `damagedNames`: parts and part lists that were found missing or damaged in these.
 */
export async function listGoodBackups(
  runtime: Runtime,
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<BackupListing & { readonly damagedNames: ReadonlySet<string> }> {
  const listing = await listBackups(repository, database, signal);
  const ids = listing.backups.map((backup) => backup.id);
  const proofs = await newestProofs(runtime, repository, database, ids, signal);
  const { good, failed } = splitByProof(listing.backups, proofs);
  const problems = failed.flatMap(({ index }) => proofs.get(index.id)?.problems ?? []);
  const damagedNames = new Set(problems.flatMap(({ part }) => part ?? []));
  return { ...listing, backups: good, damaged: [...failed, ...listing.damaged], damagedNames };
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
  if (proof?.outcome !== "failed" || saysNothingOfBackup(proof)) return undefined;
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
    case "show":
      return `a look at it ${at} found it damaged${what}`;
    case "diff":
      return `a comparison ${at} found it damaged${what}`;
    case "repair":
      return `a repair ${at} found it damaged${what}`;
    case "check":
      return `a look at all that is stored ${at} found it damaged${what}`;
    case "backup":
      return `a later backup ${at} found it damaged${what}`;
  }
}

function hasDamage({ outcome, problems }: ProofFile): boolean {
  return outcome === "failed" && problems.some(({ object }) => STORED.includes(object));
}
