import { AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { recoverUnfinished } from "../repository/backups.ts";
import { copyBackup, type CopyTotals } from "../repository/copy-backup.ts";
import { acquireLease } from "../repository/lease.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import { findNamedObjects } from "../repository/named-objects.ts";
import { markReading } from "../repository/readers.ts";
import { requireSameKeys, requireSealedAlike } from "../repository/sealing/alike.ts";
import {
  openOrCreateRepository,
  replaceSealing,
  type Repository,
  whatIsKnownOf,
} from "../repository/repository.ts";
import { updateLatest } from "./latest.ts";
import {
  absenceOf,
  isOfPlace,
  type Lacking,
  lackingIn,
  type Place,
  type Surveyed,
  surveyPlaces,
} from "./places.ts";
import { keptBackups, planPrune, pruneUnderLease } from "./prune.ts";

export interface CopyRequest {
  readonly database: string;
  /** In the order of the strategy: a backup that several have comes from the first. */
  readonly places: readonly Place[];
  /** Names of the places to read from and to write to; undefined: all. */
  readonly from?: readonly string[] | undefined;
  readonly to?: readonly string[] | undefined;
  /** First word of the archives' file names. */
  readonly prefix: string;
  readonly timeZone: string;
  /** Objects that are written at the same time. */
  readonly jobs: number;
  /** Only say what would be copied. */
  readonly dryRun: boolean;
  /** Names of the places that are made repositories where they are none, though others have backups. */
  readonly newPlaces: readonly string[];
  /** Names of the places whose retention is applied afterwards. */
  readonly pruned: readonly string[];
}

/** A backup that was brought over. */
interface Copied extends CopyTotals {
  readonly index: BackupIndex;
}

/** What came of one place. */
export interface PlaceReport {
  readonly name: string;
  readonly place: string;
  /** Newest first; with `dryRun` those that would be, and nothing counted. */
  readonly copied: readonly Copied[];
  /** What it still lacks, and why. */
  readonly lacking: readonly { readonly id: string; readonly reason: AppError }[];
  /** Damaged there, so neither copied nor replaced: `handled verify --repair` mends them. */
  readonly damaged: readonly string[];
  /** Old ones that retention deleted. */
  readonly deleted: readonly string[];
  /** Why nothing at all could be done there. */
  readonly failure: AppError | undefined;
}

/**
 * Brings what one place has and another lacks over, as far as the other's retention would keep it: only what is missing,
 * byte for byte, one place after the other, each under its own lease. A place that fails does not fail the others; nothing
 * is thrown for it. Damaged backups are not spread.
 */
export async function copyBetween(
  runtime: Runtime,
  request: CopyRequest,
  signal: AbortSignal,
): Promise<PlaceReport[]> {
  const { database, timeZone } = request;
  const surveyed = refuseOtherKeys(await surveyPlaces(runtime, request.places, database, signal), signal);
  await warnOfUnknown(runtime, surveyed, database, signal);
  const isNamed = (names: readonly string[] | undefined, { place }: Surveyed): boolean =>
    names === undefined || names.includes(place.name);
  const sources = surveyed.filter((one) => isNamed(request.from, one));
  const reports: PlaceReport[] = [];
  for (const to of surveyed) {
    if (!isNamed(request.to, to)) continue;
    const like = surveyed.find(({ repository }) => repository !== undefined)?.repository;
    const mayBeMade = request.newPlaces.includes(to.place.name);
    const absence = mayBeMade ? undefined : absenceOf(runtime, database, to, surveyed, timeZone);
    const found = absence === undefined ? to : { ...to, failure: absence };
    reports.push(await fillPlace(runtime, { ...request, like }, found, sources, signal));
  }
  return reports;
}

/** Where no place has anything of a database, its name may be mistyped; or its first backup is still to come. */
async function warnOfUnknown(
  runtime: Runtime,
  surveyed: readonly Surveyed[],
  database: string,
  signal: AbortSignal,
): Promise<void> {
  let note: string | undefined;
  for (const { repository, failure } of surveyed) {
    // What is there nobody knows.
    if (failure !== undefined) return;
    if (repository === undefined) continue;
    const known = await whatIsKnownOf(repository, database, signal);
    if (known.there) return;
    note ??= known.note;
  }
  if (note !== undefined) runtime.reporter.warn(note);
}

/** A place whose objects cannot lie in the first that can be read, and the other way round, counts as one that fails. */
function refuseOtherKeys(surveyed: readonly Surveyed[], signal: AbortSignal): Surveyed[] {
  const first = surveyed.find(({ repository }) => repository !== undefined)?.repository;
  return surveyed.map((one) => {
    if (first === undefined || one.repository === undefined) return one;
    try {
      requireSameKeys(first, one.repository);
      return one;
    } catch (failure) {
      if (!isOfPlace(failure, signal)) throw failure;
      return { ...one, repository: undefined, failure, good: [], damaged: new Set<string>() };
    }
  });
}

interface FillRequest extends CopyRequest {
  /** Whose keys a repository gets that is made. */
  readonly like: Repository | undefined;
}

async function fillPlace(
  runtime: Runtime,
  request: FillRequest,
  to: Surveyed,
  sources: readonly Surveyed[],
  signal: AbortSignal,
): Promise<PlaceReport> {
  const { name, storage } = to.place;
  const elsewhere = new Set(sources.flatMap(({ good }) => good.map(({ id }) => id as string)));
  const nothing: PlaceReport = {
    name,
    place: storage.place,
    copied: [],
    lacking: [],
    damaged: [...to.damaged].filter((id) => elsewhere.has(id)),
    deleted: [],
    failure: to.failure,
  };
  if (to.failure !== undefined) return nothing;
  const wanted = lackingIn(runtime, to, sources, request.timeZone);
  if (request.dryRun)
    return { ...nothing, copied: wanted.map(({ index }) => ({ index, ...NOTHING_COPIED })) };
  if (wanted.length === 0 && (!request.pruned.includes(name) || to.repository === undefined)) return nothing;
  const copied: Copied[] = [];
  const lacking: { id: string; reason: AppError }[] = [];
  try {
    const deleted = await copyUnderLease(runtime, request, to.place, wanted, { copied, lacking }, signal);
    return { ...nothing, copied, lacking, deleted };
  } catch (error) {
    if (!isOfPlace(error, signal)) throw error;
    const done = new Set<string>([...copied.map(({ index }) => index.id), ...lacking.map(({ id }) => id)]);
    const rest = wanted.filter(({ index }) => !done.has(index.id));
    for (const { index } of rest) lacking.push({ id: index.id, reason: error });
    return { ...nothing, copied, lacking, failure: error };
  }
}

const NOTHING_COPIED: CopyTotals = { objects: 0, bytes: 0, thereObjects: 0, thereBytes: 0 };

interface Done {
  readonly copied: Copied[];
  readonly lacking: { readonly id: string; readonly reason: AppError }[];
}

/** Fills `done` as it goes on, so that a failure takes away nothing of what was done before. Returns what was deleted. */
async function copyUnderLease(
  runtime: Runtime,
  { database, jobs, prefix, timeZone, pruned, like }: FillRequest,
  { name, storage, rules }: Place,
  wanted: readonly Lacking[],
  done: Done,
  signal: AbortSignal,
): Promise<string[]> {
  const likeThat = async (): Promise<Repository | undefined> => await Promise.resolve(like);
  const to = await openOrCreateRepository(runtime, storage, signal, likeThat);
  await using lease = await acquireLease(runtime, to, database, "copy", signal);
  const whileHeld = AbortSignal.any([signal, lease.lost]);
  await requireSealedAlike(to, whileHeld);
  await takeOverMixed(runtime, to, wanted, whileHeld);
  await recoverUnfinished(runtime, to, database, lease, whileHeld);
  if (wanted.length > 0) {
    const { names: named } = await findNamedObjects(to, database, new Set(), whileHeld);
    const run = { runtime, to, lease, named, jobs };
    for (const { index, sources } of wanted) {
      const copy = async (from: Repository): Promise<CopyTotals> => {
        const reading = { operation: "copy", backups: [index.id] };
        await using _marker = await markReading(runtime, from, database, reading, whileHeld);
        return await copyBackup(run, from, index, whileHeld);
      };
      const result = await fromFirst(sources, copy);
      if (result instanceof AppError) done.lacking.push({ id: index.id, reason: result });
      else {
        done.copied.push({ index, ...result });
        runtime.reporter.note(`copied ${index.id} to ${name}`);
      }
    }
  }
  const scope = { repository: to, database, rules, timeZone, prefix };
  if (pruned.includes(name)) {
    const { decisions } = await pruneUnderLease(runtime, scope, lease, whileHeld);
    return decisions.filter(({ keep }) => !keep).map(({ backup }) => backup.id);
  }
  const kept = keptBackups(
    (await planPrune(runtime, scope, whileHeld)).map((one) => ({ ...one, keep: true })),
  );
  await updateLatest(to, database, prefix, kept, whileHeld);
  return [];
}

/** What comes from where not everything is sealed to today's keys may not be either: the place it goes to says so as well. */
async function takeOverMixed(
  runtime: Runtime,
  to: Repository,
  wanted: readonly Lacking[],
  signal: AbortSignal,
): Promise<void> {
  const { sealing } = to.file;
  const source = wanted
    .flatMap(({ sources }) => sources)
    .find(({ file }) => file.sealing?.mixed === true && sealing?.mixed !== true);
  if (source === undefined || sealing === undefined) return;
  runtime.reporter.warn(
    `${source.place} has objects that are not sealed to all of its keys yet, and so may ${to.place} from now on: ` +
      "`handled key rewrap --identity FILE` seals them; until then snapshots take nothing over",
  );
  await replaceSealing(to, { ...sealing, mixed: true }, signal);
}

/** From the first source that has it whole. What is wrong with one backup alone is returned; anything else is thrown. */
async function fromFirst(
  sources: readonly Repository[],
  copy: (from: Repository) => Promise<CopyTotals>,
): Promise<CopyTotals | AppError> {
  let first: AppError | undefined;
  for (const from of sources) {
    try {
      return await copy(from);
    } catch (error) {
      if (!OF_ONE_BACKUP.some((code) => isAppError(error, code))) throw error;
      first ??= error as AppError;
    }
  }
  return first ?? new AppError("backup_missing", "copy: no place has the backup any more");
}

const OF_ONE_BACKUP = [
  "backup_damaged",
  "object_missing",
  "backup_missing",
  "object_exists",
  "wrong_key",
] as const;
