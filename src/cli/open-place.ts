import { findRepository, repositoryLocation, type Strategy } from "../config/strategy.ts";
import type { StorageLocation } from "../storage/location.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";

/** The place of a repository of the strategy; to whom it is to be sealed is noted. */
export function openStrategyPlace({ runtime }: Cli, strategy: Strategy, name: string): Storage {
  const storage = openStorage(runtime, repositoryLocation(runtime, strategy, name));
  const { recipients, hostKey } = findRepository(strategy, name);
  if (recipients !== undefined) runtime.keys.want(storage.place, { recipients, hostKeyFile: hostKey });
  return storage;
}

/** A place that the command line named, and whom it named to seal it to. */
export function openNamedPlace(
  { runtime }: Cli,
  location: string | StorageLocation,
  recipients: readonly string[] | undefined,
): Storage {
  const storage = openStorage(runtime, location);
  if (recipients !== undefined) runtime.keys.want(storage.place, { recipients, hostKeyFile: undefined });
  return storage;
}
