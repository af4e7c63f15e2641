import { counted, formatBytes, formatCount, formatDuration } from "../../lib/text.ts";
import type { BackupDetails } from "../../operations/show.ts";
import type { ShowJson } from "../json.ts";
import type { Output } from "../output.ts";
import { describeKind, indexJson } from "./backup.ts";
import { renderTable } from "./table.ts";
import { locationKey } from "../../repository/layout.ts";
import { formatAge, formatTime } from "./time.ts";

/** What retention says of the backup; null without a strategy for its database. */
export type Verdict = ShowJson["retention"];

// A terminal's height; `--json` has all of them.
const MOST_TABLES = 20;

export function showJson(details: BackupDetails, retention: Verdict): ShowJson {
  const { index, repository, content, tables } = details;
  const { systemIdentifier, timeline, version, versionNumber, database } = index.server;
  return {
    ...indexJson(index),
    repository: repository.place,
    location: locationOf(details),
    startedAt: index.startedAt,
    writtenBy: index.writtenBy,
    client: index.client,
    server: { version, versionNumber, systemIdentifier, timeline, database },
    serverBytes: index.totals.serverBytes,
    extensions: content.extensions.map(({ name, schema, version: installed }) => ({
      name,
      schema,
      version: installed,
    })),
    roles: content.roles,
    retention,
    tableDetails: tables.map(({ schema, name, rows, bytes }) => ({ schema, name, rows, bytes })),
  };
}

export function renderShow(
  output: Output,
  details: BackupDetails,
  retention: Verdict,
  now: Date,
  timeZone: string,
): string {
  const { index, content, tables } = details;
  const { totals, server } = index;
  const taken = new Date(index.snapshotAt);
  const named = server.database === index.database ? "" : `, database ${server.database}`;
  const extensions = content.extensions.map(({ name, version }) => `${name} ${version}`);
  const lines: [string, string][] = [
    ["Database", index.database],
    [
      "Taken",
      `${formatTime(taken, timeZone)} (${formatAge(taken, now)}), in ${formatDuration(index.durationMs)}`,
    ],
    ["By", index.schedule === null ? "hand" : `the strategy's ${index.schedule}`],
    ["Server", `PostgreSQL ${server.version}${named}`],
    ["Client", index.client],
    ["Written by", index.writtenBy],
    ["Schemas", index.schemas === null ? "the whole database" : index.schemas.join(", ")],
    ["Content", `${counted(totals.rows, "row")} in ${counted(totals.tables, "table")}`],
    [
      "Size",
      `${formatBytes(totals.storedBytes)} (${formatBytes(totals.bytes)} before compression, ${formatBytes(totals.serverBytes)} on the server)`,
    ],
    ["Extensions", extensions.length === 0 ? "none" : extensions.join(", ")],
    ...(index.kind === "archive"
      ? ([
          ["Archive", locationOf(details)],
          ["SHA-256", index.archive.sha256],
        ] as [string, string][])
      : ([["Manifest", locationOf(details)]] as [string, string][])),
    ...(retention === null ? [] : [["Retention", describeVerdict(retention)] as [string, string]]),
  ];
  const width = Math.max(...lines.map(([label]) => label.length));
  return [
    output.paint("bold", `${index.id} (${describeKind(index)})`),
    ...lines.map(([label, value]) => `  ${output.paint("dim", label.padEnd(width))}  ${value}`),
    ...(tables.length === 0 ? [] : ["", renderTables(tables)]),
    ...(tables.length > MOST_TABLES
      ? [`and ${counted(tables.length - MOST_TABLES, "smaller table")}; \`--json\` has all`]
      : []),
  ].join("\n");
}

function locationOf({ repository, index }: BackupDetails): string {
  return `${repository.place}/${locationKey(index)}`;
}

function describeVerdict({ keep, reasons }: NonNullable<Verdict>): string {
  return `${keep ? "stays" : "goes with the next prune"}: ${reasons.join(", ")}`;
}

function renderTables(tables: BackupDetails["tables"]): string {
  return renderTable(
    [{ title: "TABLE" }, { title: "ROWS", right: true }, { title: "SIZE", right: true }],
    tables
      .slice(0, MOST_TABLES)
      .map(({ schema, name, rows, bytes }) => [
        `${schema}.${name}`,
        rows === null ? "-" : formatCount(rows),
        formatBytes(bytes),
      ]),
  );
}
