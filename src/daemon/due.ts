import { createHash } from "node:crypto";
import { nextRun } from "../config/schedule.ts";
import type { DaemonSettings } from "../config/strategy.ts";
import type { Job } from "../operations/schedule/jobs.ts";

/** A run of a job, as its record tells it or as we saw it. */
export interface PastRun {
  readonly startedAt: Date;
  /** Null while it runs, and where nobody saw its end. */
  readonly finishedAt: Date | null;
  /** Null while it runs. */
  readonly outcome: "done" | "degraded" | "failed" | "interrupted" | null;
}

export interface Timing extends Pick<DaemonSettings, "jitterMs" | "retries" | "retryAfterMs"> {
  readonly timeZone: string;
}

export interface Due {
  /** When to begin: in the past where a run was missed. */
  readonly at: Date;
  /** `time`: its schedule says so; `retry`: it failed before. */
  readonly why: "time" | "retry";
}

const BACK_OFF = 3;
// Two machines' clocks differ by a little; a run of tomorrow has been dated by a clock that was wrong.
const CLOCK_TOLERANCE_MS = 60_000;

/**
 * When a job is due next, or undefined: its schedule never comes, or it runs right now. Of all times that passed while nobody
 * was there it is due for the last one only: one run makes up for them.
 * @param past its runs, newest first, by whomever they were started; as many as failed since the last that did not
 * @param since from when on its schedule counts where it never ran
 */
export function nextDue(
  job: Job,
  timing: Timing,
  past: readonly PastRun[],
  since: Date,
  now: Date,
): Due | undefined {
  const known = past.filter(({ startedAt }) => startedAt.getTime() <= now.getTime() + CLOCK_TOLERANCE_MS);
  const [last] = known;
  if (last !== undefined && last.outcome === null) return undefined;
  const offset = shareOf(job) * timing.jitterMs;
  const slotAfter = (moment: Date): Date | undefined => {
    const slot = nextRun(job.schedule, timing.timeZone, new Date(moment.getTime() - offset));
    return slot === null ? undefined : new Date(slot.getTime() + offset);
  };
  const slot = slotAfter(last?.startedAt ?? since);
  const retry = retryAt(known, timing, slotAfter);
  if (retry !== undefined && (slot === undefined || retry < slot)) return { at: retry, why: "retry" };
  return slot === undefined ? undefined : { at: slot, why: "time" };
}

/** When a run that failed is tried again; undefined where it did not, or has been tried often enough. */
function retryAt(
  past: readonly PastRun[],
  { retries, retryAfterMs }: Timing,
  slotAfter: (moment: Date) => Date | undefined,
): Date | undefined {
  const [last] = past;
  if (last === undefined || !hasFailed(last)) return undefined;
  let failures = 1;
  for (const [at, run] of past.slice(1).entries()) {
    if (!hasFailed(run)) break;
    // A time of its schedule lies between the two: what was before counted for that one.
    const slot = slotAfter(run.startedAt);
    if (slot !== undefined && slot <= (past[at]?.startedAt ?? run.startedAt)) break;
    failures += 1;
  }
  if (failures > retries) return undefined;
  const ended = (last.finishedAt ?? last.startedAt).getTime();
  return new Date(ended + retryAfterMs * BACK_OFF ** (failures - 1));
}

function hasFailed({ outcome }: PastRun): boolean {
  return outcome === "failed" || outcome === "interrupted";
}

/** From 0 to 1, of each job another, and always the same: nothing is due twice because it was put off anew. */
function shareOf({ database, operation, entry }: Job): number {
  const hash = createHash("sha256").update(JSON.stringify([database, operation, entry]));
  return hash.digest().readUInt32BE(0) / 2 ** 32;
}
