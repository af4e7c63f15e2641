import { counted, formatBytes } from "../../lib/text.ts";
import { isDegraded } from "../../operations/backup-places.ts";
import type { PlaceReport } from "../../operations/copy.ts";
import type { CopyJson, PlaceReportJson } from "../../json/backup.ts";
import type { Output } from "../output.ts";

export function placeJson(report: PlaceReport): PlaceReportJson {
  const { name, place, copied, lacking, damaged, deleted, failure } = report;
  return {
    name,
    place,
    copied: copied.map(({ index, ...totals }) => ({ id: index.id, ...totals })),
    lacking: lacking.map(({ id, reason }) => ({ id, code: reason.code, message: reason.message })),
    damaged: [...damaged],
    deleted: [...deleted],
    error: failure === undefined ? null : { code: failure.code, message: failure.message },
  };
}

export function copyJson(database: string, dryRun: boolean, reports: readonly PlaceReport[]): CopyJson {
  return {
    database,
    dryRun,
    degraded: reports.some((report) => isDegraded(report)),
    places: reports.map((report) => placeJson(report)),
  };
}

/** What came of each place, a line each, and below it what is wrong there. */
export function renderCopy(
  output: Output,
  database: string,
  dryRun: boolean,
  reports: readonly PlaceReport[],
): string {
  return [output.paint("bold", database), ...placeLines(output, database, dryRun, reports)].join("\n");
}

export function placeLines(
  output: Output,
  database: string,
  dryRun: boolean,
  reports: readonly PlaceReport[],
): string[] {
  return reports.flatMap((report) => {
    const { name, damaged, failure } = report;
    const mark = isDegraded(report) ? output.paint("red", "✗") : output.paint("green", "✓");
    const problems = [
      ...(failure === undefined ? [] : [withHint(failure.message, failure.hint)]),
      ...report.lacking
        .filter(({ reason }) => reason !== failure)
        .map(({ id, reason }) => withHint(`${id} is not there: ${reason.message}`, reason.hint)),
      ...unreached(report),
      ...damaged.map(
        (id) =>
          `${id} is damaged there: \`handled verify ${database} ${id} --repair\` mends it from another place`,
      ),
    ];
    return [`${mark} ${name}: ${summary(report, dryRun)}`, ...problems.map((problem) => `    ${problem}`)];
  });
}

function unreached({ lacking, failure }: PlaceReport): string[] {
  const count = lacking.filter(({ reason }) => reason === failure).length;
  return failure === undefined || count === 0
    ? []
    : [`${counted(count, "backup")} it should have is not there`];
}

const withHint = (message: string, hint: string | undefined): string =>
  hint === undefined ? message : `${message} (${hint})`;

function summary({ copied, failure, deleted }: PlaceReport, dryRun: boolean): string {
  if (copied.length === 0) return failure === undefined ? "has everything it should have" : "failed";
  if (dryRun) return `${counted(copied.length, "backup")} would be copied`;
  const sum = (of: (one: PlaceReport["copied"][number]) => number): number =>
    copied.reduce((total, one) => total + of(one), 0);
  const there = sum((one) => one.thereObjects);
  return (
    `${counted(copied.length, "backup")} copied: ${counted(
      sum((one) => one.objects),
      "object",
    )}, ${formatBytes(sum((one) => one.bytes))}` +
    (there === 0
      ? ""
      : `; ${counted(there, "object")}, ${formatBytes(sum((one) => one.thereBytes))} were there`) +
    (deleted.length === 0 ? "" : `; ${counted(deleted.length, "old one")} deleted`)
  );
}
