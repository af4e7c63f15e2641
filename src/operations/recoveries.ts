import { AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { describeHolder } from "../repository/holder.ts";
import { FORMAT_VERSION } from "../repository/manifest.ts";
import { type RecordedRecovery, readRecoveries, recordRecoveryNote } from "../repository/recoveries.ts";
import type { RecoveryNoteFile } from "../repository/recovery-file.ts";
import { openRepository, type Repository } from "../repository/repository.ts";
import { newRunId } from "../repository/runs.ts";
import type { Storage } from "../storage/storage.ts";
import { isOfPlace } from "./places.ts";
import { recordInEach } from "./record-in-each.ts";

/** The recoveries and drills of one database. */
export interface Recoveries {
  /** Newest first. */
  readonly recoveries: readonly RecordedRecovery[];
  /** Why places could not be read: what they alone hold is not among them. */
  readonly failures: readonly AppError[];
}

interface RecoveriesRequest {
  readonly database: string;
  /** No more than so many. */
  readonly last: number;
}

/** The last recoveries and drills of a database, as its repositories have them together, newest first. */
export async function recoveriesIn(
  runtime: Runtime,
  repositories: readonly Repository[],
  request: RecoveriesRequest,
  signal: AbortSignal,
): Promise<RecordedRecovery[]> {
  const all = new Map<string, RecordedRecovery>();
  for (const repository of repositories) {
    for (const recovery of await readRecoveries(runtime, repository, request, signal)) {
      const other = all.get(recovery.id);
      all.set(recovery.id, other === undefined ? recovery : asOne(other, recovery));
    }
  }
  return [...all.values()].toSorted((a, b) => (a.id < b.id ? 1 : -1)).slice(0, request.last);
}

/** A place that could not be written at the end still says that it runs. */
function asOne(one: RecordedRecovery, other: RecordedRecovery): RecordedRecovery {
  const known = one.finishedAt === null ? other : one;
  const notes = new Map([...one.notes, ...other.notes].map((note) => [`${note.at} ${note.note}`, note]));
  return { ...known, notes: [...notes.values()].toSorted((a, b) => (a.at < b.at ? -1 : 1)) };
}

/** The same from places that are not open yet. Where there is no repository, there are none. */
export async function recoveriesOf(
  runtime: Runtime,
  { storages, ...request }: RecoveriesRequest & { readonly storages: readonly Storage[] },
  signal: AbortSignal,
): Promise<Recoveries> {
  const failures: AppError[] = [];
  const repositories: Repository[] = [];
  for (const storage of storages) {
    try {
      repositories.push(await openRepository(runtime, storage, signal));
    } catch (error) {
      if (isAppError(error, "repository_missing")) continue;
      if (!isOfPlace(error, signal)) throw error;
      failures.push(error);
    }
  }
  return { recoveries: await recoveriesIn(runtime, repositories, request, signal), failures };
}

/**
 * Records in every place of a database what somebody learned from a recovery or drill. Fails only where it could be recorded nowhere,
 * with what the first place said.
 * @returns why it is not recorded in some of them
 */
export async function noteRecovery(
  runtime: Runtime,
  of: { readonly database: string; readonly storages: readonly Storage[]; readonly recovery: string },
  note: string,
  signal: AbortSignal,
): Promise<readonly AppError[]> {
  const { database, storages, recovery } = of;
  const { host, user } = await describeHolder("drill");
  const at = runtime.clock.now().toISOString();
  const file: RecoveryNoteFile = { format: FORMAT_VERSION, recovery, at, host, user, note };
  const id = newRunId(runtime.clock);
  return await recordInEach(
    runtime,
    storages,
    async (repository) => await recordRecoveryNote(repository, database, { id, file }, signal),
    signal,
  );
}
