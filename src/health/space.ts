import type { Runtime } from "../lib/runtime.ts";
import { median } from "../lib/statistics.ts";
import type { Place } from "../operations/places.ts";
import { planAmong } from "../operations/prune.ts";
import type { BackupId, BackupIndex } from "../repository/manifest.ts";

const DAY_MS = 86_400_000;
/** How far ahead is looked. */
const DAYS_AHEAD = 14;
// Two backups have no rhythm.
const FEWEST = 3;
// A snapshot a minute for two weeks are more than need be counted.
const MOST = 2000;

/**
 * How many bytes more than today a place will take after each of the coming days, if backups go on in their rhythm and retention
 * deletes what it no longer wants: where it deletes as much as comes, nothing. Of snapshots that go no more is taken to become
 * free than a usual one stored, for later ones need the parts of the first.
 */
export function bytesToCome(
  runtime: Runtime,
  { rules }: Pick<Place, "rules">,
  timeZone: string,
  backups: readonly BackupIndex[],
): number[] {
  const now = runtime.clock.now().getTime();
  const rows = Map.groupBy(backups, ({ kind, schedule }) => JSON.stringify([kind, schedule]));
  const usual = new Map([...rows].map(([row, members]) => [row, median(members.map(addedBytes))]));
  const costOf = (backup: BackupIndex): number => {
    const added = addedBytes(backup);
    if (backup.kind === "archive") return added;
    return Math.min(added, usual.get(JSON.stringify([backup.kind, backup.schedule])) ?? added);
  };
  const total = (some: readonly BackupIndex[]): number => some.reduce((sum, one) => sum + costOf(one), 0);
  const coming = [...rows.values()].flatMap((row) => inRhythm(row, now));
  const today = total(backups);
  return Array.from({ length: DAYS_AHEAD }, (_, n) => {
    const then = new Date(now + (n + 1) * DAY_MS);
    const there = [
      ...coming.filter(({ snapshotAt }) => Date.parse(snapshotAt) <= then.getTime()),
      ...backups,
    ];
    const clock = { ...runtime.clock, now: () => then };
    const plan = planAmong({ ...runtime, clock }, { rules, timeZone }, there);
    return total(plan.flatMap(({ backup, keep }) => (keep ? [backup] : []))) - today;
  });
}

function addedBytes(index: BackupIndex): number {
  return index.kind === "archive" ? index.archive.size : index.totals.storedBytes;
}

/** What is to come of one entry, newest first, each like the one in the middle of those there are. */
function inRhythm(row: readonly BackupIndex[], now: number): BackupIndex[] {
  const times = row.map(({ snapshotAt }) => Date.parse(snapshotAt)).toSorted((a, b) => a - b);
  const [first, last] = [times[0] ?? now, times.at(-1) ?? now];
  const interval = (last - first) / (row.length - 1);
  const like = row.toSorted((a, b) => addedBytes(a) - addedBytes(b))[Math.floor(row.length / 2)];
  if (row.length < FEWEST || last - first < DAY_MS || like === undefined) return [];
  const count = Math.min(MOST, Math.floor((DAYS_AHEAD * DAY_MS) / interval));
  return Array.from({ length: count }, (_, n) => {
    const at = new Date(now + (count - n) * interval).toISOString();
    // Nobody reads it; it only has to differ.
    return { ...like, id: `${like.id}+${n}` as BackupId, startedAt: at, snapshotAt: at, finishedAt: at };
  });
}
