import type { Runtime } from "../../lib/runtime.ts";
import type { StorageLocation } from "../../storage/location.ts";
import { openStorage } from "../../storage/open.ts";
import { type HearFellBack, withOthers } from "../../storage/others.ts";
import type { Storage } from "../../storage/storage.ts";
import { sealedStorage } from "./sealed-storage.ts";

/**
 * Opens the place of a repository again in a thread, with its seal and its others where it has some.
 * @param fellBack hears of what had to be read from one of the others
 */
export function openPlace(
  runtime: Runtime,
  location: StorageLocation,
  fellBack: HearFellBack = () => {},
): Storage {
  const { seal, others = [], ...place } = location;
  const storage = openStorage(runtime, place);
  const first = seal === undefined ? storage : sealedStorage(storage, seal);
  if (others.length === 0) return first;
  return withOthers(
    first,
    others.map((other) => openPlace(runtime, other)),
    fellBack,
  );
}
