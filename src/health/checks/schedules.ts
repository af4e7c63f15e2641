import { nextRun } from "../../config/schedule.ts";
import { AppError } from "../../errors.ts";
import { counted, formatDuration } from "../../lib/text.ts";
import type { ExpectedEntry, Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";

// A scheduler may be slow, the machine may have been starting.
const GRACE_MS = 60 * 60_000;
// The machine that ran it may be a little behind the one whose clock began it.
const EARLY_MS = 60_000;
const MOST_COUNTED = 100;

/** Whether what is scheduled runs: a schedule that has stopped says nothing by itself. */
export function checkSchedules(facts: Facts): Finding[] {
  return facts.entries.flatMap((entry) => {
    const { name: subject, installed } = entry;
    const missed = missedRuns(facts, entry);
    const install = "`handled schedule install` sees to that";
    const absent = finding("schedule-not-installed", facts, {
      subject,
      message: `backup ${subject} is not installed: nothing on this machine runs it`,
      hint: install,
    });
    return [
      ...(installed === false ? [absent] : []),
      ...(missed === undefined
        ? []
        : [
            finding("schedule-not-firing", facts, {
              subject,
              message:
                `backup ${subject} should have run ${formatDuration(missed.lateMs)} ago and did not begin: ` +
                `${counted(missed.count, "run")} missed since ${inWords(missed.last)}`,
              hint:
                installed === false
                  ? `its schedule is not installed on this machine: ${install}`
                  : "`handled schedule show` tells what is installed; look whether cron or systemd runs, and in the log of the schedule",
              evidence: {
                lastRun: missed.last.toISOString(),
                lateMs: missed.lateMs,
                missed: missed.count,
              },
            }),
          ]),
    ];
  });
}

interface Missed {
  /** When it began the last time. */
  readonly last: Date;
  /** Since the first run that was due after that; milliseconds. */
  readonly lateMs: number;
  readonly count: number;
}

/** Undefined where none was missed, and where nobody knows: one that never ran may have been planned a moment ago. */
function missedRuns(facts: Facts, { name, schedule }: ExpectedEntry): Missed | undefined {
  const { backups, runs, now, timeZone } = facts;
  if (schedule === null || runs instanceof AppError) return undefined;
  const begun = [
    ...runs.filter(({ operation, entry }) => operation === "backup" && entry === name),
    ...backups.filter((backup) => backup.schedule === name),
  ].map(({ startedAt }) => Date.parse(startedAt));
  if (begun.length === 0) return undefined;
  const last = new Date(begun.reduce((a, b) => Math.max(a, b)));
  let due = nextRun(schedule, timeZone, new Date(last.getTime() + EARLY_MS));
  if (due === null) return undefined;
  const lateMs = now.getTime() - due.getTime();
  if (lateMs <= GRACE_MS) return undefined;
  let count = 0;
  for (; due !== null && due <= now && count < MOST_COUNTED; count++) due = nextRun(schedule, timeZone, due);
  return { last, lateMs, count };
}

const inWords = (at: Date): string => `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
