import { nextRun } from "../../config/schedule.ts";
import { formatDuration } from "../../lib/text.ts";
import type { RecordedRecovery } from "../../repository/recoveries.ts";
import type { Facts } from "../facts.ts";
import { type Finding, finding } from "../finding.ts";

// It may take hours, and be tried again after it failed.
const GRACE_MS = 24 * 60 * 60_000;
// The machine that ran it may be a little behind the one whose clock began it.
const EARLY_MS = 60_000;

/** Whether recoveries are rehearsed as planned, come to their end, and are fast enough. */
export function checkDrills(facts: Facts): Finding[] {
  const drills = facts.recoveries.filter((one) => one.kind === "drill" && !isStoppedByHand(one));
  const ended = drills.filter(({ outcome }) => outcome !== null);
  return [
    ...[...Map.groupBy(ended, ({ scenario }) => scenario).values()].flatMap((group) => [
      ...failed(facts, group),
      ...overObjective(facts, group),
    ]),
    ...overdue(facts, drills),
  ];
}

/** @param group of one scenario, newest first */
function failed(facts: Facts, group: readonly RecordedRecovery[]): Finding[] {
  const [last] = group;
  if (last === undefined || last.outcome === "done") return [];
  const good = group.findIndex(({ outcome }) => outcome === "done");
  const failures = good < 0 ? group.length : good;
  const step = last.steps.find(({ outcome }) => outcome === "failed");
  const how = last.outcome === "interrupted" ? "was interrupted" : "failed";
  const reason = [
    ...(step === undefined ? [] : [step.title]),
    ...(last.error === null ? [] : [last.error.message]),
  ];
  return [
    finding("drill-failed", facts, {
      subject: last.scenario,
      message: `the last drill of ${last.scenario} ${how} on ${inWords(last.startedAt)}${failures > 1 ? `, ${failures} in a row` : ""}${reason.length === 0 ? "" : `: ${reason.join(": ")}`}`,
      hint: last.error?.hint ?? `mend that, and \`${again(facts, last.scenario)}\``,
      evidence: {
        drill: last.id,
        failures,
        step: step?.id ?? null,
        outcome: last.outcome,
        error: last.error?.code ?? null,
      },
    }),
  ];
}

/** @param group of one scenario, newest first */
function overObjective(facts: Facts, group: readonly RecordedRecovery[]): Finding[] {
  const { rtoMs } = facts;
  const last = group.find(({ outcome }) => outcome === "done");
  if (rtoMs === null || last?.rtoMs == null || last.rtoMs <= rtoMs) return [];
  const slowest = last.steps.toSorted((a, b) => (b.ms ?? 0) - (a.ms ?? 0))[0];
  return [
    finding("recovery-over-objective", facts, {
      subject: last.scenario,
      message: `in the drill of ${last.scenario} on ${inWords(last.startedAt)} it took ${formatDuration(last.rtoMs)} until all was back, the RTO is ${formatDuration(rtoMs)}`,
      hint: `${slowest === undefined ? "" : `most of it was "${slowest.title}" (${formatDuration(slowest.ms ?? 0)}): `}make that faster, or agree on a longer \`rto\``,
      evidence: { drill: last.id, measuredMs: last.rtoMs, rtoMs, slowestStep: slowest?.id ?? null },
    }),
  ];
}

function overdue(facts: Facts, drills: readonly RecordedRecovery[]): Finding[] {
  const { now, timeZone, knownSince } = facts;
  return facts.drills.flatMap(({ name, scenario, schedule }) => {
    if (schedule === undefined) return [];
    const own = drills.filter(({ entry }) => entry === name);
    const done = own.find(({ outcome }) => outcome === "done");
    const since = done === undefined ? knownSince : new Date(done.startedAt);
    // Before the first backup there is nothing to rehearse.
    if (since === null) return [];
    const due = nextRun(schedule, timeZone, new Date(since.getTime() + EARLY_MS));
    if (due === null || now.getTime() - due.getTime() <= GRACE_MS) return [];
    // That it runs, or failed, is said of the scenario.
    if (own.some(({ startedAt }) => Date.parse(startedAt) + EARLY_MS >= due.getTime())) return [];
    const lateMs = now.getTime() - due.getTime();
    const last = done === undefined ? "it was never done" : `it was last done on ${inWords(done.startedAt)}`;
    return [
      finding("drill-overdue", facts, {
        subject: name,
        message: `the drill ${name} (${scenario}) should have been done ${formatDuration(lateMs)} ago; ${last}`,
        hint: `\`${again(facts, scenario)} --entry ${name}\` does it now; \`handled schedule show\` tells what runs it`,
        evidence: { scenario, schedule, lateMs, lastAt: done?.startedAt ?? null },
      }),
    ];
  });
}

const again = ({ database }: Facts, scenario: string): string => `handled drill ${scenario} ${database}`;

/** Somebody began it and thought better of it. */
const isStoppedByHand = ({ entry, outcome, error }: RecordedRecovery): boolean =>
  entry === null && outcome === "interrupted" && error?.code === "interrupted";

const inWords = (at: string): string => `${at.slice(0, 16).replace("T", " ")} UTC`;
