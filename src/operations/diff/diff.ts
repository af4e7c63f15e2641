import type { DefinitionDifferences } from "../../engines/snapshot/definitions.ts";
import { isLargeObjects } from "../../engines/snapshot/large-objects.ts";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import { quoteName } from "../../postgres/session.ts";
import type { TableLine } from "../../repository/manifest.ts";
import { markReading } from "../../repository/readers.ts";
import { type BackupDetails, recordFalls, type ShownBackup } from "../show.ts";
import { diffDefinitions, diffLiveDefinitions, type DefinitionsCompared } from "./definitions.ts";
import { diffLive, type LiveRequest } from "./live.ts";
import { diffBelongings, readBelongings } from "./properties.ts";
import { diffRanges } from "./ranges.ts";
import { compareFacts, type DiffReport, type SequenceDiff, type TableDiff } from "./report.ts";
import { factsOf, pairByName, sideOf, snapshotLine } from "./sides.ts";

/**
 * Compares two backups of a database: tables, sequences, definitions. Reads no rows. Where no key opens them, tables are compared by how many
 * rows they have and by their digests, and the rest is named as not compared.
 */
export async function diffBackups(
  runtime: Runtime,
  first: ShownBackup,
  second: ShownBackup,
  signal: AbortSignal,
): Promise<DiffReport> {
  const { database } = first.index;
  if (second.index.database !== database) {
    throw new AppError(
      "usage",
      `compare ${first.index.id} and ${second.index.id}: they are of ${database} and ${second.index.database}`,
      { hint: "name two backups of one database" },
    );
  }
  await using _first = await holdBackup(runtime, first, signal);
  await using _second = await holdBackup(runtime, second, signal);
  const open = isOpen(first) && isOpen(second) ? ([first, second] as const) : undefined;
  const tables: TableDiff[] = [];
  for (const { schema, name, a, b } of pairByName(first.tables, second.tables)) {
    const [before, after] = [snapshotLine(a), snapshotLine(b)];
    const ranges =
      open === undefined || before === undefined || after === undefined
        ? null
        : await diffRanges(
            { runtime, backup: open[0], table: before },
            { runtime, backup: open[1], table: after },
            signal,
          );
    const [one, other] = [factsOf(a), factsOf(b)];
    tables.push({ schema, name, first: one, second: other, same: compareFacts(one, other), ranges });
  }
  const sides = { first: sideOf(first), second: sideOf(second) };
  const refilled = countRefilled([...first.tables, ...second.tables]);
  if (open === undefined) {
    const properties = { onlyFirst: [], onlySecond: [], changed: [] };
    return finish({ database, ...sides, tables, sequences: [], properties }, SEALED, refilled);
  }
  const [a, b] = open;
  const sequences = diffSequences(a.content.sequences, b.content.sequences);
  const definitions = await diffDefinitions(runtime, a, b, signal);
  const properties = diffBelongings(a.content, b.content);
  return finish({ database, ...sides, tables, sequences, properties }, definitions, refilled);
}

/** Compares a backup with the live database, every row of which is read. */
export async function diffWithLive(
  runtime: Runtime,
  backup: BackupDetails,
  request: LiveRequest,
  signal: AbortSignal,
): Promise<DiffReport> {
  await using _held = await holdBackup(runtime, backup, signal);
  const { lockTimeoutMs, connection } = request;
  const { database, schemas } = backup.index;
  const live = await diffLive(
    runtime,
    backup,
    request,
    async (session, snapshot, schemasThere) => {
      const own = await readBelongings(session);
      if (own === null)
        throw new AppError("unexpected", "read the database's properties: it is not in pg_database");
      return {
        definitions: await diffLiveDefinitions(
          runtime,
          backup,
          { session, snapshot, schemas: schemasThere, lockTimeoutMs },
          signal,
        ),
        properties: diffBelongings(backup.content, own),
      };
    },
    signal,
  );
  const { definitions, properties } = live.worked;
  const second = {
    id: null,
    kind: "live",
    database: connection.database,
    schemas,
    at: live.takenAt,
  } as const;
  const sequences = diffSequences(backup.content.sequences, live.sequences);
  const sides = { first: sideOf(backup), second };
  const { tables } = live;
  return finish(
    { database, ...sides, tables, sequences, properties },
    definitions,
    countRefilled(backup.tables),
  );
}

