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
import type { RetentionRules } from "../operations/prune.ts";
import { type ConnectionSettings, resolveConnection } from "../postgres/connection.ts";
import type { StorageLocation } from "../storage/location.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";

/** The options that say where to look without a strategy. */
export interface PlaceOptions {
  readonly url?: string | undefined;
  readonly repository?: string | undefined;
  /** Commands that only read may read a bucket as it was then. */
  readonly asOf?: Date | undefined;
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
  /** How long parts that no backup needs stay in the repository. */
  readonly garbageAgeMs: number;
  /** Looks the connection string up. Fails with `usage` when none is known. */
  connection(): Promise<ConnectionSettings>;
  /** Fails with `usage` when no repository is known. */
  storage(): Storage;
  /** The storage, or null where none is named. */
  storageIfKnown(): Storage | null;
}

// What a strategy says when nobody says otherwise; the same without one.
export const DEFAULT_LOCK_TIMEOUT_MS = 30_000;
export const DEFAULT_KEEP_REPLACED_MS = 7 * 86_400_000;
const DEFAULT_GARBAGE_AGE_MS = 86_400_000;
const DEFAULT_PREFIX = "handled";

/** The storage at a location, as of the time that the command line names. */
export function openPlace(
  { runtime }: Cli,
  location: string | StorageLocation,
  { asOf }: PlaceOptions,
): Storage {
  if (asOf === undefined) return openStorage(runtime, location);
  if (asOf > runtime.clock.now()) {
    throw new AppError("usage", `read as of ${asOf.toISOString()}: that time is still to come`, {
      hint: "name a time before something was overwritten or deleted",
    });
  }
  return openStorage(runtime, { ...(typeof location === "string" ? { url: location } : location), asOf });
}

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

function strategyTarget(
  cli: Cli,
  strategy: Strategy,
  entry: StrategyDatabase,
  options: PlaceOptions,
): Target {
  const storage = (): Storage =>
    openPlace(
      cli,
      options.repository ?? repositoryLocation(cli.runtime, strategy, entry.repository),
      options,
    );
  return {
    name: entry.name,
    strategy,
    entry,
    timeZone: strategy.timeZone,
    prefix: strategy.archivePrefix,
    garbageAgeMs:
      options.repository === undefined
        ? findRepository(strategy, entry.repository).garbageAgeMs
        : DEFAULT_GARBAGE_AGE_MS,
    connection: () => connect(cli, databaseUrl(cli.runtime, entry)),
    storage,
    storageIfKnown: storage,
  };
}

function freeTarget(
  cli: Cli,
  name: string,
  connection: ConnectionSettings | undefined,
  options: PlaceOptions,
): Target {
  const { repository } = options;
  const storageIfKnown = (): Storage | null =>
    repository === undefined ? null : openPlace(cli, repository, options);
  return {
    name,
    strategy: null,
    entry: null,
    timeZone: systemTimeZone(),
    prefix: DEFAULT_PREFIX,
    garbageAgeMs: DEFAULT_GARBAGE_AGE_MS,
    connection: async () => {
      if (connection !== undefined) return await Promise.resolve(connection);
      throw new AppError("usage", `find the server of ${name}: no connection string is known`, {
        hint: "name it with `--url postgresql://…`, or write a strategy with `handled init`",
      });
    },
    storage: () => {
      const storage = storageIfKnown();
      if (storage !== null) return storage;
      const what = name === "" ? "the repository" : `the repository of ${name}`;
      throw new AppError("usage", `find ${what}: none is named`, {
        hint: "name it with `--repository DIR`, or write a strategy with `handled init`",
      });
    },
    storageIfKnown,
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

/** The retention rules of a target: those of the command line, else those of the strategy, else none. */
export function retentionOf(
  { entry, ...target }: Target,
  keep: Keep | undefined,
  garbageAgeMs = target.garbageAgeMs,
): RetentionRules {
  if (keep !== undefined) return { entries: {}, otherwise: keep, garbageAgeMs };
  const backups = entry?.backups ?? [];
  return {
    entries: Object.fromEntries(backups.map((backup) => [backup.name, backup.keep])),
    otherwise: backups[0]?.keep,
    garbageAgeMs,
  };
}
