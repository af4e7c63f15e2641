import { isAppError } from "../errors.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";
import { storagesOf, type Target } from "./targets.ts";

/** By database of a plan: where is recorded what comes of it. A place that cannot be opened is no reason not to recover. */
export function recordedIn(cli: Cli, targets: readonly Target[]): ReadonlyMap<string, readonly Storage[]> {
  const open = (target: Target): readonly Storage[] => {
    try {
      return storagesOf(target);
    } catch (error) {
      if (!isAppError(error)) throw error;
      cli.output.warn(`what comes of it is not recorded for ${target.name}: ${error.message}`);
      return [];
    }
  };
  return new Map(targets.map((target) => [target.name, open(target)]));
}
