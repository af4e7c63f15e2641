import { formatBytes } from "../../lib/text.ts";
import { FULL_BYTES } from "../../repository/growth.ts";
import { type Finding, finding } from "../finding.ts";
import type { PlaceFacts } from "../place-facts.ts";

/** Whether places will be full within two weeks, with all the databases that were looked at. */
export function checkSpace(places: readonly PlaceFacts[]): Finding[] {
  return [...Map.groupBy(places, ({ place }) => place).values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined || first.freeBytes === null) return [];
    const { name, place, freeBytes } = first;
    if (freeBytes < FULL_BYTES) return [full(name, place, freeBytes)];
    const after = (day: number): number => same.reduce((sum, { toCome }) => sum + (toCome[day] ?? 0), 0);
    const days = first.toCome.findIndex((_, day) => after(day) >= freeBytes);
    if (days < 0) return [];
    return [
      finding(
        "repository-full",
        { database: null, criticality: null },
        {
          subject: name,
          message: `${place} will be full in ${days === 0 ? "less than a day" : days === 1 ? "a day" : `${days} days`}: ${formatBytes(freeBytes)} are free`,
          hint: "make room, or keep fewer backups (`keep`); `handled repository usage` tells what takes how much",
          evidence: { place, freeBytes, days, neededBytes: after(days) },
        },
      ),
    ];
  });
}

function full(name: string, place: string, freeBytes: number): Finding {
  return {
    ...finding(
      "repository-full",
      { database: null, criticality: null },
      {
        subject: name,
        message: `${place} is full: ${formatBytes(freeBytes)} are free, so backups fail, and that they do cannot be recorded there`,
        hint: "free a few megabytes on that disk by other means first, for pruning writes before it deletes; then `handled prune` deletes what retention no longer wants, and `handled repository usage` tells what takes how much",
        evidence: { place, freeBytes, days: 0, neededBytes: null },
      },
    ),
    // Backups do not happen any more, whatever they are of.
    severity: "critical",
  };
}
