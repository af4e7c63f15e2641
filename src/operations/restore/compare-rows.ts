import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted, formatCount } from "../../lib/text.ts";
import { readConfigurationConditions } from "../../postgres/catalog.ts";
import { readRelationRoots } from "../../postgres/relation-roots.ts";
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
 * Counts every expected table in the restored database; partitions are compared as one table. Fails with `rows_differ`,
 * naming the first tables that are missing (`details.missing` tells how many) or have another number of rows.
 */
export async function compareRows(
  runtime: Runtime,
  session: Session,
  expected: readonly ExpectedRows[],
): Promise<RowComparison> {
  const roots = await readRelationRoots(session);
  const conditions = await readConfigurationConditions(session);
  const problems = expected
    .map((table) => quoteName(table.schema, table.name))
    .filter((name) => !roots.has(name))
    .map((name) => `${name} is missing`);
  const missing = problems.length;
  const toCount = expected.filter((table) => table.rows !== null);
  const sums = new Map<string, { expected: number; restored: number }>();
  for (const [done, table] of toCount.entries()) {
    const name = quoteName(table.schema, table.name);
    const root = roots.get(name);
    if (root === undefined) continue;
    runtime.reporter.progress({
      phase: "compare",
      bytes: 0,
      tables: done,
      totalTables: toCount.length,
      table: `${table.schema}.${table.name}`,
    });
    const sum = sums.get(root) ?? { expected: 0, restored: 0 };
    sum.expected += table.rows ?? 0;
    sum.restored += await countTable(session, name, conditions.get(name) ?? "");
    sums.set(root, sum);
  }
  for (const [name, sum] of sums) {
    if (sum.restored === sum.expected) continue;
    problems.push(`${name} has ${formatCount(sum.restored)} rows instead of ${formatCount(sum.expected)}`);
  }
  if (problems.length > 0) {
    throw new AppError(
      "rows_differ",
      `compare what was restored: ${counted(problems.length, "difference")}: ${problems.slice(0, 5).join("; ")}`,
      { details: { problems, missing }, hint: "nothing was replaced; try an older backup (`handled list`)" },
    );
  }
  const rows = [...sums.values()].reduce((total, sum) => total + sum.restored, 0);
  return { tables: toCount.length, rows };
}

async function countTable(session: Session, name: string, condition: string): Promise<number> {
  const [row] = await session.query<{ count: string }>(
    `select count(*) as count from only ${name} ${condition}`,
  );
  return Number(row?.count);
}
