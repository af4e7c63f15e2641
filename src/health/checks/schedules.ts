import { nextRun } from "../../config/schedule.ts";
import { AppError } from "../../errors.ts";
import { counted, formatDuration } from "../../lib/text.ts";
import { describeJob } from "../../operations/schedule/jobs.ts";
import type { RunFile } from "../../repository/run-file.ts";
import type { ExpectedJob, Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";

// A scheduler may be slow, the machine may have been starting.
const GRACE_MS = 60 * 60_000;
// The machine that ran it may be a little behind the one whose clock began it.
const EARLY_MS = 60_000;
const MOST_COUNTED = 100;

/** Whether what is scheduled runs: a schedule that has stopped says nothing by itself. */
export function checkSchedules(facts: Facts): Finding[] {
  return facts.jobs.flatMap((job) => {
    const begun = lastBegun(facts, job);
    if (begun === undefined) return job.installed === false ? [notInstalled(facts, job)] : [];
    // Whether it was done, and not only begun, another check looks at.
    if (job.operation === "drill") return [];
    // What takes longer than the time between two runs leaves some out.
    const missed = isUnderWay(facts, job) ? undefined : missedRuns(facts, job, begun);
    return missed === undefined ? [] : [notFiring(facts, job, missed)];
  });
}

const INSTALL = "`handled schedule install` sees to that, or `handled serve`";

function notInstalled(facts: Facts, job: ExpectedJob): Finding {
  const subject = describeJob(job);
  return finding("schedule-not-installed", facts, {
    subject,
    message: `${subject} is not installed: nothing on this machine runs it, and it never ran`,
    hint: INSTALL,
    evidence: { schedule: job.schedule },
  });
}

function notFiring(facts: Facts, job: ExpectedJob, { last, lateMs, count }: Missed): Finding {
  const subject = describeJob(job);
  return finding("schedule-not-firing", facts, {
    subject,
    message:
      `${subject} should have run ${formatDuration(lateMs)} ago and did not begin: ` +
      `${counted(count, "run")} missed since ${inWords(last)}`,
    hint:
      job.installed === false
        ? `its schedule is not installed on this machine: ${INSTALL}`
        : "`handled schedule show` tells what is installed; look whether cron or systemd runs, and in the log of the schedule",
    evidence: { schedule: job.schedule, lastRun: last.toISOString(), lateMs, missed: count },
  });
}

interface Missed {
  /** When it began the last time. */
  readonly last: Date;
  /** Since the first run that was due after that; milliseconds. */
  readonly lateMs: number;
  readonly count: number;
}

/** When it began the last time; undefined where nobody knows: one that never ran may have been planned a moment ago. */
function lastBegun(
  { backups, runs, recoveries }: Facts,
  { operation, entry }: ExpectedJob,
): Date | undefined {
  if (runs instanceof AppError) return undefined;
  const begun = [
    ...runs.filter((run) => isOf(run, { operation, entry })),
    // Too seldom to be among the last runs.
    ...(operation === "drill" ? recoveries.filter((one) => one.entry === entry) : []),
    ...(operation === "backup" ? backups.filter(({ schedule }) => schedule === entry) : []),
  ].map(({ startedAt }) => Date.parse(startedAt));
  return begun.length === 0 ? undefined : new Date(begun.reduce((a, b) => Math.max(a, b)));
}

function isUnderWay({ runs }: Facts, job: ExpectedJob): boolean {
  return !(runs instanceof AppError) && runs.find((run) => isOf(run, job))?.outcome === null;
}

function isOf(run: RunFile, { operation, entry }: Pick<ExpectedJob, "operation" | "entry">): boolean {
  return run.operation === operation && (entry === null || run.entry === entry);
}

function missedRuns({ now, timeZone }: Facts, { schedule }: ExpectedJob, last: Date): Missed | undefined {
  let due = nextRun(schedule, timeZone, new Date(last.getTime() + EARLY_MS));
  if (due === null) return undefined;
  const lateMs = now.getTime() - due.getTime();
  if (lateMs <= GRACE_MS) return undefined;
  let count = 0;
  for (; due !== null && due <= now && count < MOST_COUNTED; count++) due = nextRun(schedule, timeZone, due);
  return { last, lateMs, count };
}

const inWords = (at: Date): string => `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
