import type { DumpFacts } from "../engines/archive/inspect-dump.ts";
import { oneLine } from "../engines/snapshot/export-text.ts";
import { isLargeObjects } from "../engines/snapshot/large-objects.ts";
import { AppError } from "../errors.ts";
import { counted, formatCount } from "../lib/text.ts";

interface ExpectedTable {
  readonly schema: string;
  readonly name: string;
  /** Null where a dump carries none. */
  readonly rows: number | null;
}

/**
 * Fails with `backup_damaged` unless a dump's text holds the rows that the backup has, table by table.
 * @param samePartitions false where rows may have gone to other partitions: then all rows together are compared
 */
export function compareExported(
  facts: DumpFacts,
  expected: readonly ExpectedTable[],
  samePartitions: boolean,
): void {
  const found = new Map<string, number>();
  for (const table of facts.tables) add(found, samePartitions ? table : ALL, table.rows);
  const wanted = new Map<string, number>();
  for (const table of expected) {
    if (table.rows !== null && !isLargeObjects(table)) add(wanted, samePartitions ? table : ALL, table.rows);
  }
  const problems: string[] = [];
  for (const name of new Set([...found.keys(), ...wanted.keys()])) {
    const [have, want] = [found.get(name), wanted.get(name)];
    if (have !== want)
      problems.push(`${name}: ${describe(have)} in the file, ${describe(want)} in the backup`);
  }
  if (problems.length === 0) return;
  throw new AppError(
    "backup_damaged",
    `compare the file with the backup: ${counted(problems.length, "table")} differ: ${problems.slice(0, 5).join("; ")}`,
    {
      details: { problems },
      hint: "the file was discarded; `handled verify` says whether the backup is whole",
    },
  );
}

const ALL = { schema: "all", name: "tables" };

/** By the name as a comment in a dump has it: partitions that are loaded through their root are told apart by that. */
function add(
  counts: Map<string, number>,
  { schema, name }: { schema: string; name: string },
  rows: number,
): void {
  const key = `${oneLine(schema)}.${oneLine(name)}`;
  counts.set(key, (counts.get(key) ?? 0) + rows);
}

const describe = (rows: number | undefined): string => (rows === undefined ? "none" : formatCount(rows));
