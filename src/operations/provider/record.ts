import { isAppError, messageOf } from "../../errors.ts";
import { PROGRAM } from "../../lib/program.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import { describeHolder } from "../../repository/holder.ts";
import { FORMAT_VERSION } from "../../repository/manifest.ts";
import type { ProviderRestoreFile } from "../../repository/provider-restore-file.ts";
import { readProviderRestores, writeProviderRestore } from "../../repository/provider-restores.ts";
import { openRepository, type Repository } from "../../repository/repository.ts";
import { newRunId } from "../../repository/runs.ts";
import type { Storage } from "../../storage/storage.ts";
import { NO_FIGURES, recordingRun, type RunResult } from "../record-run.ts";
import type { ProviderRestoreReport } from "./restore.ts";

/** What is recorded, and where. */
interface Recorded {
  readonly database: string;
  readonly storages: readonly Storage[];
}

// The cluster is there, whether it can be written down or not.
const LAST_WORDS_MS = 10_000;

/**
 * Runs a restore from a managed service that is to be found in the history of the database's places. Once it was checked, they are also
 * told that this backup came back; that they cannot be told is a warning.
 */
export async function recordingProviderRestore(
  runtime: Runtime,
  { database, storages }: Recorded,
  work: () => Promise<ProviderRestoreReport>,
  signal: AbortSignal,
): Promise<ProviderRestoreReport> {
  const run = { operation: "restore", database, entry: null, storages } as const;
  const startedAt = runtime.clock.now();
  const recorded = async (): Promise<ProviderRestoreReport> => {
    const report = await work();
    await recordChecked(runtime, { database, storages }, report, startedAt);
    return report;
  };
  return await recordingRun(runtime, run, recorded, runResult, signal);
}

function runResult({ preview, done }: ProviderRestoreReport): RunResult {
  const { source, name, moment } = preview;
  const lacks = (done?.access.lacking.length ?? 0) > 0 || (done?.content.unread.length ?? 0) > 0;
  const destroyed = done?.destroyed === true ? ", and destroyed again" : "";
  return {
    outcome: lacks ? "degraded" : "done",
    backup: null,
    figures: NO_FIGURES,
    summary: `cluster ${name} made from ${source.name} as of ${moment.at.toISOString()}: ${counted(done?.content.tables ?? 0, "table")}${destroyed}`,
  };
}

async function recordChecked(
  runtime: Runtime,
  { database, storages }: Recorded,
  { preview, done }: ProviderRestoreReport,
  startedAt: Date,
): Promise<void> {
  if (done === null) return;
  const { source, name, moment } = preview;
  const { tables, filled, unread, bytes } = done.content;
  const { host, user } = await describeHolder("restore");
  const file: ProviderRestoreFile = {
    format: FORMAT_VERSION,
    database,
    startedAt: startedAt.toISOString(),
    finishedAt: runtime.clock.now().toISOString(),
    by: { host, user, program: PROGRAM },
    source: { id: source.id, name: source.name },
    cluster: { id: done.cluster.id, name },
    at: moment.at.toISOString(),
    exact: moment.exact,
    backup: moment.backup.createdAt.toISOString(),
    tables,
    filled,
    unread: unread.length,
    bytes,
  };
  const id = newRunId(runtime.clock);
  const last = AbortSignal.timeout(LAST_WORDS_MS);
  for (const storage of storages) {
    try {
      await writeProviderRestore(await openRepository(runtime, storage, last), id, file, last);
    } catch (error) {
      // Before the first backup there is no repository.
      if (isAppError(error, "repository_missing")) continue;
      runtime.reporter.warn(`this restore is not recorded in ${storage.place}: ${messageOf(error)}`);
    }
  }
}

/** The restores from a managed service that the places know of, the newest first. A place that cannot be read is passed over. */
export async function checkedRestores(
  runtime: Runtime,
  { database, storages }: Recorded,
  signal: AbortSignal,
): Promise<ProviderRestoreFile[]> {
  const repositories: Repository[] = [];
  for (const storage of storages) {
    try {
      repositories.push(await openRepository(runtime, storage, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!isAppError(error)) throw error;
    }
  }
  return await restoresIn(runtime, repositories, database, signal);
}

/** The same of places that are open. What cannot be read is told and passed over. */
export async function restoresIn(
  runtime: Runtime,
  repositories: readonly Repository[],
  database: string,
  signal: AbortSignal,
): Promise<ProviderRestoreFile[]> {
  const all = new Map<string, ProviderRestoreFile>();
  for (const repository of repositories) {
    try {
      for (const [id, file] of await readProviderRestores(runtime, repository, database, signal))
        all.set(id, file);
    } catch (error) {
      signal.throwIfAborted();
      if (!isAppError(error)) throw error;
      runtime.reporter.warn(
        `the restores from the managed service cannot be read in ${repository.place}: ${error.message}`,
      );
    }
  }
  return [...all.values()].toSorted((a, b) => Date.parse(b.finishedAt) - Date.parse(a.finishedAt));
}
