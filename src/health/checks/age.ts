import { formatDuration } from "../../lib/text.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";

// Two machines' clocks differ by a little; more than this is worth a word.
const CLOCK_TOLERANCE_MS = 60_000;

/** Whether the newest backup is within the RPO. */
export function checkAge(facts: Facts): Finding[] {
  const { database, rpoMs, now, backups, complete } = facts;
  const takeOne = `\`handled backup ${database}\` takes one now`;
  const [newest] = complete;
  if (newest === undefined) {
    const message = backups.length === 0 ? "there is no backup" : "no backup has all schemas of the strategy";
    return [
      finding("backup-overdue", facts, {
        message,
        hint: takeOne,
        evidence: { backup: null, ageMs: null, rpoMs },
      }),
    ];
  }
  const ageMs = now.getTime() - Date.parse(newest.snapshotAt);
  const evidence = { backup: newest.id, ageMs, rpoMs };
  if (ageMs < -CLOCK_TOLERANCE_MS) {
    return [
      finding("clock-wrong", facts, {
        message: `the newest backup lies ${formatDuration(-ageMs)} in the future: a clock is wrong`,
        hint: "compare the clock of this machine with that of the machine that takes the backups",
        evidence,
      }),
    ];
  }
  if (rpoMs === null || ageMs <= rpoMs) return [];
  return [
    finding("backup-overdue", facts, {
      message: `the newest backup is ${formatDuration(ageMs)} old, the RPO is ${formatDuration(rpoMs)}`,
      hint: `${takeOne}; \`handled schedule show\` tells whether the schedule is installed`,
      evidence,
    }),
  ];
}
