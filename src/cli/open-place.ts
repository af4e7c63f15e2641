import { findRepository, repositoryLocation, type Strategy } from "../config/strategy.ts";
import { AppError } from "../errors.ts";
import type { StorageLocation } from "../storage/location.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";
import type { Cli } from "./cli.ts";

/** How the command line wants places to be opened. */
export interface OpenOptions {
  /** To whom a new repository is to be sealed; only the command that makes one has it. */
  readonly recipient?: readonly string[] | undefined;
  /** Commands that only read may read a bucket as it was then. */
  readonly asOf?: Date | undefined;
}

/** The place of a repository of the strategy; to whom it is to be sealed is noted. */
export function openStrategyPlace(
  cli: Cli,
  strategy: Strategy,
  name: string,
  options: Pick<OpenOptions, "asOf">,
): Storage {
  const storage = openAsOf(cli, repositoryLocation(cli.runtime, strategy, name), options);
  const { recipients, hostKey } = findRepository(strategy, name);
  if (recipients !== undefined) cli.runtime.keys.want(storage.place, { recipients, hostKeyFile: hostKey });
  return storage;
}

/** A place that the command line named, and whom it named to seal it to. */
export function openNamedPlace(cli: Cli, location: string | StorageLocation, options: OpenOptions): Storage {
  const storage = openAsOf(cli, location, options);
  const { recipient } = options;
  if (recipient !== undefined)
    cli.runtime.keys.want(storage.place, { recipients: recipient, hostKeyFile: undefined });
  return storage;
}

/** The storage at a location, as of the time that the command line names. */
function openAsOf({ runtime }: Cli, location: string | StorageLocation, { asOf }: OpenOptions): Storage {
  if (asOf === undefined) return openStorage(runtime, location);
  if (asOf > runtime.clock.now()) {
    throw new AppError("usage", `read as of ${asOf.toISOString()}: that time is still to come`, {
      hint: "name a time before something was overwritten or deleted",
    });
  }
  return openStorage(runtime, { ...(typeof location === "string" ? { url: location } : location), asOf });
}
