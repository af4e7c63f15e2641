import type { DumpFacts } from "../../engines/archive/inspect-dump.ts";
import { readBack } from "../../engines/archive/read-back.ts";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { nearest } from "../../lib/text.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ExpectedRows } from "./compare-rows.ts";
import type { ArchiveSource } from "./source.ts";

/** Which part of a backup to bring back; both lists empty means all of it. */
export interface Selection {
  readonly schemas: readonly string[];
  /** `schema.table`, quoted where needed. */
  readonly tables: readonly string[];
}

export const isWhole = (selection: Selection): boolean =>
  selection.schemas.length === 0 && selection.tables.length === 0;

/** An archive that was read from beginning to end and found whole, and what its restore must give. */
export interface CheckedSource {
  readonly source: ArchiveSource;
  readonly facts: DumpFacts;
  readonly expected: readonly ExpectedRows[];
}

/**
 * Reads the archive once before anything is created: size, SHA-256, compression, end marker, and that it holds nothing
 * that would reach beyond the target database. Errors: `backup_damaged`, `not_an_archive`.
 */
export async function checkSource(
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
 * Fails with `schema_missing`, before anything is made, when the archive has nothing in a chosen schema. Tables are
 * looked up in the scratch database: a partitioned one has no rows by itself and cannot be seen here.
 */
export function requireSchemasIn({ expected, facts }: CheckedSource, selection: Selection): void {
  const known = [...new Set([...facts.schemas, ...expected.map((table) => table.schema)])];
  for (const schema of selection.schemas) {
    if (known.includes(schema)) continue;
    const guess = nearest(schema, known);
    throw new AppError("schema_missing", `restore schema ${schema}: no such schema in the backup`, {
      hint: guess === undefined ? `it has: ${known.join(", ")}` : `did you mean ${guess}?`,
    });
  }
}
