import { counted, formatBytes, formatCount } from "../../lib/text.ts";
import type { DefinitionDifferences } from "../../engines/snapshot/definitions.ts";
import { isLargeObjects } from "../../engines/snapshot/large-objects.ts";
import type { DiffReport, DiffSide, TableDiff, TableFacts } from "../../operations/diff/report.ts";
import type { DiffJson } from "../../json/look.ts";
import type { Output } from "../output.ts";
import { renderTable } from "./table.ts";
import { formatTime } from "./time.ts";

// A terminal's height; `--json` has all of them.
const MOST_LINES = 30;

export function diffJson(report: DiffReport): DiffJson {
  const side = ({ at, schemas, ...rest }: DiffSide): DiffJson["first"] => ({
    ...rest,
    schemas: schemas === null ? null : [...schemas],
    at: at.toISOString(),
  });
  const { database, first, second, equal, tables, sequences, definitions, properties, notCompared } = report;
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
    definitions: definitions === null ? null : namesJson(definitions),
    properties: namesJson(properties),
    notCompared: [...notCompared],
  };
}

function namesJson({ onlyFirst, onlySecond, changed }: DefinitionDifferences): DiffJson["properties"] {
  return { onlyFirst: [...onlyFirst], onlySecond: [...onlySecond], changed: [...changed] };
}

export function renderDiff(output: Output, report: DiffReport, timeZone: string): string {
  const describe = ({ id, kind, database, schemas, at }: DiffSide): string => {
    const only = schemas === null ? "" : `, only ${schemas.join(", ")}`;
    return id === null
      ? `the live database ${database} (${formatTime(at, timeZone)}${only})`
      : `${id} (${kind}, ${formatTime(at, timeZone)}${only})`;
  };
  const head = `${output.paint("bold", report.database)}: ${describe(report.first)} → ${describe(report.second)}`;
  const different = report.tables.filter(({ same }) => same === false);
  const equal = report.tables.filter((table) => table.same === true && !isLargeObjects(table)).length;
  const lines = [
    head,
    ...(different.length === 0 ? [] : [renderTables(different)]),
    ...(different.length > MOST_LINES
      ? [`and ${counted(different.length - MOST_LINES, "more table")}; \`--json\` has all`]
      : []),
    ...(equal === 0 ? [] : [`${counted(equal, "table")} ${equal === 1 ? "has" : "have"} the same rows`]),
    ...cut(describeSequences(report)),
    // An extension that is missing is said by both.
    ...cut([...new Set([report.definitions, report.properties].flatMap(describeNames))]),
    ...report.notCompared.map(({ what, reason }) => `not compared: ${what}: ${reason}`),
    ...describeEquality(output, report),
  ];
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

function describeNames(differences: DefinitionDifferences | null): string[] {
  if (differences === null) return [];
  return [
    ...differences.changed.map((name) => `${name} is defined otherwise`),
    ...differences.onlyFirst.map((name) => `${name} is only in the first`),
    ...differences.onlySecond.map((name) => `${name} is only in the second`),
  ];
}

/** With what was looked at, for "the same" says more than that it is. */
function describeEquality(output: Output, { equal, first, definitions }: DiffReport): string[] {
  if (equal === false) return [];
  const compared = `rows, sequences, ${definitions === null ? "" : "definitions, "}settings and privileges`;
  const within = first.schemas === null ? "" : ` of what the backup has: ${first.schemas.join(", ")}`;
  if (equal === null) return [`no difference was found in what was compared (${compared}${within})`];
  return [`${output.paint("green", "✓")} both are the same (${compared}${within})`];
}

function cut(lines: readonly string[]): string[] {
  if (lines.length <= MOST_LINES) return [...lines];
  return [
    ...lines.slice(0, MOST_LINES),
    `and ${formatCount(lines.length - MOST_LINES)} more; \`--json\` has all`,
  ];
}
