import type { Keep } from "../config/keep.ts";
import { bucketNamer, type Period } from "./calendar.ts";

export interface RetentionCandidate {
  readonly id: string;
  /** The moment the backup brings back. */
  readonly at: Date;
}

export interface RetentionDecision {
  readonly id: string;
  readonly keep: boolean;
  /** Why it stays (one for each rule that keeps it) or why it goes (one for each rule that does not). */
  readonly reasons: string[];
}

const DAY_MS = 86_400_000;

interface Candidate extends RetentionCandidate {
  readonly stays: string[];
  readonly goes: string[];
}

/**
 * Which backups stay, newest first. A backup stays when any rule keeps it; without a rule all stay. The newest is
 * always kept. `min` adds the newest of the others until there are that many.
 *
 * A backup dated after `now` is always kept and takes no other's place: one of two clocks was wrong, and neither its
 * backup nor those taken since may go for that. A clock that is far ahead makes everything look old; what guards
 * against that are the rules that count backups (`last`, `daily` …, `min`), for only `days` looks at `now`.
 * @param timeZone IANA name: where days, weeks, months and years begin
 */
export function planRetention(
  backups: readonly RetentionCandidate[],
  keep: Keep | undefined,
  now: Date,
  timeZone: string,
): RetentionDecision[] {
  const candidates: Candidate[] = backups
    .map(({ id, at }) => ({ id, at, stays: [], goes: [] }))
    .toSorted(newestFirst);
  const past: Candidate[] = [];
  for (const candidate of candidates) {
    if (candidate.at.getTime() > now.getTime()) candidate.stays.push("dated in the future");
    else past.push(candidate);
  }
  past[0]?.stays.push("newest");
  if (hasRule(keep)) applyRules(past, keep, now, timeZone);
  else for (const candidate of past) candidate.stays.push("no retention rule");
  return candidates.map(({ id, stays, goes }) => {
    const kept = stays.length > 0;
    return { id, keep: kept, reasons: kept ? stays : goes };
  });
}

/** `min` alone says what must stay, not what may go. */
function hasRule(keep: Keep | undefined): keep is Keep {
  if (keep === undefined) return false;
  const { min: _floor, ...rules } = keep;
  return Object.values(rules).some((rule) => rule !== undefined);
}

function applyRules(past: readonly Candidate[], keep: Keep, now: Date, timeZone: string): void {
  if (keep.days !== undefined) keepDays(past, keep.days, now);
  if (keep.last !== undefined) keepLast(past, keep.last);
  const periods: [Period, number | undefined][] = [
    ["hour", keep.hourly],
    ["day", keep.daily],
    ["week", keep.weekly],
    ["month", keep.monthly],
    ["year", keep.yearly],
  ];
  for (const [period, count] of periods) {
    if (count !== undefined) keepNewestOfEach(past, period, count, timeZone);
  }
  if (keep.min !== undefined) keepAtLeast(past, keep.min);
}

function keepDays(past: readonly Candidate[], days: number, now: Date): void {
  const limit = now.getTime() - days * DAY_MS;
  const age = days === 1 ? "1 day" : `${days} days`;
  for (const { at, stays, goes } of past) {
    if (at.getTime() > limit) stays.push(`younger than ${age}`);
    else goes.push(`older than ${age}`);
  }
}

function keepLast(past: readonly Candidate[], count: number): void {
  for (const [index, { stays, goes }] of past.entries()) {
    if (index < count) stays.push(`one of the last ${count}`);
    else goes.push(`not one of the last ${count}`);
  }
}

const PERIOD_NAMES: Readonly<Record<Period, string>> = {
  hour: "hourly",
  day: "daily",
  week: "weekly",
  month: "monthly",
  year: "yearly",
};

/** Periods without a backup do not count: an outage must not use up what is kept. */
function keepNewestOfEach(past: readonly Candidate[], period: Period, count: number, timeZone: string): void {
  const nameOf = bucketNamer(period, timeZone);
  const seen = new Set<string>();
  for (const { at, stays, goes } of past) {
    const bucket = nameOf(at);
    if (seen.has(bucket)) {
      goes.push(`not the newest of ${bucket}`);
    } else if (seen.size < count) {
      seen.add(bucket);
      stays.push(`${PERIOD_NAMES[period]} ${bucket}`);
    } else {
      goes.push(`before the last ${count} ${PERIOD_NAMES[period]}`);
    }
  }
}

function keepAtLeast(past: readonly Candidate[], min: number): void {
  let missing = min - past.filter(({ stays }) => stays.length > 0).length;
  for (const { stays } of past) {
    if (missing <= 0) return;
    if (stays.length > 0) continue;
    stays.push(`needed for at least ${min}`);
    missing -= 1;
  }
}

function newestFirst(a: RetentionCandidate, b: RetentionCandidate): number {
  return b.at.getTime() - a.at.getTime() || (a.id < b.id ? 1 : -1);
}
