import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted, formatCount } from "../../lib/text.ts";
import { countRows, listRelations } from "../../postgres/catalog.ts";
import { quoteName, type Session } from "../../postgres/session.ts";

export interface ExpectedRows {
  readonly schema: string;
  readonly name: string;
  /** Null: the dump carries no rows of it (a materialized view, which is refreshed). */
  readonly rows: number | null;
}

export interface RowComparison {
  readonly tables: number;
  readonly rows: number;
}

/**
 * Counts every expected table in the restored database. Fails with `rows_differ`, naming the first tables that are
 * missing or have another number of rows.
 */
export async function compareRows(
  runtime: Runtime,
  session: Session,
  expected: readonly ExpectedRows[],
): Promise<RowComparison> {
  const present = new Map(
    (await listRelations(session, null)).map((relation) => [
      quoteName(relation.schema, relation.name),
      relation,
    ]),
  );
  const problems: string[] = [];
  const toCount = expected.flatMap((table) => {
    const name = quoteName(table.schema, table.name);
    const relation = present.get(name);
    if (relation === undefined) problems.push(`${name} is missing`);
    return relation === undefined || table.rows === null ? [] : [relation];
  });
  let done = 0;
  const counts = await countRows(session, toCount, (table) => {
    runtime.reporter.progress({
      phase: "compare",
      bytes: 0,
      tables: done++,
      totalTables: toCount.length,
      table: `${table.schema}.${table.name}`,
    });
  });
  let rows = 0;
  for (const table of expected) {
    const name = quoteName(table.schema, table.name);
    const restored = counts.get(name);
    if (restored === undefined || table.rows === null) continue;
    rows += restored;
    if (restored !== table.rows) {
      problems.push(`${name} has ${formatCount(restored)} rows instead of ${formatCount(table.rows)}`);
    }
  }
  if (problems.length > 0) {
    throw new AppError(
      "rows_differ",
      `compare what was restored: ${counted(problems.length, "difference")}: ${problems.slice(0, 5).join("; ")}`,
      { details: { problems }, hint: "nothing was replaced; try an older backup (`handled list`)" },
    );
  }
  return { tables: toCount.length, rows };
}
