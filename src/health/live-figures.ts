import { NEVER_MEASURED, type RestoreTime, timeByProof } from "../operations/restore/estimate.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import type { Facts } from "./facts.ts";
import { newestPoint, newestProven, newestProvenPoint, type RecoveryPoint } from "./recovery-points.ts";

/**
 * How long it would take to have a database back, measured by the last drill or the last restore that was made to prove a backup, whichever
 * is newer. Finding a server and deciding are not counted.
 */
type TimeToRecover = RestoreTime;

/** How a database stands right now. */
export interface LiveFigures {
  /** The newest moment that can be had back, from our own backups or from the managed service's; null where none is known. */
  readonly newestPoint: RecoveryPoint | null;
  /** Milliseconds since then: what would be lost now. Null where that is not known. */
  readonly dataAtRiskMs: number | null;
  /** The newest good backup that was restored and compared. */
  readonly newestProven: BackupIndex | null;
  /** The newest moment of which it was shown that it comes back. */
  readonly provenPoint: RecoveryPoint | null;
  /** Milliseconds since then. */
  readonly provenAtRiskMs: number | null;
  readonly timeToRecover: TimeToRecover;
}

/** Of a database nothing is known of. */
export const UNKNOWN_FIGURES: LiveFigures = {
  newestPoint: null,
  dataAtRiskMs: null,
  newestProven: null,
  provenPoint: null,
  provenAtRiskMs: null,
  timeToRecover: NEVER_MEASURED,
};

export function liveFigures(facts: Facts): LiveFigures {
  const since = (point: RecoveryPoint | null): number | null =>
    point === null ? null : facts.now.getTime() - point.at.getTime();
  const newest = newestPoint(facts);
  const proven = newestProvenPoint(facts);
  return {
    newestPoint: newest,
    dataAtRiskMs: since(newest),
    newestProven: newestProven(facts),
    provenPoint: proven,
    provenAtRiskMs: since(proven),
    timeToRecover: timeToRecover(facts),
  };
}

/** By the last drill that brought all of it back, where no proof is newer; else by the last proof. */
function timeToRecover(facts: Facts): TimeToRecover {
  const { recoveries, lastProof } = facts;
  const restore = restoreTime(facts);
  const drill = recoveries.find(
    ({ kind, outcome, scenario }) => kind === "drill" && outcome === "done" && scenario !== "data-deleted",
  );
  if (drill?.rtoMs == null || drill.finishedAt === null) return restore;
  if (lastProof !== null && Date.parse(lastProof.finishedAt) > Date.parse(drill.finishedAt)) return restore;
  const basis = `drill of ${drill.scenario}, ${drill.finishedAt.slice(0, 10)}`;
  return { ...restore, measuredMs: drill.rtoMs, basis };
}

/** How long restoring the newest backup alone takes, by the last proof. */
export function restoreTime({ lastProof, complete, tables }: Facts): TimeToRecover {
  // The bytes of the rows, as a proof counts them; the index counts those of the whole dump.
  const bytes = tables[0]?.tables.reduce((sum, table) => sum + table.bytes, 0);
  return timeByProof(lastProof, bytes ?? complete[0]?.totals.bytes);
}
