import type { Target } from "./targets.ts";

/** What tells the journals of this strategy, or of this repository, from others'. */
export function originOf(target: Target): string {
  return target.strategy?.path ?? target.storage().place;
}
