import { Readable } from "node:stream";
import type { DumpFacts } from "../../engines/archive/inspect-dump.ts";
import { readBack } from "../../engines/archive/read-back.ts";
import { isLargeObjects } from "../../engines/snapshot/large-objects.ts";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { nearest } from "../../lib/text.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import { quoteName } from "../../postgres/quoting.ts";
import { firstSound } from "../../repository/first-sound.ts";
import type { Storage } from "../../storage/storage.ts";
import type { ExpectedRows } from "./compare-rows.ts";
import { checkParts } from "./check-parts.ts";
import type { ArchiveSource, BackupSource, SnapshotSource } from "./source.ts";

/** Which part of a backup to bring back; both lists empty means all of it. */
export interface Selection {
  readonly schemas: readonly string[];
  /** `schema.table`, quoted where needed. */
  readonly tables: readonly string[];
}

export const isWhole = (selection: Selection): boolean =>
  selection.schemas.length === 0 && selection.tables.length === 0;

/** A backup that was found whole, as far as that can be said before it is restored, and what its restore must give. */
export interface CheckedSource {
  readonly source: BackupSource;
  /** What the archive's text says, or for a snapshot that of its definitions. */
  readonly facts: DumpFacts;
  readonly expected: readonly ExpectedRows[];
}

/**
 * Looks at a backup before anything is created. Errors: `backup_damaged`, `not_an_archive`.
 * @param selection of a snapshot only the chosen part is looked at
 */
export async function checkSource(
  runtime: Runtime,
  source: BackupSource,
  selection: Selection,
  client: PostgresClient,
  signal: AbortSignal,
): Promise<CheckedSource> {
  return source.kind === "archive"
    ? await checkArchive(runtime, source, client, signal)
    : await checkSnapshot(runtime, source, selection, client, signal);
}

/**
 * Reads the archive once: size, SHA-256, compression, end marker, and that it holds nothing that would reach beyond the
 * target database.
 */
async function checkArchive(
  runtime: Runtime,
  source: ArchiveSource,
  client: PostgresClient,
  signal: AbortSignal,
): Promise<CheckedSource> {
  if (source.manifest === null) return await readArchive(runtime, source, client, signal);
  // Read here, and once more when it is loaded: then from the place where it was found whole.
  const { repository, index } = source.manifest;
  const read = async (from: Storage): Promise<CheckedSource> => {
    const open = (openSignal: AbortSignal): Promise<Readable> => from.open(index.archive.key, openSignal);
    return await readArchive(runtime, { ...source, open }, client, signal);
  };
  return await firstSound(repository.storage, read, signal);
}

async function readArchive(
  runtime: Runtime,
  source: ArchiveSource,
  client: PostgresClient,
  signal: AbortSignal,
): Promise<CheckedSource> {
  const { manifest } = source;
  const facts = await readBack(
    runtime,
    {
      open: source.open,
      format: source.format,
      compression: source.compression,
      client,
      expected:
        manifest === null
          ? undefined
          : { size: manifest.index.archive.size, sha256: manifest.index.archive.sha256 },
    },
    signal,
  );
  // A foreign dump made with --inserts has no COPY blocks to count; there is nothing to compare then.
  const expected = manifest?.tables ?? facts.tables;
  return { source, facts, expected };
}

/**
 * Reads the definitions, and looks whether every part is there in its size. The parts' bytes are compared while they are
 * loaded: reading all of them twice would take longer than the restore.
 */
async function checkSnapshot(
  runtime: Runtime,
  source: SnapshotSource,
  selection: Selection,
  client: PostgresClient,
  signal: AbortSignal,
): Promise<CheckedSource> {
  const { tables, content } = source.manifest;
  const definitions = Buffer.from(content.schemaArchive, "base64");
  const facts = await readBack(
    runtime,
    {
      open: () => Promise.resolve(Readable.from([definitions])),
      format: "custom",
      compression: "gzip",
      client,
      expected: undefined,
    },
    signal,
  );
  await checkParts(source, namedTables(tables, selection) ?? tables, signal);
  return { source, facts, expected: tables.filter((table) => !isLargeObjects(table)) };
}

/** The lines of a snapshot's tables that a selection names; null when they cannot be told before they are restored. */
export function namedTables<T extends { readonly schema: string; readonly name: string }>(
  tables: readonly T[],
  { schemas, tables: named }: Selection,
): readonly T[] | null {
  if (named.length === 0 && schemas.length === 0) return tables;
  // A partitioned table has no line of its own, and only a database tells which are its partitions.
  const all = named.every((text) => tables.some((table) => isWrittenAs(table, text)));
  if (!all) return null;
  return tables.filter(
    (table) => schemas.includes(table.schema) || named.some((text) => isWrittenAs(table, text)),
  );
}

/** Whether a text names the table, plainly or quoted as SQL does. */
export function isWrittenAs({ schema, name }: { schema: string; name: string }, text: string): boolean {
  return text === `${schema}.${name}` || text === quoteName(schema, name);
}

/** Fails with `schema_missing`, before anything is made, when the backup has not what was chosen of it. */
export function requireChosen({ expected, facts }: CheckedSource, selection: Selection): void {
  requireSchemasIn(facts, expected, selection.schemas);
  const tables = [...facts.relations, ...expected];
  // Where names are in an encoding that nobody here can read, the scratch database will tell.
  if (tables.some(({ schema, name }) => `${schema}${name}`.includes("\ufffd"))) return;
  for (const text of selection.tables) {
    if (!tables.some((table) => isWrittenAs(table, text))) throw noSuchTable(tables, text);
  }
}

/** @param tables what there is */
export function noSuchTable(
  tables: readonly { readonly schema: string; readonly name: string }[],
  text: string,
): AppError {
  const guess = nearest(
    text,
    tables.map(({ schema, name }) => `${schema}.${name}`),
  );
  return new AppError("schema_missing", `restore table ${text}: no such table in the backup`, {
    hint: guess === undefined ? HOW_TO_WRITE : `did you mean ${guess}?`,
  });
}

export const HOW_TO_WRITE = `write it as schema.table, quoted as in SQL where needed: '"my schema"."my table"'`;

function requireSchemasIn(
  facts: DumpFacts,
  expected: readonly ExpectedRows[],
  schemas: readonly string[],
): void {
  const known = [...new Set([...facts.schemas, ...expected.map((table) => table.schema)])];
  for (const schema of schemas) {
    if (known.includes(schema)) continue;
    const guess = nearest(schema, known);
    throw new AppError("schema_missing", `restore schema ${schema}: no such schema in the backup`, {
      hint: guess === undefined ? `it has: ${known.join(", ")}` : `did you mean ${guess}?`,
    });
  }
}