const SEALED = {
  differences: null,
  what: "definitions, sequences, settings and privileges",
  reason: "they are sealed, and no identity is here that opens them",
};

function isOpen(backup: ShownBackup): backup is BackupDetails {
  return backup.content !== null;
}

/** Materialized views, of which a backup has no rows. */
function countRefilled(tables: readonly TableLine[]): number {
  return new Set(
    tables.filter(({ rows }) => rows === null).map(({ schema, name }) => quoteName(schema, name)),
  ).size;
}

/** Keeps a backup from being deleted while it is read, and writes down at the end what of it was damaged. */
async function holdBackup(
  runtime: Runtime,
  backup: ShownBackup,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const { repository, index } = backup;
  const operation = "diff";
  const startedAt = runtime.clock.now();
  const reading = { operation, backups: [index.id] };
  const marker = await markReading(runtime, repository, index.database, reading, signal);
  return {
    [Symbol.asyncDispose]: async () => {
      await recordFalls(runtime, backup, { operation, startedAt }, signal);
      await marker[Symbol.asyncDispose]();
    },
  };
}

interface Sequence {
  readonly schema: string;
  readonly name: string;
  readonly value: string;
  readonly called: boolean;
}

function diffSequences(first: readonly Sequence[], second: readonly Sequence[]): SequenceDiff[] {
  const say = (one: Sequence | undefined): string | null =>
    one === undefined ? null : `${one.value}${one.called ? "" : " (not used yet)"}`;
  return pairByName(first, second)
    .map(({ schema, name, a, b }) => ({ schema, name, first: say(a), second: say(b) }))
    .filter((sequence) => sequence.first !== sequence.second);
}

function finish(
  all: Omit<DiffReport, "definitions" | "notCompared" | "equal">,
  definitions: DefinitionsCompared & { readonly what?: string },
  refilled: number,
): DiffReport {
  const { differences } = definitions;
  const notCompared =
    differences === null ? [{ what: definitions.what ?? "definitions", reason: definitions.reason }] : [];
  // Where the other side has them, an archive may or may not.
  const archive = all.first.kind === "archive" || all.second.kind === "archive";
  const parts = archive ? { ...all, tables: all.tables.filter((table) => !isLargeObjects(table)) } : all;
  if (parts.tables.length < all.tables.length)
    notCompared.push({ what: "large objects", reason: "an archive has them only in its text" });
  const uncertain = parts.tables.filter(({ first, same }) => same === null && first?.rows !== null).length;
  if (uncertain > 0) {
    const reason = "an archive has no digests: as many rows may be other rows";
    notCompared.push({ what: `the rows of ${counted(uncertain, "table")}`, reason });
  }
  if (refilled > 0) {
    const reason = "a backup has none of them, a restore fills such a view anew from other tables";
    notCompared.push({ what: `the rows of ${counted(refilled, "materialized view")}`, reason });
  }
  const differ =
    parts.tables.some(({ same }) => same === false) ||
    parts.sequences.length > 0 ||
    hasDifferences(parts.properties) ||
    (differences !== null && hasDifferences(differences));
  const equal = differ ? false : notCompared.length === 0 ? true : null;
  return { ...parts, definitions: differences, notCompared, equal };
}

function hasDifferences({ onlyFirst, onlySecond, changed }: DefinitionDifferences): boolean {
  return onlyFirst.length > 0 || onlySecond.length > 0 || changed.length > 0;
}
