import { describeShortfall } from "../../operations/list-places.ts";
import { backupsFolder } from "../../repository/layout.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";

/** Whether what is stored can be relied on: damaged backups, places that lack some, places that refuse the next one. */
export function checkStored(facts: Facts): Finding[] {
  const { database, failed, damaged, listing, refusals } = facts;
  return [
    ...failed.map(({ id, reason }) =>
      finding("backup-damaged", facts, {
        subject: id,
        message: `backup ${id} cannot be relied on: ${reason}`,
        hint:
          `\`handled verify ${database} ${id} --repair\` mends it from a copy that has it whole, and ends this; without a copy, ` +
          `\`handled backup ${database}\` takes a new one, which relies on nothing of it, and this is told until ` +
          `${backupsFolder(database)}${id}/ is deleted, or a verification finds the backup whole`,
        evidence: { backup: id },
      }),
    ),
    ...damaged.map(({ id, reason }) =>
      finding("backup-damaged", facts, {
        subject: id,
        message: `backup ${id} is damaged: ${reason}`,
        hint: "bring what is missing back from a copy; if there is none, delete its folder under `backups`",
        evidence: { backup: id },
      }),
    ),
    ...listing.shortfalls.map((shortfall) =>
      finding("copy-degraded", facts, {
        subject: shortfall.place,
        ...describeShortfall(database, shortfall),
        evidence: { lacking: shortfall.ids.length, error: shortfall.failure?.code ?? null },
      }),
    ),
    ...refusals.map(({ place, reason, hint }) =>
      finding("backup-refused", facts, {
        subject: place,
        message: `the next backup will fail: ${reason}`,
        hint,
      }),
    ),
  ];
}
