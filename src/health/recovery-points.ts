import { AppError } from "../errors.ts";
import { providerBackupId } from "../providers/backup-id.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import { provesBackup } from "../repository/provider-restores.ts";
import { isRestored } from "../repository/proofs.ts";
import type { Facts } from "./facts.ts";

/** A moment that can be had back. */
export interface RecoveryPoint {
  /** One of our backups, or one of those that the managed service takes. */
  readonly kind: "backup" | "provider";
  readonly id: string;
  readonly at: Date;
}

/** The newest there is. The service's assumed window is none: nobody promises the moments in it. */
export function newestPoint(facts: Facts): RecoveryPoint | null {
  return newerOf(pointOf(facts.complete[0]), providerPoints(facts)[0]);
}

/** The newest that was restored and looked at: one of the service's only where that very one was. */
export function newestProvenPoint(facts: Facts): RecoveryPoint | null {
  const restores = facts.providerRestores ?? [];
  const proven = providerPoints(facts).find(({ at }) => restores.some((one) => provesBackup(one, at)));
  return newerOf(pointOf(newestProven(facts) ?? undefined), proven);
}

/** The newest good backup of ours that was restored and compared. */
export function newestProven({ complete, listing }: Facts): BackupIndex | null {
  const found = complete.find(({ id }) => {
    const proof = listing.proofs.get(id);
    return proof !== undefined && isRestored(proof);
  });
  return found ?? null;
}

function pointOf(backup: BackupIndex | undefined): RecoveryPoint | undefined {
  return backup && { kind: "backup", id: backup.id, at: new Date(backup.snapshotAt) };
}

/** Newest first. */
function providerPoints({ provider = [] }: Facts): RecoveryPoint[] {
  if (provider instanceof AppError) return [];
  return provider.map(({ createdAt }) => ({
    kind: "provider",
    id: providerBackupId(createdAt),
    at: createdAt,
  }));
}

function newerOf(one: RecoveryPoint | undefined, other: RecoveryPoint | undefined): RecoveryPoint | null {
  if (one === undefined || other === undefined) return one ?? other ?? null;
  return one.at >= other.at ? one : other;
}
