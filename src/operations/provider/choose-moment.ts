import { AppError } from "../../errors.ts";
import { formatDuration } from "../../lib/text.ts";
import type { ProviderBackup } from "../../providers/provider.ts";

/** What to restore. */
export interface Moment {
  readonly at: Date;
  /** Whether it is the time of a backup: another second may be refused by the service. */
  readonly exact: boolean;
  /** The newest backup at or before it. */
  readonly backup: ProviderBackup;
}

/** The moment to ask for. @param backups newest first. Fails with `backup_missing`, and `usage` outside of the window. */
export function chooseMoment(
  cluster: string,
  backups: readonly ProviderBackup[],
  { at, now, windowMs }: { readonly at: Date | undefined; readonly now: Date; readonly windowMs: number },
): Moment {
  const [newest] = backups;
  if (newest === undefined)
    throw new AppError("backup_missing", `restore ${cluster}: the service lists no backup of it`);
  if (at === undefined) return { at: newest.createdAt, exact: true, backup: newest };
  // People type whole seconds.
  const same = backups.find((one) => isSameSecond(one.createdAt, at));
  if (same !== undefined) return { at: same.createdAt, exact: true, backup: same };
  if (at > now) throw new AppError("usage", `restore ${cluster}: ${at.toISOString()} is still to come`);
  const backup = backups.find(({ createdAt }) => createdAt <= at);
  if (backup === undefined)
    throw new AppError("backup_missing", `restore ${cluster}: no backup is as old as ${at.toISOString()}`, {
      hint: `the oldest: \`--at ${backups.at(-1)?.createdAt.toISOString() ?? ""}\``,
    });
  if (now.getTime() - at.getTime() > windowMs)
    throw new AppError(
      "usage",
      `restore ${cluster}: ${at.toISOString()} is before the last ${formatDuration(windowMs)}, in which any moment is assumed to be there`,
      { hint: `the nearest backup before: \`--at ${backup.createdAt.toISOString()}\`` },
    );
  return { at, exact: false, backup };
}

/** The service tells its times to the second. */
export function isSameSecond(one: Date, other: Date): boolean {
  return Math.floor(one.getTime() / 1000) === Math.floor(other.getTime() / 1000);
}
