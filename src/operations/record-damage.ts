import { type AppError, isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { contentKey, partKey, partNameOfKey, tablesKey } from "../repository/layout.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { ProofFile, ProofProblem } from "../repository/proof-file.ts";
import { writeProof } from "../repository/proofs.ts";
import type { Repository } from "../repository/repository.ts";
import { covers } from "../repository/scope.ts";
import { requireStillThere } from "../repository/still-there.ts";
import { findOlder, hintingAt } from "./older-backup.ts";
import { noFindings } from "./verify/findings.ts";
import { proofOf } from "./verify/record.ts";

/** What reads a backup for another purpose than to check it. */
export type Reader = Exclude<ProofFile["operation"], "verify" | "repair" | "backup" | "check">;

/** A backup of ours, and where it lies. */
export interface StoredBackup {
  readonly repository: Repository;
  readonly index: BackupIndex;
}

/**
 * Runs what reads a backup for another purpose than to check it. Where that fails because stored bytes are missing or
 * changed, the backup counts for nothing from then on, as after a verification that failed; and the error says which older
 * one is good. Nothing is recorded, and the error is another, where the repository or the backup went away meanwhile.
 * @param stored undefined: what is read is no backup of ours
 */
export async function recordingDamage<T>(
  runtime: Runtime,
  stored: StoredBackup | undefined,
  operation: Reader,
  work: () => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const startedAt = runtime.clock.now();
  try {
    return await work();
  } catch (error) {
    const isDamage = isAppError(error, "backup_damaged") || isAppError(error, "object_missing");
    if (stored === undefined || !isDamage || signal.aborted) throw error;
    await requireStillThere(stored.repository, stored.index, signal);
    await record(runtime, stored, { operation, errors: [error], startedAt }, signal);
    throw await namingOlder(runtime, stored, error, signal);
  }
}

interface Damage {
  readonly operation: Reader;
  readonly errors: readonly AppError[];
  readonly startedAt: Date;
}

/**
 * Writes down what of a backup was found damaged in one place, and could be read from another: there it counts for nothing
 * from then on. Nothing is recorded where the place or the backup went away.
 */
export async function recordFellBack(
  runtime: Runtime,
  stored: StoredBackup,
  { operation, errors, startedAt }: Damage,
  signal: AbortSignal,
): Promise<void> {
  const damage = errors.filter(
    (error) => isAppError(error, "backup_damaged") || isAppError(error, "object_missing"),
  );
  if (damage.length === 0) return;
  try {
    await requireStillThere(stored.repository, stored.index, signal);
  } catch (error) {
    if (!isAppError(error)) throw error;
    return;
  }
  await record(runtime, stored, { operation, errors: damage, startedAt }, signal);
}

/** That it cannot be written down must not hide what was found. */
async function record(
  runtime: Runtime,
  { repository, index }: StoredBackup,
  { operation, errors, startedAt }: Damage,
  signal: AbortSignal,
): Promise<void> {
  // As it was: what is there now may be whole.
  if (repository.storage.asOf !== undefined) return;
  const { database, id } = index;
  const findings = { ...noFindings(), problems: errors.map((error) => problemOf(index, error)) };
  try {
    const checked = { database, id, operation, index, level: "restore", startedAt, findings } as const;
    await writeProof(repository, await proofOf(runtime, checked), signal);
  } catch (failure) {
    const why = messageOf(failure);
    runtime.reporter.warn(`${id} is damaged, which could not be recorded: it still counts as good: ${why}`);
  }
}

function problemOf({ database, id, kind }: BackupIndex, error: AppError): ProofProblem {
  const { key, part } = error.details;
  const problem = (object: ProofProblem["object"], name: string | null = null): ProofProblem => ({
    object,
    table: null,
    part: name,
    reason: messageOf(error),
  });
  if (key === tablesKey(database, id)) return problem("tables");
  if (key === contentKey(database, id)) return problem("content");
  if (kind === "archive") return problem("archive");
  const name = typeof key === "string" ? partNameOfKey(database, key) : undefined;
  if (name !== undefined) return problem(key === partKey(database, name) ? "part" : "part list", name);
  // What cannot be decompressed, or holds other rows than it should.
  return typeof part === "string" ? problem("part", part) : problem("restore");
}

async function namingOlder(
  runtime: Runtime,
  { repository, index }: StoredBackup,
  error: AppError,
  signal: AbortSignal,
): Promise<AppError> {
  const { database } = index;
  const at = Date.parse(index.snapshotAt);
  const isFit = ({ schemas, snapshotAt }: BackupIndex): boolean =>
    Date.parse(snapshotAt) < at && covers(schemas, index.schemas);
  const older = await findOlder(runtime, repository, { database, isFit, error }, signal);
  return older === undefined ? error : hintingAt(older, error);
}
