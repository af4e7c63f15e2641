import { AppError } from "../errors.ts";
import { isOfPlace } from "../operations/places.ts";
import { type DamagedBackup, isUnreadable } from "../repository/listing.ts";
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

export interface TableHistory {
  /** Newest first; empty where what the newest holds cannot be read. */
  readonly compared: readonly TablesOf[];
  /** Those whose tables are damaged in every place. */
  readonly damaged: readonly DamagedBackup[];
}

/** Reads their tables, each from the first place that has it whole. */
export async function readTableHistory(
  repositories: readonly Repository[],
  complete: readonly BackupIndex[],
  signal: AbortSignal,
): Promise<TableHistory> {
  const compared: TablesOf[] = [];
  const damaged: DamagedBackup[] = [];
  for (const backup of chooseCompared(complete)) {
    const tables = await readFromAny(repositories, backup, signal);
    if (!(tables instanceof AppError)) compared.push({ backup, tables });
    // What is missing was deleted just now, or the listing has told.
    else if (isUnreadable(tables)) damaged.push({ id: backup.id, reason: tables.message });
  }
  return { compared: compared[0]?.backup === complete[0] ? compared : [], damaged };
}

async function readFromAny(
  repositories: readonly Repository[],
  backup: BackupIndex,
  signal: AbortSignal,
): Promise<readonly TableLine[] | AppError> {
  const failures: AppError[] = [];
  for (const repository of repositories) {
    try {
      return await readTables(repository, backup, signal);
    } catch (error) {
      if (!isOfPlace(error, signal)) throw error;
      failures.push(error);
    }
  }
  const missing = new AppError("object_missing", `read the tables of ${backup.id}: no place has them`);
  return failures.find((failure) => !isUnreadable(failure)) ?? failures[0] ?? missing;
}
