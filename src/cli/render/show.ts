import { counted, formatBytes, formatCount, formatDuration } from "../../lib/text.ts";
import type { ShownBackup } from "../../operations/show.ts";
import type { SnapshotIndex, TableLine } from "../../repository/manifest.ts";
import type { ShowJson } from "../../json/look.ts";
import type { Output } from "../output.ts";
import { describeKind, indexJson } from "./backup.ts";
import { describeProof, proofJson } from "./proof.ts";
import { renderTable } from "./table.ts";
import { locationKey } from "../../repository/layout.ts";
import { formatAge, formatTime } from "./time.ts";
import { placeOfKey } from "../../storage/location.ts";

/** What retention says of the backup; null without a strategy for its database. */
export type Verdict = ShowJson["retention"];

// A terminal's height; `--json` has all of them.
const MOST_TABLES = 20;

export function showJson(details: ShownBackup, retention: Verdict): ShowJson {
  const { index, repository, content, tables } = details;
  const { systemIdentifier, timeline, version, versionNumber, database } = index.server;
  return {
    ...indexJson(index),
    repository: repository.place,
    places: [...details.places],
    location: locationOf(details),
    startedAt: index.startedAt,
    writtenBy: index.writtenBy,
    client: index.client,
    server: { version, versionNumber, systemIdentifier, timeline, database },
    serverBytes: index.totals.serverBytes,
    extensions:
      content?.extensions.map(({ name, schema, version: installed }) => ({
        name,
        schema,
        version: installed,
      })) ?? null,
    roles: content?.roles ?? null,
    retention,
    tableDetails: tables.map(tableJson),
    snapshot: index.kind === "snapshot" ? snapshotJson(index) : null,
    proof: proofJson(details.proof),
  };
}

function describeExtensions(extensions: readonly string[] | undefined): string {
  if (extensions === undefined) return "sealed to the recipients: `--identity FILE` shows them";
  return extensions.length === 0 ? "none" : extensions.join(", ");
}

function tableJson(table: TableLine): ShowJson["tableDetails"][number] {
  const { schema, name, rows, bytes } = table;
  const { digest, read, reused, note } = "read" in table ? table : NO_PARTS;
  return { schema, name, rows, bytes, digest, read, reused, note };
}

const NO_PARTS = { digest: null, read: null, reused: null, note: null };

function snapshotJson({ snapshot }: SnapshotIndex): ShowJson["snapshot"] {
  const { readBytes, reusedBytes, newParts, namedBytes, sample, fullRead } = snapshot;
  return { readBytes, reusedBytes, newParts, namedBytes, sample, fullRead };
}

export function renderShow(
  output: Output,
  details: ShownBackup,
  retention: Verdict,
  now: Date,
  timeZone: string,
): string {
  const { index, content, tables } = details;
  const { totals, server } = index;
  const taken = new Date(index.snapshotAt);
  const named = server.database === index.database ? "" : `, database ${server.database}`;
  const extensions = content?.extensions.map(({ name, version }) => `${name} ${version}`);
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
    ["Extensions", describeExtensions(extensions)],
    ...(index.kind === "archive"
      ? ([
          ["Archive", locationOf(details)],
          ["SHA-256", index.archive.sha256],
        ] as [string, string][])
      : ([
          ["Read", describeReading(index)],
          ["Manifest", locationOf(details)],
        ] as [string, string][])),
    ...(details.places.length < 2 ? [] : [["Places", details.places.join(", ")] as [string, string]]),
    ["Proof", describeProof(details.proof, timeZone)],
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

function locationOf({ repository, index }: ShownBackup): string {
  return placeOfKey(repository.place, locationKey(index));
}

function describeVerdict({ keep, reasons }: NonNullable<Verdict>): string {
  return `${keep ? "stays" : "goes with the next prune"}: ${reasons.join(", ")}`;
}

/** How much of a snapshot was read and how much reused, and why nothing could be. */
function describeReading({ snapshot }: SnapshotIndex): string {
  const { parts, readBytes, reusedBytes, sample, fullRead } = snapshot;
  const read = `${counted(parts.read, "part")} (${formatBytes(readBytes)})`;
  if (fullRead !== null) return `${read}, nothing reused: ${fullRead}`;
  const looked = sample.read === 0 ? "" : `, ${counted(sample.read, "reused range")} read again to see`;
  return `${read}, ${counted(parts.reused, "part")} reused (${formatBytes(reusedBytes)})${looked}`;
}

function renderTables(tables: ShownBackup["tables"]): string {
  const shown = tables.slice(0, MOST_TABLES);
  const ofSnapshot = shown.some((table) => "read" in table);
  return renderTable(
    [
      { title: "TABLE" },
      { title: "ROWS", right: true },
      { title: "SIZE", right: true },
      ...(ofSnapshot
        ? [{ title: "READ", right: true }, { title: "REUSED", right: true }, { title: "NOTE" }]
        : []),
    ],
    shown.map((table) => [
      `${table.schema}.${table.name}`,
      table.rows === null ? "-" : formatCount(table.rows),
      formatBytes(table.bytes),
      ...("read" in table
        ? [formatBytes(table.read.bytes), formatBytes(table.reused.bytes), table.note ?? ""]
        : []),
    ]),
  );
}
