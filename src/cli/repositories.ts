import type { Strategy } from "../config/strategy.ts";
import { systemTimeZone } from "../config/time-zone.ts";
import { type AppError, isAppError } from "../errors.ts";
import { databaseOfBackup } from "../operations/database-of-backup.ts";
import { isOfPlace } from "../operations/places.ts";
import type { BackupId } from "../repository/manifest.ts";
import { listDatabases, openRepository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";
import { openNamedPlace, openStrategyPlace } from "./open-place.ts";
import {
  foundTarget,
  loadCliStrategy,
  type PlaceOptions,
  resolveTarget,
  resolveTargets,
  type Target,
} from "./targets.ts";

/** Where a command looks that names no database. */
export interface Places {
  /** Null when the command line alone said where to look. */
  readonly strategy: Strategy | null;
  /** Opened when they are called, so that one that cannot be opened does not hide the others. */
  readonly storages: readonly (() => Storage)[];
  readonly timeZone: string;
}

/** The repository of the command line, else all of the strategy's. Fails when there is neither. */
export async function resolvePlaces(cli: Cli, options: PlaceOptions): Promise<Places> {
  const { repository } = options;
  if (repository !== undefined) {
    return {
      strategy: null,
      storages: repository.map((place) => () => openNamedPlace(cli, place, options)),
      timeZone: systemTimeZone(),
    };
  }
  const strategy = await loadCliStrategy(cli, options);
  if (strategy === null) {
    // Names what is missing: a strategy, or with `--url` only the repository.
    const targets = await resolveTargets(cli, [], options);
    return {
      strategy,
      storages: targets.map((target) => () => target.storage()),
      timeZone: systemTimeZone(),
    };
  }
  return {
    strategy,
    storages: strategy.repositories.map(
      ({ name }) =>
        () =>
          openStrategyPlace(cli, strategy, name, options),
    ),
    timeZone: strategy.timeZone,
  };
}

/** The database that a backup with this id is of, in all its places. Fails with `backup_missing`. */
export async function resolveBackup(cli: Cli, id: BackupId, options: PlaceOptions): Promise<Target> {
  const { storages } = await resolvePlaces(cli, options);
  const { database, storage } = await databaseOfBackup(cli.runtime, storages, id, cli.signal);
  try {
    return await resolveTarget(cli, database, options);
  } catch (error) {
    // A repository may hold what the strategy does not name.
    if (!isAppError(error, "usage")) throw error;
    return foundTarget(cli, database, storage);
  }
}

/** The databases that any of these repositories holds, sorted. One that cannot be read does not hide those of the others. */
export async function databasesIn(cli: Cli, storages: readonly Storage[]): Promise<string[]> {
  const found = new Set<string>();
  const failures: AppError[] = [];
  for (const storage of storages) {
    try {
      const repository = await openRepository(cli.runtime, storage, cli.signal);
      for (const name of await listDatabases(repository, cli.signal)) found.add(name);
    } catch (error) {
      if (!isOfPlace(error, cli.signal)) throw error;
      failures.push(error);
    }
  }
  const [first] = failures;
  if (first !== undefined && failures.length === storages.length) throw first;
  return [...found].toSorted();
}

/** Like `resolveTargets`; where only a repository is named, every database in it. */
export async function resolveAllTargets(
  cli: Cli,
  names: readonly string[],
  options: PlaceOptions,
): Promise<Target[]> {
  const { repository } = options;
  const onlyRepository = names.length === 0 && options.url === undefined && repository !== undefined;
  if (!onlyRepository || (await loadCliStrategy(cli, options)) !== null) {
    return await resolveTargets(cli, names, options);
  }
  const storages = repository.map((place) => openNamedPlace(cli, place, options));
  const targets: Target[] = [];
  for (const name of await databasesIn(cli, storages)) targets.push(await resolveTarget(cli, name, options));
  return targets;
}
