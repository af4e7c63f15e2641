import { dutyState } from "../../operations/checklist/periods.ts";
import { formatDuration } from "../../lib/text.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";

/** What people should have done by now: done neither in this period nor in the one before. */
export function checkDuties(facts: Facts): Finding[] {
  const { duties, dutiesDone, timeZone, now, knownSince } = facts;
  return duties.flatMap(({ name, every, what }) => {
    const times = dutiesDone.filter(({ duty }) => duty === name).map(({ at }) => at);
    const last = times.toSorted().at(-1);
    const lastAt = last === undefined ? null : new Date(last);
    // Before the first backup there is nothing to look after.
    if (dutyState(every, timeZone, lastAt, knownSince ?? now, now) !== "overdue") return [];
    const when =
      lastAt === null
        ? "was never done"
        : `was last done ${formatDuration(now.getTime() - lastAt.getTime())} ago`;
    return [
      finding("duty-overdue", facts, {
        subject: name,
        message: `the ${every} duty ${name} ${when}: ${what}`,
        hint: `do it, and record it with \`handled checklist done ${name}\``,
        evidence: { lastAt: last ?? null, every },
      }),
    ];
  });
}
