import { isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";

const TRIES = 3;
const FIRST_WAIT_MS = 500;

/** Whether the service refused with one of these HTTP statuses. */
export function isRefused(error: unknown, ...statuses: readonly number[]): boolean {
  return isAppError(error, "provider_refused") && statuses.some((one) => one === error.details["status"]);
}

/**
 * Makes something that has a name of its own. An answer that never came says nothing, and a refusal may be that of a name which an
 * earlier request has taken: it is looked for before it is asked for again.
 */
export async function makeOnce<T>(
  runtime: Runtime,
  { send, find }: { readonly send: () => Promise<T>; readonly find: () => Promise<T | undefined> },
  signal: AbortSignal,
): Promise<T> {
  for (let tried = 1; ; tried++) {
    try {
      return await send();
    } catch (error) {
      const isUnknown = isAppError(error, "provider_unreachable");
      if (!isUnknown && !isRefused(error, 409, 422)) throw error;
      const made = await find();
      if (made !== undefined) return made;
      if (!isUnknown || tried === TRIES) throw error;
      await runtime.clock.wait(FIRST_WAIT_MS * tried, signal);
    }
  }
}
