import { formatDuration } from "../../lib/text.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";

/**
 * Whether the newest backup stays locked. Everything is locked for two windows, and anew once one has gone: less than half a window
 * is left only where nothing has run for long.
 */
export function checkLocks(facts: Facts): Finding[] {
  return facts.places.flatMap(({ name, lock }) => {
    if (lock === null) return [];
    const { backup, windowMs, leftMs } = lock;
    if (leftMs !== null && leftMs >= windowMs / 2) return [];
    const message =
      leftMs === null || leftMs <= 0
        ? `the newest backup in ${name} is not locked: who has the keys can delete it`
        : `the newest backup in ${name} is locked for another ${formatDuration(leftMs)} only, and should be for ${formatDuration(windowMs)} at least`;
    return [
      finding("lock-ending", facts, {
        subject: name,
        message,
        hint: `\`handled backup ${facts.database}\` locks everything that is needed anew`,
        evidence: { backup, leftMs, windowMs },
      }),
    ];
  });
}
