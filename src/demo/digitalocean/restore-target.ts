import type { ListedBackup, ManagedCluster } from "./managed-cluster.ts";
import { unprocessable } from "./refusal.ts";
import type { ServiceTime } from "./service-time.ts";

/**
 * What the service does with a moment that is no backup's. The contract speaks of existing backups only: `accept` replays to the
 * moment, `nearest` gives the newest backup before it, `refuse` answers 422.
 */
export type ArbitrarySeconds = "accept" | "nearest" | "refuse";

export interface RestoreTarget {
  readonly backup: ListedBackup;
  /** The machine's time to replay to; undefined: just the backup. */
  readonly until: Date | undefined;
}

/** Which backup of a cluster to start from, and how far to go; refused (422) where no backup leads there. */
export function restoreTarget(
  source: ManagedCluster,
  asked: string | undefined,
  { time, arbitrarySeconds }: { readonly time: ServiceTime; readonly arbitrarySeconds: ArbitrarySeconds },
): RestoreTarget {
  const { backups } = source;
  const [oldest] = backups;
  const newest = backups.at(-1);
  if (oldest === undefined || newest === undefined)
    throw unprocessable(`backup_restore: ${source.request.name} has no backups`);
  if (asked === undefined) return { backup: newest, until: undefined };

  const moment = new Date(asked);
  const exact = backups.find(({ createdAt }) => createdAt.getTime() === moment.getTime());
  if (exact !== undefined) return { backup: exact, until: undefined };
  if (moment < oldest.createdAt)
    throw unprocessable("backup_restore.backup_created_at: it is before the oldest backup");
  if (moment > time.now()) throw unprocessable("backup_restore.backup_created_at: it is in the future");
  if (arbitrarySeconds === "refuse")
    throw unprocessable("backup_restore.backup_created_at: there is no backup of that time");

  const before = backups.findLast(({ createdAt }) => createdAt <= moment) ?? oldest;
  if (arbitrarySeconds === "nearest") return { backup: before, until: undefined };
  const until = time.machineTime(moment);
  const complete = backups.findLast(({ completeAt }) => completeAt < until);
  // Within the very second in which the first backup was made, there is nothing to replay.
  return complete === undefined ? { backup: oldest, until: undefined } : { backup: complete, until };
}
