import { AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { partNameOfKey } from "../repository/layout.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import { readTables } from "../repository/manifests.ts";
import { readPartList } from "../repository/part-lists.ts";
import type { Repository } from "../repository/repository.ts";
import type { PartRef } from "../repository/stored-parts.ts";
import { withoutOthers } from "../storage/others.ts";
import { listGoodBackups } from "./damage-found.ts";
import { quoteForShell } from "./schedule/quoting.ts";

/**
 * What to do instead of restoring a backup that is damaged.
 * @param where further words of the command line
 */
export function olderHint(
  { database, id }: { readonly database: string; readonly id: string },
  where = "",
): string {
  return `the next older backup that nobody found damaged is ${id}: \`handled restore ${quoteForShell(database)} ${id}${where}\``;
}

/** The error with that hint; its details name the backup, for whoever can say more of where it is. */
export function hintingAt({ database, id }: BackupIndex, error: AppError): AppError {
  const details = { ...error.details, database, older: id };
  return new AppError(error.code, error.message, {
    cause: error,
    details,
    hint: olderHint({ database, id }),
  });
}

/** What an older backup is wanted in the place of. */
interface OlderRequest {
  readonly database: string;
  /** Whether a backup is older than the damaged one, and would do in its place. */
  readonly isFit: (backup: BackupIndex) => boolean;
  /** What was found just now. */
  readonly error: AppError;
}

/**
 * The newest backup that is fit, that nobody found damaged, and that needs no part or part list which is known to be: of
 * snapshots, which share them, the one next to a damaged one is often damaged too.
 */
export async function findOlder(
  runtime: Runtime,
  repository: Repository,
  { database, isFit, error }: OlderRequest,
  signal: AbortSignal,
): Promise<BackupIndex | undefined> {
  // What is read from another place for a hint is no damage of the backup that the others are asked for.
  const alone = { ...repository, storage: withoutOthers(repository.storage) };
  try {
    const { backups, damagedNames } = await listGoodBackups(runtime, alone, database, signal);
    const names = new Set([...damagedNames, ...namesIn(database, error)]);
    const sound = new Set<string>();
    for (const backup of backups) {
      if (isFit(backup) && !(await needsAny(alone, backup, { names, sound }, signal))) return backup;
    }
  } catch (failure) {
    // It would have been a hint; what it was for is told all the same.
    if (!isAppError(failure)) throw failure;
  }
  return undefined;
}

function namesIn(database: string, { details: { part, key } }: AppError): string[] {
  const named = typeof key === "string" ? partNameOfKey(database, key) : undefined;
  return [part, named].filter((name) => typeof name === "string");
}

interface Damaged {
  readonly names: ReadonlySet<string>;
  /** Part lists that were looked into: most backups share most of them. */
  readonly sound: Set<string>;
}

/** Whether a backup cannot be whole without what has these names; also where its own lists are damaged. */
async function needsAny(
  repository: Repository,
  index: BackupIndex,
  damaged: Damaged,
  signal: AbortSignal,
): Promise<boolean> {
  if (index.kind === "archive" || damaged.names.size === 0) return false;
  try {
    for (const { partList } of await readTables(repository, index, signal)) {
      if (partList === null) continue;
      if (damaged.sound.has(partList.name)) continue;
      if (await namesAny(repository, index.database, partList, damaged.names, signal)) return true;
      damaged.sound.add(partList.name);
    }
    return false;
  } catch (error) {
    if (isAppError(error, "backup_damaged") || isAppError(error, "object_missing")) return true;
    throw error;
  }
}

async function namesAny(
  repository: Repository,
  database: string,
  list: PartRef,
  names: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<boolean> {
  if (names.has(list.name)) return true;
  const { ranges } = await readPartList(repository, database, list, signal);
  let found = false;
  for await (const { parts } of ranges) found ||= parts.some(({ name }) => names.has(name));
  return found;
}
