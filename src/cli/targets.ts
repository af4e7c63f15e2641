import type { Keep } from "../config/keep.ts";
import { findStrategy } from "../config/find.ts";
import { loadStrategy } from "../config/load.ts";
import {
  databaseUrl,
  findDatabase,
  findRepository,
  repositoryLocation,
  type Strategy,
  type StrategyDatabase,
} from "../config/strategy.ts";
import { systemTimeZone } from "../config/time-zone.ts";
import { AppError } from "../errors.ts";
import type { Place } from "../operations/places.ts";
import type { RetentionRules } from "../operations/prune.ts";
import { type ConnectionSettings, resolveConnection } from "../postgres/connection.ts";
import type { Storage } from "../storage/storage.ts";
import { unusableStorage } from "../storage/unusable.ts";
import type { Cli } from "./cli.ts";
import { openNamedPlace, type OpenOptions, openStrategyPlace } from "./open-place.ts";

/** The options that say where to look without a strategy. */
export interface PlaceOptions extends OpenOptions {
  readonly url?: string | undefined;
  /** More than one: every backup is kept in each. */
  readonly repository?: readonly string[] | undefined;
}

/** What a command works on: one database of the strategy, or of the command line. */
export interface Target {
  /** The name in the repository. */
  readonly name: string;
  /** Null when the command line alone said where to look. */
  readonly strategy: Strategy | null;
  readonly entry: StrategyDatabase | null;
  readonly timeZone: string;
  readonly prefix: string;
  /** Where its backups are kept, the first first. Fails with `usage` when no repository is known. */
  places(): TargetPlace[];
  /** Looks the connection string up. Fails with `usage` when none is known. */
  connection(): Promise<ConnectionSettings>;
  /** The first place. Fails with `usage` when no repository is known. */
  storage(): Storage;
  /** The first place, or null where none is named. */
  storageIfKnown(): Storage | null;
}

/** One place of a target. */
export interface TargetPlace {
  /** The name in the strategy; of one that the command line named, what it said. */
  readonly name: string;
  /** How long parts that no backup needs stay there. */
  readonly garbageAgeMs: number;
  /** Its own retention, in place of that of the backups' entries. */
  readonly keep: Keep | undefined;
  storage(): Storage;
}

// What a strategy says when nobody says otherwise; the same without one.
export const DEFAULT_LOCK_TIMEOUT_MS = 30_000;
export const DEFAULT_KEEP_REPLACED_MS = 7 * 86_400_000;
const DEFAULT_GARBAGE_AGE_MS = 86_400_000;
export const DEFAULT_PREFIX = "handled";

/** The strategy, unless `--url` says that none is meant. `--config` and `--url` together are refused. */
export async function loadCliStrategy(cli: Cli, options: PlaceOptions): Promise<Strategy | null> {
  if (options.url !== undefined) {
    if (cli.config === undefined) return null;
    throw new AppError("usage", "both `--config` and `--url` are given", {
      hint: "with `--url` no strategy is read; leave one of them out",
    });
  }
  const path = await findStrategy(cli.runtime, cli.config, cli.cwd);
  return path === undefined ? null : await loadStrategy(cli.runtime, path, cli.signal);
}

/**
 * The databases that a command was asked for; all of the strategy's when none is named.
 * @param names positional arguments
 */
export async function resolveTargets(
  cli: Cli,
  names: readonly string[],
  options: PlaceOptions,
): Promise<Target[]> {
  const strategy = await loadCliStrategy(cli, options);
  if (strategy !== null) {
    const entries =
      names.length === 0
        ? strategy.databases
        : [...new Set(names)].map((name) => findDatabase(strategy, name));
    return entries.map((entry) => strategyTarget(cli, strategy, entry, options));
  }
  if (options.url === undefined && names.length === 0) throw nowhereToLook();
  if (names.length > 1) {
    throw new AppError("usage", `more than one database is named: ${names.join(", ")}`, {
      hint: "without a strategy a command works on one database; `handled init` writes a strategy",
    });
  }
  const connection = options.url === undefined ? undefined : await connect(cli, options.url);
  return [freeTarget(cli, names[0] ?? connection?.database ?? "", connection, options)];
}

/** Like `resolveTargets` for a command that works on exactly one. */
export async function resolveTarget(cli: Cli, name: string, options: PlaceOptions): Promise<Target> {
  const [target] = await resolveTargets(cli, [name], options);
  if (target === undefined) throw nowhereToLook();
  return target;
}

/** A database in a place where it was found, whether the strategy names it or not. */
export function foundTarget(cli: Cli, name: string, storage: Storage): Target {
  const place = { name: storage.place, garbageAgeMs: DEFAULT_GARBAGE_AGE_MS, keep: undefined };
  return {
    ...freeTarget(cli, name, undefined, {}),
    places: () => [{ ...place, storage: () => storage }],
    storage: () => storage,
    storageIfKnown: () => storage,
  };
}

