import type { Runtime } from "../../lib/runtime.ts";
import type { StorageLocation } from "../../storage/location.ts";
import { openStorage } from "../../storage/open.ts";
import type { Storage } from "../../storage/storage.ts";
import { sealedStorage } from "./sealed-storage.ts";

/** Opens the place of a repository again in a thread, with its seal where it has one. */
export function openPlace(runtime: Runtime, location: StorageLocation): Storage {
  const { seal, ...place } = location;
  const storage = openStorage(runtime, place);
  return seal === undefined ? storage : sealedStorage(storage, seal);
}
