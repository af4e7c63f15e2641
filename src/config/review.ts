import { formatDuration } from "../lib/text.ts";
import { hasLiteralKey, hasLiteralPassword, hasLiteralSecret } from "./literal-password.ts";
import { nextRun } from "./schedule.ts";
import type { Strategy, StrategyDatabase } from "./strategy.ts";

// Far enough for yearly schedules; the number of steps bounds the work for those of every minute.
const LOOK_AHEAD_MS = 400 * 86_400_000;
const MOST_STEPS = 500;

/** What is allowed in a strategy and yet most likely not meant, one sentence each. */
export function reviewStrategy(strategy: Strategy, now: Date): string[] {
  return [
    ...strategy.databases.flatMap((database) => [
      ...reviewSchedules(database, now),
      ...reviewRetention(database),
      ...reviewPassword(database),
    ]),
    ...strategy.repositories
      .filter(hasLiteralKey)
      .map(
        ({ name }) => `the secret key of repository ${name} is in the file: \`\${NAME}\` keeps it out of it`,
      ),
    ...(strategy.notify?.channels ?? [])
      .filter(hasLiteralSecret)
      .map(({ name }) => `the secret of channel ${name} is in the file: \`\${NAME}\` keeps it out of it`),
  ];
}

function reviewSchedules(database: StrategyDatabase, now: Date): string[] {
  const { name, backups, objectives } = database;
  if (backups.length === 0) return [`${name} has no backups: it is only backed up by hand`];
  const schedules = backups.flatMap(({ schedule }) => schedule ?? []);
  if (schedules.length === 0) return [`no backup of ${name} has a schedule: it is only backed up by hand`];
  const gap = longestGap(schedules, now);
  if (gap <= objectives.rpoMs) return [];
  return [
    `backups of ${name} are up to ${formatDuration(gap)} apart, and its RPO is ${formatDuration(objectives.rpoMs)}`,
  ];
}

function reviewRetention({ name, backups }: StrategyDatabase): string[] {
  return backups
    .filter(({ keep }) => keep === undefined)
    .map((backup) => `backup ${backup.name} of ${name} has no \`keep\`: every backup stays for ever`);
}

function reviewPassword({ name, url }: StrategyDatabase): string[] {
  if (!hasLiteralPassword(url.text)) return [];
  return [`the URL of ${name} has a password in it: \`\${NAME}\` or ~/.pgpass keep it out of the file`];
}

/**
 * The longest time between two runs that follow each other, in milliseconds. In UTC, because a night of 25 hours is no
 * mistake in a strategy that says 24.
 */
function longestGap(schedules: readonly string[], now: Date): number {
  let last = now;
  let longest = 0;
  for (let step = 0; step < MOST_STEPS; step++) {
    const next = earliestRun(schedules, "UTC", last);
    if (next === undefined) break;
    // The first step leads from now to a run; a gap lies between two runs.
    if (step > 0) longest = Math.max(longest, next.getTime() - last.getTime());
    if (next.getTime() - now.getTime() > LOOK_AHEAD_MS) break;
    last = next;
  }
  return longest;
}

/** The first run of any of the schedules after a moment. */
function earliestRun(schedules: readonly string[], timeZone: string, after: Date): Date | undefined {
  const runs = schedules.flatMap((schedule) => nextRun(schedule, timeZone, after) ?? []);
  return runs.toSorted((a, b) => a.getTime() - b.getTime())[0];
}
