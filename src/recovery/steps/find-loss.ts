import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted, formatCount } from "../../lib/text.ts";
import { findChange } from "../../operations/find-change/find-change.ts";
import type { Loss } from "../../operations/find-change/report.ts";
import { countUserObjects } from "../../postgres/admin.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect } from "../../postgres/session.ts";
import { requireSameDatabase } from "../identity.ts";
import { output, type Outputs, type Step } from "../plan.ts";
import type { Subject } from "../subject.ts";
import { chooseBackup, chooseBackupBefore, type ChosenBackup } from "./choose-backup.ts";

/** What was deleted, as far as a person knows. */
export interface Deleted {
  /** Written `schema.table`; empty: all of the database is meant. */
  readonly tables: readonly string[];
  /** An SQL condition on the tables' rows; null: all that are missing. */
  readonly where: string | null;
  /** The backup that still has it, by its id; or a moment at which it was still there; undefined: it is looked for. */
  readonly from: string | Date | undefined;
}

export interface FindLossRequest {
  readonly subject: Subject;
  readonly live: ConnectionSettings;
  readonly deleted: Deleted;
  /** What is done to the live database: rows are put into it, a backup takes its place, or nothing. */
  readonly change: "rows" | "all" | "none";
  readonly budgetMs: number;
}

/** Finds the backup that still has what was deleted. The journal keeps which, for the next backup no longer has it. */
export function findLossStep(runtime: Runtime, request: FindLossRequest): Step {
  const { subject, deleted, budgetMs } = request;
  const { database } = subject;
  return {
    id: "find",
    title: `Find the last backup of ${database} from before the deletion`,
    runs:
      deleted.from === undefined
        ? deleted.tables.map((table) => `handled find-change ${database} ${table}`).join("; ")
        : `handled list ${database}`,
    checkedBy: "its index can be read in one of the places",
    budgetMs,
    ifItFails:
      "see what there is with `handled list` and `handled find-change`, and name a backup with `--backup`",
    confirm: null,
    run: async (before, signal): Promise<Outputs> => {
      await requireTheSame(runtime, request, signal);
      const { index, proven } = await findLoss(runtime, request, signal);
      runtime.reporter.note(
        `${index.kind} ${index.id} of ${index.snapshotAt}${proven ? ", proven" : ", never proven"}`,
      );
      return {
        backup: index.id,
        snapshotAt: index.snapshotAt,
        // Of the first time: what was written since is this recovery's.
        since: before["since"] ?? runtime.clock.now().toISOString(),
      };
    },
    check: async (outputs, signal) => {
      await chooseBackup(runtime, subject, output(outputs, "backup"), signal);
    },
  };
}

/** The strategy's URL may lead elsewhere since: to a copy for tests, say. Fails with `rows_differ`. */
export async function requireTheSame(
  runtime: Runtime,
  { subject, live, change }: Pick<FindLossRequest, "subject" | "live" | "change">,
  signal: AbortSignal,
): Promise<void> {
  if (change === "none") return;
  try {
    await requireSameDatabase(runtime, subject, live, signal);
  } catch (error) {
    if (!isAppError(error, "rows_differ")) throw error;
    // There is nothing in it that a backup could replace.
    if (change === "all" && (await isEmpty(runtime, live, signal))) return;
    const dropped =
      change === "rows"
        ? "Where tables were dropped, `--whole` brings them back"
        : `Where it does, \`handled restore ${subject.database} BACKUP --swap\` replaces it all the same`;
    throw new AppError(error.code, error.message, {
      cause: error,
      hint: `does the URL of ${subject.database} lead to the right database? ${dropped}`,
    });
  }
}

async function isEmpty(runtime: Runtime, live: ConnectionSettings, signal: AbortSignal): Promise<boolean> {
  await using session = await connect(runtime, live, signal);
  return (await countUserObjects(session)) === 0;
}

/** Fails with `backup_missing` where no backup of ours has it. */
export async function findLoss(
  runtime: Runtime,
  { subject, live, deleted }: Pick<FindLossRequest, "subject" | "live" | "deleted">,
  signal: AbortSignal,
): Promise<ChosenBackup> {
  const { tables, where, from } = deleted;
  if (typeof from === "string") return await chooseBackup(runtime, subject, from, signal);
  if (from !== undefined) return await chooseBackupBefore(runtime, subject, from, signal);
  const { database, places, jobs } = subject;
  const storages = places.map(({ storage }) => storage);
  const losses: Loss[] = [];
  for (const table of tables) {
    const asked = { database, storages, table, where, from: null, live, lanes: jobs };
    const { schema, name, loss } = await findChange(runtime, asked, signal);
    if (loss === null) continue;
    const { lastSeen, gone, before, after } = loss;
    runtime.reporter.note(
      `${schema}.${name}: ${counted(before, "row")} in ${lastSeen.id} of ${lastSeen.at.toISOString()}, ${formatCount(after)} in ${gone.id ?? "the live database"} of ${gone.at.toISOString()}`,
    );
    losses.push(loss);
  }
  // Of a child and its parent one may have lost rows long before, too.
  const [last] = losses.toSorted((a, b) => b.lastSeen.at.getTime() - a.lastSeen.at.getTime());
  if (last !== undefined) return await chooseBackup(runtime, subject, last.lastSeen.id, signal);
  throw new AppError(
    "backup_missing",
    `find what was deleted from ${tables.join(", ")} of ${database}: no rows went away between any two backups, or since the last, by their number`,
    {
      hint: "`--where SQL` says which rows are meant, where others came in their place; `--backup ID` names the backup that has them",
    },
  );
}
