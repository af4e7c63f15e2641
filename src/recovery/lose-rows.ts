import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted } from "../lib/text.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { connect } from "../postgres/session.ts";
import { restoreBackupStep } from "./steps/restore-backup.ts";
import type { Subject } from "./subject.ts";

export interface LossRequest {
  readonly subject: Subject;
  /** A database of a throw-away server, which is not there yet. */
  readonly target: ConnectionSettings;
  readonly backup: string;
  /** Written `schema.table`. */
  readonly tables: readonly string[];
  /** Rows that go; undefined: all of these tables. */
  readonly where: string | undefined;
}

/** What a drill takes for the live database: a copy of it in which rows were deleted. Fails with `usage` for a table that it has not. */
export async function makeCopyWithLoss(
  runtime: Runtime,
  { subject, target, backup, tables, where }: LossRequest,
  signal: AbortSignal,
): Promise<void> {
  runtime.reporter.note(`making a copy of ${subject.database} from ${backup}, in which rows are deleted`);
  await restoreBackupStep(runtime, { subject, target, budgetMs: 0, confirm: null }).run({ backup }, signal);
  await using session = await connect(runtime, target, signal);
  // What refers to them stays as it is, as when somebody did just that.
  await session.query("set session_replication_role = replica");
  for (const table of tables) {
    const [found] = await session.query<{ name: string | null }>(
      "select pg_catalog.to_regclass($1)::pg_catalog.text as name",
      [table],
    );
    if (found?.name == null)
      throw new AppError("usage", `drill ${subject.database}: ${backup} has no table ${table}`, {
        hint: "write it as schema.table, quoted as in SQL where needed",
      });
    const condition = where === undefined ? "" : ` where ${where}`;
    const gone = await session.query(`delete from ${found.name}${condition} returning 1 as n`);
    runtime.reporter.note(`${table}: ${counted(gone.length, "row")} deleted from the copy`);
  }
}
