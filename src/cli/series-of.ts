import type { SeriesJson } from "../api/contract/answers.ts";
import { BYTES, ROWS } from "../health/checks/tables.ts";
import { type Limits, usualOf } from "../health/out-of-history.ts";
import { chooseCompared } from "../health/table-history.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import { indexJson } from "./render/backup.ts";

const DAY_MS = 86_400_000;

/**
 * The figures of a database's backups of the last days, for charts, and between what the health checks let them be.
 * @param backups newest first
 */
export function seriesOf(
  { database, backups }: { readonly database: string; readonly backups: readonly BackupIndex[] },
  now: Date,
  days: number,
): SeriesJson {
  const since = now.getTime() - days * DAY_MS;
  const points = backups
    .filter(({ snapshotAt }) => Date.parse(snapshotAt) >= since)
    .map((index) => {
      const { id, kind, schedule, snapshotAt, durationMs, tables, rows, bytes, storedBytes } =
        indexJson(index);
      return { id, kind, schedule, snapshotAt, durationMs, tables, rows, bytes, storedBytes };
    })
    .toReversed();
  const [, ...before] = chooseCompared(backups);
  const usual = (of: "rows" | "bytes", limits: Limits): SeriesJson["usual"]["rows"] =>
    usualOf(
      before.map(({ totals }) => totals[of]),
      limits,
    ) ?? null;
  return { database, points, usual: { rows: usual("rows", ROWS), bytes: usual("bytes", BYTES) } };
}
