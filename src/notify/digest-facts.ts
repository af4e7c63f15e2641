import { isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { readHistory } from "../operations/history.ts";
import type { RunFile } from "../repository/run-file.ts";
import type { Storage } from "../storage/storage.ts";

/** What a digest says of one database. */
export interface DigestFacts {
  readonly database: string;
  /** What ended since then, newest first. */
  readonly runs: readonly RunFile[];
  /** The newest verification that proved a backup, however long ago; null where there was none within a year. */
  readonly lastProof: RunFile | null;
  /** The newest backup that was taken, likewise. */
  readonly lastBackup: RunFile | null;
  /** Why nothing is known; null where it is. */
  readonly unread: string | null;
}

// More runs than that in a week are counted no further.
const MOST_RUNS = 10_000;
const LONGEST_AGO_MS = 366 * 86_400_000;

/** What the places of a database have recorded since then. */
export async function gatherFacts(
  runtime: Runtime,
  database: string,
  storages: readonly Storage[],
  since: Date,
  signal: AbortSignal,
): Promise<DigestFacts> {
  const read = async (
    from: Date,
    last: number,
    wanted: (run: RunFile) => boolean,
  ): Promise<readonly RunFile[]> => {
    const request = { database, storages, last, since: from, wanted };
    return (await readHistory(runtime, request, signal)).runs;
  };
  const longAgo = new Date(runtime.clock.now().getTime() - LONGEST_AGO_MS);
  const isGood = ({ outcome }: RunFile): boolean => outcome === "done" || outcome === "degraded";
  try {
    const runs = await read(since, MOST_RUNS, ({ outcome }) => outcome !== null);
    const newest = async (isOf: (run: RunFile) => boolean): Promise<RunFile | null> =>
      runs.find(isOf) ?? (await read(longAgo, 1, isOf))[0] ?? null;
    const lastProof = await newest(({ operation, outcome }) => operation === "verify" && outcome === "done");
    const lastBackup = await newest((run) => run.operation === "backup" && isGood(run));
    return { database, runs, lastProof, lastBackup, unread: null };
  } catch (error) {
    if (!isAppError(error) || signal.aborted) throw error;
    const unread = runtime.secrets.redact(error.message);
    return { database, runs: [], lastProof: null, lastBackup: null, unread };
  }
}
