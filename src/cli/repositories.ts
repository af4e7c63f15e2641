import type { Strategy } from "../config/strategy.ts";
import { systemTimeZone } from "../config/time-zone.ts";
import { listDatabases, openRepository } from "../repository/repository.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";
import { openNamedPlace, openStrategyPlace } from "./open-place.ts";
import { loadCliStrategy, type PlaceOptions, resolveTarget, resolveTargets, type Target } from "./targets.ts";

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
  const found = new Set<string>();
  for (const place of repository) {
    const opened = await openRepository(cli.runtime, openNamedPlace(cli, place, options), cli.signal);
    for (const name of await listDatabases(opened, cli.signal)) found.add(name);
  }
  const targets: Target[] = [];
  for (const name of found) targets.push(await resolveTarget(cli, name, options));
  return targets;
}
