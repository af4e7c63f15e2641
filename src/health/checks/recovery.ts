import { formatDuration } from "../../lib/text.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";
import { restoreTime } from "../live-figures.ts";

/** Whether it was shown lately that a backup comes back, and within the RTO. */
export function checkRecovery(facts: Facts): Finding[] {
  return [...checkProof(facts), ...checkTime(facts)];
}

function checkProof(facts: Facts): Finding[] {
  const { database, criticality, lastProof, proofMs, knownSince, now, backups } = facts;
  if (proofMs === null || backups.length === 0) return [];
  const hint = `\`handled verify ${database}\` restores the newest backup on a throw-away server and compares it`;
  if (lastProof !== null) {
    const ageMs = now.getTime() - Date.parse(lastProof.finishedAt);
    if (ageMs <= proofMs) return [];
    return [
      finding("proof-overdue", facts, {
        message: `the last time that a backup was restored and compared is ${formatDuration(ageMs)} ago, and it should be no more than ${formatDuration(proofMs)}`,
        hint,
        evidence: { ageMs, proofMs, backup: lastProof.backup },
      }),
    ];
  }
  // Whoever has not begun with it is not late, except where the data cannot be had again.
  if (knownSince === null || (criticality !== "critical" && criticality !== "high")) return [];
  const ageMs = now.getTime() - knownSince.getTime();
  const evidence = { ageMs: null, proofMs, backup: null };
  if (ageMs <= proofMs) {
    return [
      finding("never-proven", facts, {
        message: "no backup was ever restored and compared",
        hint,
        evidence,
      }),
    ];
  }
  return [
    finding("proof-overdue", facts, {
      message: `no backup was ever restored and compared, and there have been backups for ${formatDuration(ageMs)}`,
      hint,
      evidence,
    }),
  ];
}

function checkTime(facts: Facts): Finding[] {
  const { rtoMs } = facts;
  const { measuredMs, predictedMs, basis } = restoreTime(facts);
  if (rtoMs === null || measuredMs === null) return [];
  const evidence = { measuredMs, predictedMs, rtoMs, basis };
  const rto = `the RTO is ${formatDuration(rtoMs)}`;
  const hint =
    "keep snapshots, which are loaded in parallel (`--jobs`); restore to a faster server; or agree on a longer `rto`";
  if (measuredMs > rtoMs) {
    return [
      finding("restore-slow", facts, {
        message: `restoring took ${formatDuration(measuredMs)}, ${rto} (${basis ?? ""})`,
        hint,
        evidence,
      }),
    ];
  }
  if (predictedMs === null || predictedMs <= rtoMs) return [];
  return [
    finding("restore-slow-predicted", facts, {
      message: `restoring the newest backup would take ${formatDuration(predictedMs)}, ${rto} (by the rate of the ${basis ?? ""})`,
      hint,
      evidence,
    }),
  ];
}
