import { formatDuration } from "../../lib/text.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";
import { newestPoint, type RecoveryPoint } from "../recovery-points.ts";

// Two machines' clocks differ by a little; more than this is worth a word.
const CLOCK_TOLERANCE_MS = 60_000;

/** Whether the newest backup is within the RPO. */
export function checkAge(facts: Facts): Finding[] {
  const { database, rpoMs, now, backups, complete } = facts;
  const takeOne = `\`handled backup ${database}\` takes one now`;
  const [newest] = complete;
  const provider = withinRpo(facts);
  if (newest === undefined) {
    if (provider !== undefined)
      return [
        ownOverdue(
          facts,
          provider,
          "there is no backup of our own with all schemas of the strategy",
          takeOne,
        ),
      ];
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
  if (provider !== undefined)
    return [
      ownOverdue(facts, provider, `the newest backup of our own is ${formatDuration(ageMs)} old`, takeOne),
    ];
  return [
    finding("backup-overdue", facts, {
      message: `the newest backup is ${formatDuration(ageMs)} old, the RPO is ${formatDuration(rpoMs)}`,
      hint: `${takeOne}; \`handled schedule show\` tells whether the schedule is installed`,
      evidence,
    }),
  ];
}

/** The managed service's newest backup, where that is the newest there is, and within the RPO. */
function withinRpo(facts: Facts): RecoveryPoint | undefined {
  const point = newestPoint(facts);
  if (point?.kind !== "provider") return undefined;
  const { rpoMs, now } = facts;
  return rpoMs === null || now.getTime() - point.at.getTime() <= rpoMs ? point : undefined;
}

function ownOverdue(facts: Facts, { id, at }: RecoveryPoint, what: string, hint: string): Finding {
  const { rpoMs, now, complete } = facts;
  const ageMs = now.getTime() - at.getTime();
  const rpo = rpoMs === null ? "" : `, the RPO is ${formatDuration(rpoMs)}`;
  return finding("own-backup-overdue", facts, {
    message: `${what}${rpo}: only the managed service has a newer one (${formatDuration(ageMs)} old), and with it the only copy`,
    hint,
    evidence: { backup: complete[0]?.id ?? null, provider: id, ageMs, rpoMs },
  });
}
