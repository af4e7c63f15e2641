import { findDatabase } from "../config/strategy.ts";
import { isAppError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";
import { storagesOf, strategyTarget, type Target } from "./targets.ts";

/** By database of a plan: where is recorded what comes of it. A place that cannot be opened is no reason not to recover. */
export function recordedIn(
  cli: Cli,
  target: Target,
  databases: readonly string[],
): ReadonlyMap<string, readonly Storage[]> {
  const open = (database: string): readonly Storage[] => {
    try {
      if (database === target.name) return storagesOf(target);
      const { strategy } = target;
      if (strategy === null) return [];
      return storagesOf(strategyTarget(cli, strategy, findDatabase(strategy, database), {}));
    } catch (error) {
      if (!isAppError(error)) throw error;
      cli.output.warn(`what comes of it is not recorded for ${database}: ${error.message}`);
      return [];
    }
  };
  return new Map(databases.map((database) => [database, open(database)]));
}
