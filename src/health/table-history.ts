import { AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { isUnreadable } from "../repository/listing.ts";
import type { BackupIndex, TableLine } from "../repository/manifest.ts";
import { readTables } from "../repository/manifests.ts";
import type { Repository } from "../repository/repository.ts";

/** The tables of one backup. */
export interface TablesOf {
  readonly backup: BackupIndex;
  readonly tables: readonly TableLine[];
}

/** What the newest backup is compared with. */
const COMPARED = 14;
const SPAN_MS = 14 * 86_400_000;

/**
 * The newest complete backup and those to compare it with, newest first: of the same entry and schemas, and of two weeks where
 * there are so many, evenly chosen. Hourly ones would otherwise have forgotten by the evening what was lost in the morning.
 */
export function chooseCompared(complete: readonly BackupIndex[]): BackupIndex[] {
  const [newest] = complete;
  if (newest === undefined) return [];
  const like = ({ schedule, schemas }: BackupIndex): string =>
    JSON.stringify([schedule, schemas?.toSorted() ?? null]);
  const others = complete.slice(1).filter((backup) => like(backup) === like(newest));
  const since = Date.parse(newest.snapshotAt) - SPAN_MS;
  const recent = others.filter(({ snapshotAt }) => Date.parse(snapshotAt) >= since);
  if (recent.length <= COMPARED) return [newest, ...others.slice(0, COMPARED)];
  const step = (recent.length - 1) / (COMPARED - 1);
  return [newest, ...Array.from({ length: COMPARED }, (_, n) => recent[Math.round(n * step)] ?? newest)];
}

/** Reads their tables, each from the first place that has it whole. One that none has is left out: a verification tells. */
export async function readTableHistory(
  runtime: Runtime,
  repositories: readonly Repository[],
  complete: readonly BackupIndex[],
  signal: AbortSignal,
): Promise<TablesOf[]> {
  const history: TablesOf[] = [];
  for (const backup of chooseCompared(complete)) {
    const tables = await readFromAny(repositories, backup, signal);
    if (!(tables instanceof AppError)) history.push({ backup, tables });
    // The newest cannot be judged without what it holds.
    else if (history.length === 0) {
      runtime.reporter.warn(`the tables of ${backup.id} are not compared: ${tables.message}`);
      return [];
    }
  }
  return history;
}

async function readFromAny(
  repositories: readonly Repository[],
  backup: BackupIndex,
  signal: AbortSignal,
): Promise<readonly TableLine[] | AppError> {
  let failure = new AppError("object_missing", `read the tables of ${backup.id}: no place has them`);
  for (const repository of repositories) {
    try {
      return await readTables(repository, backup, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      if (
        !isUnreadable(error) &&
        !isAppError(error, "object_missing") &&
        !isAppError(error, "repository_unreachable")
      )
        throw error;
      if (error instanceof AppError) failure = error;
    }
  }
  return failure;
}
