import type { SeriesJson } from "../api/contract/answers.ts";
import type { ListJson } from "../json/look.ts";
import { median, spread } from "../lib/statistics.ts";

// As many as tell what is usual, and how far from it nothing goes by chance: those of the health checks.
const FEWEST = 5;
const SIGMAS = 6;
const DAY_MS = 86_400_000;

/** The figures of a database's backups of the last days, for charts. */
export function seriesOf(
  { database, backups }: ListJson["databases"][number],
  now: Date,
  days: number,
): SeriesJson {
  const since = now.getTime() - days * DAY_MS;
  const points = backups
    .filter(({ snapshotAt }) => Date.parse(snapshotAt) >= since)
    .map(({ id, kind, schedule, snapshotAt, durationMs, tables, rows, bytes, storedBytes }) => ({
      id,
      kind,
      schedule,
      snapshotAt,
      durationMs,
      tables,
      rows,
      bytes,
      storedBytes,
    }))
    .toReversed();
  const newest = points.at(-1);
  // A dump and a snapshot are not alike.
  const alike = points.filter(({ kind, schedule }) => kind === newest?.kind && schedule === newest.schedule);
  const usual = (of: "rows" | "bytes" | "storedBytes" | "durationMs"): SeriesJson["usual"]["rows"] => {
    const values = alike.slice(0, -1).map((point) => point[of]);
    if (values.length < FEWEST) return null;
    const middle = median(values);
    const far = SIGMAS * spread(values);
    return { median: middle, low: Math.max(0, middle - far), high: middle + far };
  };
  return {
    database,
    points,
    usual: {
      rows: usual("rows"),
      bytes: usual("bytes"),
      storedBytes: usual("storedBytes"),
      durationMs: usual("durationMs"),
    },
  };
}
