import { AppError, type ErrorCode } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted } from "../lib/text.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import { openRepository, type Repository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";
import { listGoodBackups } from "./damage-found.ts";
import { planAmong, type RetentionRules } from "./prune.ts";

/** One of the places where the backups of a database are kept. */
export interface Place {
  /** The name in the strategy; without one, what the command line says. */
  readonly name: string;
  readonly storage: Storage;
  readonly rules: RetentionRules;
}

/** What was found in a place. */
export interface Surveyed {
  readonly place: Place;
  /** Undefined where there is no repository yet, or no answer. */
  readonly repository: Repository | undefined;
  /** Why nothing is known of it. */
  readonly failure: AppError | undefined;
  /** Newest first. */
  readonly good: readonly BackupIndex[];
  /** Of those that are there and cannot be relied on. */
  readonly damaged: ReadonlySet<string>;
}

/** Looks at every place. One that does not answer hides no other. */
export async function surveyPlaces(
  runtime: Runtime,
  places: readonly Place[],
  database: string,
  signal: AbortSignal,
): Promise<Surveyed[]> {
  const surveyed: Surveyed[] = [];
  for (const place of places) {
    const nothing = { place, repository: undefined, good: [], damaged: new Set<string>() };
    try {
      const repository = await openRepository(runtime, place.storage, signal);
      const { backups: good, damaged } = await listGoodBackups(runtime, repository, database, signal);
      const ids = new Set(damaged.map(({ id }) => id));
      surveyed.push({ place, repository, failure: undefined, good, damaged: ids });
    } catch (error) {
      if (!isOfPlace(error, signal)) throw error;
      // An emptied bucket, a new disk, or one that is not mounted.
      const failure = error.code === "repository_missing" ? undefined : error;
      surveyed.push({ ...nothing, failure });
    }
  }
  return surveyed;
}

/**
 * Why nothing is written to a place before somebody says that it is new: there is no repository, though it should have backups
 * that others have. A share that is not mounted looks just like that, and what is written there goes to the disk below it.
 * The same where somebody made one there meanwhile, such as the run of another database: it has nothing of this one, and is
 * younger than backups that should be in it. Undefined where nothing is known.
 */
export function absenceOf(
  runtime: Runtime,
  database: string,
  to: Surveyed,
  all: readonly Surveyed[],
  timeZone: string,
): AppError | undefined {
  const { place, repository, failure } = to;
  if (failure !== undefined || to.good.length + to.damaged.size > 0) return undefined;
  const lacking = lackingIn(runtime, to, all, timeZone);
  const madeAt = repository?.file.createdAt;
  const before = lacking.filter(
    ({ index }) => madeAt === undefined || Date.parse(index.snapshotAt) < Date.parse(madeAt),
  );
  if (before.length < (madeAt === undefined ? 1 : FEWEST_BEFORE)) return undefined;
  const what = madeAt === undefined ? "is no repository" : `was made on ${madeAt.slice(0, 10)}, is empty`;
  return new AppError(
    "repository_missing",
    `${place.storage.place} ${what}, and should have ${counted(lacking.length, "backup")} of ${database} that another place has: ` +
      "a disk or share may not be mounted, or it was emptied",
    {
      hint: `mount it; if it is meant to be new, \`handled copy ${database} --new-place\` makes it and fills it`,
      details: { missing: lacking.length },
    },
  );
}

// A first run that is cut off leaves a place that is made and empty, and one backup before it.
const FEWEST_BEFORE = 2;

/** A backup that a place should have and does not. */
export interface Lacking {
  readonly index: BackupIndex;
  /** Those that have it whole, in the order of the places. */
  readonly sources: readonly Repository[];
}

/** What a place lacks of what others have, newest first, as far as its own retention would keep it. */
export function lackingIn(
  runtime: Runtime,
  place: Surveyed,
  all: readonly Surveyed[],
  timeZone: string,
): Lacking[] {
  const known = new Set<string>([...place.good.map(({ id }) => id), ...place.damaged]);
  const missing = new Map<string, { index: BackupIndex; sources: Repository[] }>();
  for (const { good, repository } of all) {
    if (repository === undefined || repository === place.repository) continue;
    for (const index of good) {
      if (known.has(index.id)) continue;
      const found = missing.get(index.id) ?? { index, sources: [] };
      found.sources.push(repository);
      missing.set(index.id, found);
    }
  }
  const candidates = [...missing.values()].map(({ index }) => index);
  const newestFirst = [...place.good, ...candidates].toSorted(
    (a, b) => Date.parse(b.snapshotAt) - Date.parse(a.snapshotAt) || (a.id < b.id ? 1 : -1),
  );
  return planAmong(runtime, { rules: place.place.rules, timeZone }, newestFirst).flatMap(
    ({ backup, keep }) => {
      const lacking = missing.get(backup.id);
      return keep && lacking !== undefined ? [lacking] : [];
    },
  );
}

const OF_PLACE: readonly ErrorCode[] = [
  "object_missing",
  "object_exists",
  "repository_missing",
  "bucket_missing",
  "repository_unreachable",
  "repository_unusable",
  "repository_version",
  "lease_held",
  "lease_lost",
  "wrong_key",
  "backup_damaged",
  "backup_missing",
  "space_missing",
];

/** Whether an error tells of one place alone, so that others may still do. */
export function isOfPlace(error: unknown, signal: AbortSignal): error is AppError {
  return error instanceof AppError && OF_PLACE.includes(error.code) && !signal.aborted;
}
