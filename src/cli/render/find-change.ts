import { counted, formatCount } from "../../lib/text.ts";
import type { Change, FindChangeReport, Moment } from "../../operations/find-change/report.ts";
import type { FindChangeJson } from "../../json/find-change.ts";
import { renderTable } from "./table.ts";
import { formatTime } from "./time.ts";

export function findChangeJson(report: FindChangeReport, next: string | null): FindChangeJson {
  const moment = ({ at, change, ...rest }: Moment): FindChangeJson["moments"][number] => ({
    ...rest,
    at: at.toISOString(),
    change: { ...change },
  });
  const { loss, moments, parts, ...rest } = report;
  return {
    ...rest,
    moments: moments.map(moment),
    loss: loss === null ? null : { ...loss, lastSeen: moment(loss.lastSeen), gone: moment(loss.gone) },
    next,
    parts: { ...parts },
  };
}

export function renderFindChange(report: FindChangeReport, next: string | null, timeZone: string): string {
  const { moments, where, liveUnknown, schema, name, database } = report;
  const asked = where !== null;
  const rows = moments.map((moment) => [
    moment.id ?? "live",
    formatTime(moment.at, timeZone),
    moment.rows === null ? "-" : formatCount(moment.rows),
    ...(asked ? [moment.matching === null ? "-" : formatCount(moment.matching)] : []),
    describeChange(moment.change),
  ]);
  return [
    `${schema}.${name} of ${database}${asked ? `, rows where ${where}` : ""}`,
    renderTable(
      [
        { title: "BACKUP" },
        { title: "DATA AS OF" },
        { title: "ROWS", right: true },
        ...(asked ? [{ title: "MATCHING", right: true }] : []),
        { title: "CHANGE" },
      ],
      rows,
    ),
    ...(liveUnknown === null ? [] : [`the live database was not looked at: ${liveUnknown}`]),
    ...describeLoss(report, timeZone),
    ...(next === null ? [] : [`bring them back: ${next}`]),
  ].join("\n");
}

function describeLoss({ loss, where }: FindChangeReport, timeZone: string): string[] {
  const what = where === null ? "row" : "matching row";
  if (loss === null) return [`no ${what}s went away between any two of these, by their number`];
  const { lastSeen, gone, before, after } = loss;
  const nameOf = ({ id, at }: Moment): string => `${id ?? "the live database"} (${formatTime(at, timeZone)})`;
  return [
    `${counted(before, what)} last seen in ${nameOf(lastSeen)}, ${after === 0 ? "gone" : `${formatCount(after)} left`} in ${nameOf(gone)}: the deletion lies between`,
  ];
}

function describeChange(change: Change): string {
  switch (change.kind) {
    case "first":
      return "";
    case "same":
      return "same";
    case "other":
      return "as many rows, other contents";
    case "as many":
      return "as many rows";
    case "gone":
      return "the table is gone";
    case "made":
      return "the table is new";
    case "rows":
      return change.by > 0 ? `${formatCount(change.by)} more` : `${formatCount(-change.by)} fewer`;
  }
}
