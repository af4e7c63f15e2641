import { counted, formatBytes, formatCount } from "../../lib/text.ts";
import type { DiffReport, DiffSide, TableDiff, TableFacts } from "../../operations/diff/report.ts";
import type { DiffJson } from "../json.ts";
import type { Output } from "../output.ts";
import { renderTable } from "./table.ts";
import { formatTime } from "./time.ts";

// A terminal's height; `--json` has all of them.
const MOST_LINES = 30;

export function diffJson(report: DiffReport): DiffJson {
  const side = ({ id, kind, at }: DiffSide): DiffJson["first"] => ({ id, kind, at: at.toISOString() });
  const { database, first, second, equal, tables, sequences, definitions, notCompared } = report;
  return {
    database,
    first: side(first),
    second: side(second),
    equal,
    tables: tables.map((table) => ({
      ...table,
      ranges:
        table.ranges === null
          ? null
          : {
              total: table.ranges.total,
              changed: table.ranges.changed.map(({ from, to }) => ({ from, to })),
            },
    })),
    sequences: [...sequences],
    definitions:
      definitions === null
        ? null
        : {
            onlyFirst: [...definitions.onlyFirst],
            onlySecond: [...definitions.onlySecond],
            changed: [...definitions.changed],
          },
    notCompared: [...notCompared],
  };
}

export function renderDiff(output: Output, report: DiffReport, timeZone: string): string {
  const describe = ({ id, kind, at }: DiffSide): string =>
    id === null
      ? `the live database (${formatTime(at, timeZone)})`
      : `${id} (${kind}, ${formatTime(at, timeZone)})`;
  const head = `${output.paint("bold", report.database)}: ${describe(report.first)} → ${describe(report.second)}`;
  const different = report.tables.filter(({ same }) => same === false);
  const equal = report.tables.filter(({ same }) => same === true).length;
  const lines = [
    head,
    ...(different.length === 0 ? [] : [renderTables(different)]),
    ...(different.length > MOST_LINES
      ? [`and ${counted(different.length - MOST_LINES, "more table")}; \`--json\` has all`]
      : []),
    ...(equal === 0 ? [] : [`${counted(equal, "table")} ${equal === 1 ? "has" : "have"} the same rows`]),
    ...cut(describeSequences(report)),
    ...cut(describeDefinitions(report)),
    ...report.notCompared.map(({ what, reason }) => `not compared: ${what}: ${reason}`),
  ];
  if (report.equal === true) lines.push(`${output.paint("green", "✓")} both are the same`);
  return lines.join("\n");
}

function renderTables(tables: readonly TableDiff[]): string {
  return renderTable(
    [
      { title: "TABLE" },
      { title: "ROWS", right: true },
      { title: "SIZE", right: true },
      { title: "CHANGED" },
    ],
    tables
      .slice(0, MOST_LINES)
      .map(({ schema, name, first, second, ranges }) => [
        `${schema}.${name}`,
        change(first, second, ({ rows }) => (rows === null ? "-" : formatCount(rows))),
        change(first, second, ({ bytes }) => formatBytes(bytes)),
        ranges === null || ranges.total === null
          ? ""
          : `${formatCount(ranges.changed.length)} of ${counted(ranges.total, "range")}`,
      ]),
  );
}

function change(
  first: TableFacts | null,
  second: TableFacts | null,
  show: (facts: TableFacts) => string,
): string {
  const [before, after] = [first === null ? "none" : show(first), second === null ? "none" : show(second)];
  return before === after ? before : `${before} → ${after}`;
}

function describeSequences({ sequences }: DiffReport): string[] {
  return sequences.map(
    ({ schema, name, first, second }) =>
      `sequence ${schema}.${name}: ${first ?? "none"} → ${second ?? "none"}`,
  );
}

function describeDefinitions({ definitions }: DiffReport): string[] {
  if (definitions === null) return [];
  return [
    ...definitions.changed.map((name) => `${name} is defined otherwise`),
    ...definitions.onlyFirst.map((name) => `${name} is only in the first`),
    ...definitions.onlySecond.map((name) => `${name} is only in the second`),
  ];
}

function cut(lines: readonly string[]): string[] {
  if (lines.length <= MOST_LINES) return [...lines];
  return [
    ...lines.slice(0, MOST_LINES),
    `and ${formatCount(lines.length - MOST_LINES)} more; \`--json\` has all`,
  ];
}
