import { basename } from "node:path";
import { stat } from "node:fs/promises";
import { type AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted } from "../lib/text.ts";
import { BACKUP_ID, type BackupIndex } from "../repository/manifest.ts";
import { locationKey } from "../repository/layout.ts";
import { openRepository } from "../repository/repository.ts";
import { placeOfKey } from "../storage/location.ts";
import { type FellBack, withOthers } from "../storage/others.ts";
import type { Storage } from "../storage/storage.ts";
import { type Place, type Surveyed, surveyPlaces } from "./places.ts";
import { type Reader, recordFellBack } from "./record-damage.ts";

/** What is read, and from where. */
interface Chosen {
  readonly storage: Storage;
  /** The backup's id where it is known; else what was asked for. */
  readonly which: string;
}

/**
 * Runs what reads a backup from the nearest place that has it whole, as far as anybody knows; what turns out to be missing
 * or damaged there is read from the others. Folders are nearer than buckets; among them the strategy's order decides. One
 * warning a place says what was wrong with it, and it is recorded there.
 * @param which `latest`: the newest that any place has
 */
export async function readingFromPlaces<T>(
  runtime: Runtime,
  request: {
    readonly places: readonly Place[];
    readonly database: string;
    readonly which: string;
    readonly operation: Reader;
  },
  work: (chosen: Chosen) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { places, database, which, operation } = request;
  const [only, ...more] = places;
  if (only === undefined || more.length === 0 || (await isFile(which)))
    return await work({ storage: (only as Place).storage, which });
  const surveyed = await surveyPlaces(runtime, places, database, signal);
  const index = indexOf(surveyed, which);
  const [first, ...others] = inOrder(surveyed, index);
  if (first === undefined || index === undefined)
    return await work({ storage: (first?.place ?? only).storage, which });
  tellOfNearer(runtime, surveyed, first, index);
  const startedAt = runtime.clock.now();
  const falls: FellBack[] = [];
  const hear = (fall: FellBack): void => {
    if (!falls.some(({ place }) => place === fall.place)) {
      runtime.reporter.warn(
        `${first.place.name}: ${fall.error.message}; this is read from ${nameOf(places, fall.to)}, and whatever else is missing or damaged there`,
      );
    }
    falls.push(fall);
  };
  const storage = withOthers(
    first.place.storage,
    others.map(({ place }) => place.storage),
    hear,
  );
  try {
    return await work({ storage, which: index.id });
  } finally {
    if (falls.length > 0 && !signal.aborted) {
      const errors = distinct(falls.map(({ error }) => error));
      await tellOfDamage(runtime, first, { operation, index, errors, startedAt }, signal);
    }
  }
}

/** A path wins where it exists; nothing is read from any place then. */
async function isFile(which: string): Promise<boolean> {
  if (which === "latest" || BACKUP_ID.test(which)) return false;
  return await stat(which).then(
    (facts) => facts.isFile(),
    () => false,
  );
}

function indexOf(surveyed: readonly Surveyed[], which: string): BackupIndex | undefined {
  const all = surveyed.flatMap(({ good }) => good);
  if (which === "latest")
    return all.toSorted((a, b) => Date.parse(b.snapshotAt) - Date.parse(a.snapshotAt))[0];
  const isPlace = (index: BackupIndex): boolean =>
    surveyed.some(({ place }) => placeOfKey(place.storage.place, locationKey(index)) === which);
  return all.find(
    (index) =>
      index.id === which ||
      (index.kind === "archive" && basename(index.archive.key) === which) ||
      isPlace(index),
  );
}

/** Those that have the backup whole, then those where it is damaged; the rest cannot help. */
function inOrder(surveyed: readonly Surveyed[], index: BackupIndex | undefined): Surveyed[] {
  const there = surveyed.filter(
    ({ failure, repository }) => failure === undefined && repository !== undefined,
  );
  if (index === undefined) return there;
  const rank = ({ good, damaged, place }: Surveyed): number => {
    const far = /^s3:/i.test(place.storage.place) ? 1 : 0;
    if (good.some(({ id }) => id === index.id)) return far;
    return damaged.has(index.id) ? 2 + far : 4;
  };
  return there.filter((one) => rank(one) < 4).toSorted((a, b) => rank(a) - rank(b));
}

function tellOfNearer(
  runtime: Runtime,
  surveyed: readonly Surveyed[],
  chosen: Surveyed,
  { id }: BackupIndex,
): void {
  for (const { place, repository, failure, damaged, good } of surveyed) {
    if (place === chosen.place) return;
    const { name } = place;
    if (good.some((backup) => backup.id === id)) continue;
    const lacks = repository === undefined ? "there is no repository" : `it does not have ${id}`;
    const why = failure?.message ?? (damaged.has(id) ? `${id} is damaged there` : lacks);
    runtime.reporter.warn(`${name} is passed over, ${chosen.place.name} is read: ${why}`);
  }
}

interface Damage {
  readonly operation: Reader;
  readonly index: BackupIndex;
  readonly errors: readonly AppError[];
  readonly startedAt: Date;
}

async function tellOfDamage(
  runtime: Runtime,
  { place }: Surveyed,
  { operation, index, errors, startedAt }: Damage,
  signal: AbortSignal,
): Promise<void> {
  const { database, id } = index;
  runtime.reporter.warn(
    `${counted(errors.length, "object")} of ${id} could not be read from ${place.name} and came from another place: ` +
      `\`handled verify ${database} ${id} --repair\` mends them`,
  );
  try {
    const repository = await openRepository(runtime, place.storage, signal);
    await recordFellBack(runtime, { repository, index }, { operation, errors, startedAt }, signal);
  } catch (error) {
    // The place went away: that is no damage, and what was read did not come from it.
    if (!isAppError(error)) throw error;
  }
}

const nameOf = (places: readonly Place[], place: string): string =>
  places.find(({ storage }) => storage.place === place)?.name ?? place;

/** One a object: a list is read more than once. */
function distinct(errors: readonly AppError[]): AppError[] {
  return [...new Map(errors.map((error) => [error.message, error])).values()];
}
