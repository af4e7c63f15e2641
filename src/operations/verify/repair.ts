import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted, formatBytes } from "../../lib/text.ts";
import { recoverUnfinished } from "../../repository/backups.ts";
import { acquireLease } from "../../repository/lease.ts";
import type { BackupId } from "../../repository/manifest.ts";
import { mendBackup, type Mended } from "../../repository/mend-backup.ts";
import { openRepository, type Repository } from "../../repository/repository.ts";
import { requireSameKeys, requireSealedAlike } from "../../repository/sealing/alike.ts";
import { isOfPlace, type Place } from "../places.ts";
import { findCandidate } from "./find.ts";

export interface RepairRequest {
  readonly database: string;
  readonly id: BackupId;
  /** The place to be mended, and those that may have what it lost. */
  readonly place: Place;
  readonly others: readonly Place[];
}

/**
 * The same where the keys that are known here cannot open the backup, so that it cannot be verified: what can be compared
 * without them is mended.
 */
export async function repairUnopened(
  runtime: Runtime,
  { which, ...request }: Omit<RepairRequest, "id"> & { readonly which: string },
  signal: AbortSignal,
): Promise<Mended & { readonly id: BackupId }> {
  const repository = await openRepository(runtime, request.place.storage, signal);
  const { id } = await findCandidate(repository, request.database, which, signal);
  return { id, ...(await repairBackup(runtime, { ...request, id }, signal)) };
}

/** What kept a backup from being verified, after it was mended as far as that goes without an identity. */
export function notVerified(
  error: AppError,
  { id, keys, left }: Mended & { readonly id: BackupId },
): AppError {
  const found =
    keys.length + left.length === 0
      ? "nothing is wrong with it that shows"
      : `${counted(keys.length, "object")} mended`;
  return new AppError(error.code, `${id}: ${found} without an identity, and not verified: ${error.message}`, {
    cause: error,
    hint: error.hint,
    details: { ...error.details, mended: keys, left },
  });
}

/**
 * Mends what is missing or damaged of a backup in one place from others that have it intact, under the lease of that place.
 * Other places that cannot be read are passed over with a warning. Proves nothing: whoever calls it verifies again.
 */
export async function repairBackup(
  runtime: Runtime,
  { database, id, place, others }: RepairRequest,
  signal: AbortSignal,
): Promise<Mended> {
  const to = await openRepository(runtime, place.storage, signal);
  const sources: Repository[] = [];
  for (const other of others) {
    try {
      const source = await openRepository(runtime, other.storage, signal);
      requireSameKeys(to, source);
      sources.push(source);
    } catch (error) {
      if (!isOfPlace(error, signal)) throw error;
      runtime.reporter.warn(`${other.name} is passed over: ${error.message}`);
    }
  }
  if (sources.length === 0) {
    throw new AppError("repository_missing", `mend ${id} in ${place.name}: no other place can be read`, {
      hint: "name one with a second `--repository`, or in the strategy",
    });
  }
  await using lease = await acquireLease(runtime, to, database, "repair", signal);
  const whileHeld = AbortSignal.any([signal, lease.lost]);
  await requireSealedAlike(to, whileHeld);
  await recoverUnfinished(runtime, to, database, lease, whileHeld);
  const mended = await mendBackup({ to, others: sources, lease }, database, id, whileHeld);
  const { keys, bytes, left } = mended;
  if (keys.length > 0)
    runtime.reporter.note(
      `mended ${counted(keys.length, "object")} of ${id} in ${place.name} (${formatBytes(bytes)})`,
    );
  if (left.length > 0)
    runtime.reporter.warn(
      `${counted(left.length, "object")} of ${id} in ${place.name} cannot be mended: no other place has ${left[0]} intact`,
    );
  return mended;
}
