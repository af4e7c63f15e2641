import { AppError, isAppError } from "../../errors.ts";
import { quoteIdentifier, type Session } from "../../postgres/session.ts";
import { columnsWith, type LiveTable } from "./live-table.ts";
import type { PartsRead } from "./request.ts";

/** A table whose rows out of the backup wait in a temporary table of the session that will insert them. */
export interface Staged {
  readonly live: LiveTable;
  /** Name of the temporary table. */
  readonly stage: string;
  /** The backup's columns, in its order. */
  readonly columns: readonly string[];
  readonly inBackup: number;
  readonly parts: PartsRead;
}

/**
 * Makes the temporary table for rows of a backup, with the live table's types. Fails with `usage` where the columns drifted
 * apart so that nobody can tell what belongs where.
 */
export async function makeStage(
  session: Session,
  live: LiveTable,
  columns: readonly string[],
  number: number,
): Promise<string> {
  requireFitting(live, columns);
  const stage = `pg_temp.handled_stage_${number}`;
  await session.query(
    `create temporary table handled_stage_${number} as select ${columnsWith("t", columns)} from only ${live.quoted} t with no data`,
  );
  return stage;
}

const BESIDE =
  "restore the table beside with `--new-database NAME --table …`, and copy what is needed yourself";

function requireFitting({ quoted, columns, required, keyColumns }: LiveTable, then: readonly string[]): void {
  const gone = then.filter((column) => !columns.includes(column));
  if (gone.length > 0) {
    throw new AppError(
      "usage",
      `bring missing rows back: the live ${quoted} lacks columns of the backup, dropped or renamed since: ${gone.join(", ")}`,
      { hint: BESIDE },
    );
  }
  const without = required.filter((column) => !then.includes(column));
  if (without.length > 0) {
    throw new AppError(
      "usage",
      `bring missing rows back: ${quoted} got columns since the backup that must have a value and have no default: ${without.join(", ")}`,
      { hint: BESIDE },
    );
  }
  const unknown = keyColumns.filter(({ name }) => !then.includes(name)).map(({ name }) => name);
  if (unknown.length > 0) {
    throw new AppError(
      "usage",
      `bring missing rows back: the primary key of ${quoted} is not in the backup: ${unknown.join(", ")}`,
      { hint: BESIDE },
    );
  }
}

/** Loads COPY text of the backup; a value that the live column's type refuses is `usage`. */
export async function copyIntoStage(
  session: Session,
  { live, stage, columns }: Pick<Staged, "live" | "stage" | "columns">,
  encoding: string,
  text: AsyncIterable<Uint8Array>,
): Promise<void> {
  const list = columns.map(quoteIdentifier).join(", ");
  try {
    await session.copyIn(`COPY ${stage} (${list}) FROM STDIN (ENCODING '${encoding}')`, text);
  } catch (error) {
    const state = isAppError(error, "query_failed") ? String(error.details["sqlState"]) : "";
    if (!state.startsWith("22")) throw error;
    throw new AppError(
      "usage",
      `bring missing rows back: a value of the backup does not fit the columns that ${live.quoted} has now`,
      { cause: error, hint: BESIDE },
    );
  }
}

/** What the planner needs, and the comparison by key. */
export async function finishStage(
  session: Session,
  { stage, live }: Pick<Staged, "stage" | "live">,
): Promise<void> {
  await session.query(
    `create index on ${stage} (${live.keyColumns.map(({ name }) => quoteIdentifier(name)).join(", ")})`,
  );
  await session.query(`analyze ${stage}`);
}