/** A database of a strategy. */
export function strategyTarget(
  cli: Cli,
  strategy: Strategy,
  entry: StrategyDatabase,
  options: PlaceOptions,
): Target {
  const places = (): TargetPlace[] =>
    namedPlaces(cli, options) ??
    entry.repositories.map((name) => ({
      name,
      garbageAgeMs: findRepository(strategy, name).garbageAgeMs,
      keep: findRepository(strategy, name).keep,
      storage: () =>
        options.recipient === undefined
          ? openStrategyPlace(cli, strategy, name, options)
          : openNamedPlace(cli, repositoryLocation(cli.runtime, strategy, name), options),
    }));
  const storage = (): Storage => firstOf(places()).storage();
  return {
    name: entry.name,
    strategy,
    entry,
    timeZone: strategy.timeZone,
    prefix: strategy.archivePrefix,
    places,
    connection: () => connect(cli, databaseUrl(cli.runtime, entry)),
    storage,
    storageIfKnown: storage,
  };
}

/** The places of `--repository`; undefined where it was not given. */
function namedPlaces(cli: Cli, options: PlaceOptions): TargetPlace[] | undefined {
  return options.repository?.map((name) => ({
    name,
    garbageAgeMs: DEFAULT_GARBAGE_AGE_MS,
    keep: undefined,
    storage: () => openNamedPlace(cli, name, options),
  }));
}

function firstOf(places: readonly TargetPlace[]): TargetPlace {
  const [first] = places;
  if (first === undefined) throw new AppError("unexpected", "find a repository: the list of places is empty");
  return first;
}

function freeTarget(
  cli: Cli,
  name: string,
  connection: ConnectionSettings | undefined,
  options: PlaceOptions,
): Target {
  const known = (): TargetPlace[] | undefined => namedPlaces(cli, options);
  const places = (): TargetPlace[] => {
    const found = known();
    if (found !== undefined) return found;
    const what = name === "" ? "the repository" : `the repository of ${name}`;
    throw new AppError("usage", `find ${what}: none is named`, {
      hint: "name it with `--repository DIR`, or write a strategy with `handled init`",
    });
  };
  return {
    name,
    strategy: null,
    entry: null,
    timeZone: systemTimeZone(),
    prefix: DEFAULT_PREFIX,
    places,
    connection: async () => {
      if (connection !== undefined) return await Promise.resolve(connection);
      throw new AppError("usage", `find the server of ${name}: no connection string is known`, {
        hint: "name it with `--url postgresql://…`, or write a strategy with `handled init`",
      });
    },
    storage: () => firstOf(places()).storage(),
    storageIfKnown: () => known()?.[0]?.storage() ?? null,
  };
}

async function connect(cli: Cli, url: string): Promise<ConnectionSettings> {
  return await resolveConnection(cli.runtime, url, cli.signal);
}

function nowhereToLook(): AppError {
  return new AppError("strategy_missing", "find a strategy: there is no handled.yaml", {
    hint: "`handled init` writes one; or say where to look with `--url postgresql://…` and `--repository DIR`",
  });
}

/** The retention rules of a place: those of the command line, else the place's own, else the strategy's, else none. */
export function retentionOf(
  { entry }: Target,
  place: Pick<TargetPlace, "keep" | "garbageAgeMs">,
  keep: Keep | undefined,
  garbageAgeMs = place.garbageAgeMs,
): RetentionRules {
  const only = keep ?? place.keep;
  if (only !== undefined) return { entries: {}, otherwise: only, garbageAgeMs };
  const backups = entry?.backups ?? [];
  return {
    entries: Object.fromEntries(backups.map((backup) => [backup.name, backup.keep])),
    otherwise: backups[0]?.keep,
    garbageAgeMs,
  };
}

/** The storages of a target's places; of several one that cannot be opened is one that fails. */
export function storagesOf(target: Target): Storage[] {
  return placesOf(target, undefined).map(({ storage }) => storage);
}

/** The places of a target, opened, each with its retention rules. Of several one that cannot be opened is one that fails. */
export function placesOf(target: Target, keep: Keep | undefined): Place[] {
  const places = target.places();
  const open = (place: TargetPlace): Storage => {
    try {
      return place.storage();
    } catch (error) {
      if (!(error instanceof AppError) || places.length === 1) throw error;
      return unusableStorage(place.name, error);
    }
  };
  return places.map((place) => ({
    name: place.name,
    storage: open(place),
    rules: retentionOf(target, place, keep),
  }));
}
