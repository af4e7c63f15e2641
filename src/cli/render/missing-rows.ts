import { counted, formatCount, formatDuration } from "../../lib/text.ts";
import type {
  Examples,
  MissingRowsPreview,
  MissingRowsReport,
  TableMissing,
} from "../../operations/missing-rows/request.ts";
import { quoteForShell } from "../../operations/schedule/quoting.ts";
import type { MissingRowsJson } from "../../json/missing-rows.ts";
import { formatTime } from "./time.ts";

export function missingJson({ preview, done }: MissingRowsReport): MissingRowsJson {
  const examples = ({ rows, keys }: Examples) => ({ rows, keys: [...keys] });
  return {
    database: preview.database,
    source: preview.source,
    snapshotAt: preview.snapshotAt?.toISOString() ?? null,
    target: preview.target,
    dryRun: done === null,
    tables: (done?.tables ?? preview.tables).map((table) => ({
      ...table,
      parts: { ...table.parts },
      missing: examples(table.missing),
      changed: examples(table.changed),
      conflicts: table.conflicts.map(({ index, ...rows }) => ({ index, ...examples(rows) })),
      orphans: table.orphans.map(({ constraint, parent, ...rows }) => ({
        constraint,
        parent,
        ...examples(rows),
      })),
      triggers: [...table.triggers],
      added: [...table.added],
    })),
    inserted: done?.rows ?? null,
    undoFile: done?.undoFile ?? null,
    durationMs: done?.durationMs ?? null,
  };
}

/** What would be inserted, before a person agrees to it. */
export function missingPreviewText(preview: MissingRowsPreview, timeZone: string): string[] {
  const { source, snapshotAt, target, tables } = preview;
  const at = snapshotAt === null ? "" : `, data as of ${formatTime(snapshotAt, timeZone)} (${timeZone})`;
  return [`rows missing in ${target}, from ${source}${at}:`, ...tables.flatMap(describeTable)];
}

const such = ({ rows, keys }: Examples): string =>
  keys.length === 0 ? "" : `: ${keys.join(" ")}${rows > keys.length ? " …" : ""}`;

function describeTable(table: TableMissing): string[] {
  const { schema, name, missing, changed, conflicts, orphans, triggers, added, parts } = table;
  const filter =
    parts.fullRead === null
      ? `${parts.read} of ${counted(parts.ranges, "range")} of the backup read, in the others nothing is missing`
      : `all of the backup read: ${parts.fullRead}`;
  return [
    `${schema}.${name}: ${counted(missing.rows, "row")} of ${formatCount(table.inBackup)} missing${such(missing)}`,
    `  ${filter}`,
    ...(changed.rows === 0
      ? []
      : [
          `  ${counted(changed.rows, "row")} with the same key and other contents, left as they are${such(changed)}`,
        ]),
    ...conflicts.map(
      (one) =>
        `  left out, for another row has their value of ${one.index}: ${counted(one.rows, "row")}${such(one)}`,
    ),
    ...orphans.map(
      (one) =>
        `  without parent in ${one.parent} (${one.constraint}): ${counted(one.rows, "row")}${such(one)}; add --table ${quoteForShell(one.parent)}`,
    ),
    ...(missing.rows === 0 || triggers.length === 0
      ? []
      : [`  triggers on insert: ${triggers.join(", ")}; they fire unless \`--disable-triggers\``]),
    ...(added.length === 0 ? [] : [`  not in the backup, so they get their default: ${added.join(", ")}`]),
  ];
}

export function renderMissing({ preview, done }: MissingRowsReport, timeZone: string): string {
  if (done === null)
    return [...missingPreviewText(preview, timeZone), "nothing was changed (dry run)"].join("\n");
  if (done.undoFile === null)
    return [...missingPreviewText(preview, timeZone), "nothing to insert; nothing was changed"].join("\n");
  return [
    ...missingPreviewText({ ...preview, tables: done.tables }, timeZone),
    `${counted(done.rows, "row")} inserted in one transaction, in ${formatDuration(done.durationMs)}`,
    `to undo: psql --set ON_ERROR_STOP=1 --file ${quoteForShell(done.undoFile)} URL`,
  ].join("\n");
}
