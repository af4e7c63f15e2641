import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import { copyMissingRows, restoreMissingRows } from "../../operations/missing-rows/missing-rows.ts";
import { recordingMissingRows } from "../../operations/missing-rows/record.ts";
import type { MissingRowsPreview, MissingRowsReport } from "../../operations/missing-rows/request.ts";
import { readingFromPlaces } from "../../operations/reading-places.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { type Confirmation, output, type Outputs, type Step } from "../plan.ts";
import { describeTarget, type Subject } from "../subject.ts";
import type { Deleted } from "./find-loss.ts";
import { isFromProvider } from "./provider-fork.ts";
import { listUndoFiles, removeUndoFiles, runUndoFiles, unusedUndoFile } from "./undo-files.ts";

export interface MissingRowsSteps {
  readonly subject: Subject;
  /** The database in which they are missing. */
  readonly live: ConnectionSettings;
  readonly deleted: Deleted;
  /** Where the statements are kept that take the rows out again: a path without ending. */
  readonly undo: string;
  /** What is said of a preview, line by line. */
  readonly describe: (preview: MissingRowsPreview) => readonly string[];
  readonly isDrill: boolean;
  /** The service's cluster that has the rows; undefined where the steps before have told that a backup has. */
  readonly fork?: () => ConnectionSettings | undefined;
  readonly budgetsMs: { readonly look: number; readonly insert: number };
}

/** Looks which rows of the backup are missing, and brings them back. */
export function missingRowsSteps(runtime: Runtime, request: MissingRowsSteps): Step[] {
  return [lookStep(runtime, request), insertStep(runtime, request)];
}

function lookStep(runtime: Runtime, request: MissingRowsSteps): Step {
  const { subject, live, deleted, describe, budgetsMs } = request;
  return {
    id: "look",
    title: `Look which rows are missing in ${describeTarget(live)}`,
    runs: `handled restore ${subject.database} BACKUP ${typedOf(deleted)} --missing-rows --dry-run`,
    checkedBy: "each is looked for by its primary key; what would keep it from coming back is told",
    budgetMs: budgetsMs.look,
    ifItFails: "name the tables that are referred to as well, or bring all of it back beside with `--whole`",
    confirm: null,
    run: async (outputs, signal): Promise<Outputs> => {
      const { preview } = await bringBack(runtime, request, { outputs, undoFile: null }, signal);
      for (const line of describe(preview)) runtime.reporter.note(line);
      return { missing: missingIn(preview), conflicts: conflictsIn(preview) };
    },
    check: async () => {},
  };
}

function insertStep(runtime: Runtime, request: MissingRowsSteps): Step {
  const { subject, live, deleted, isDrill, budgetsMs, undo } = request;
  const { database } = subject;
  return {
    id: "insert",
    title: `Insert the missing rows into ${describeTarget(live)}`,
    runs: `handled restore ${database} BACKUP ${typedOf(deleted)} --missing-rows`,
    checkedBy: "another look finds none missing",
    budgetMs: budgetsMs.insert,
    ifItFails: "nothing was inserted unless all was: mend what the error says, and go on",
    confirm: isDrill ? null : (outputs) => confirmationOf(request, outputs),
    run: async (outputs, signal): Promise<Outputs> => {
      const undoFile = await unusedUndoFile(undo, outputs);
      const { done } = await bringBack(runtime, request, { outputs, undoFile }, signal);
      const rows = done?.rows ?? 0;
      const kept = (await listUndoFiles(undo, outputs)).join(" and ");
      // Also those of a call that was killed once they were in.
      const how = kept === "" ? "" : `; what takes rows out again is kept in ${kept}`;
      runtime.reporter.note(
        `${rows === 0 ? "none is missing: nothing was inserted" : `${counted(rows, "row")} inserted`}${how}`,
      );
      return { inserted: rows, ...(kept === "" ? {} : { undo: kept }) };
    },
    check: async (outputs, signal) => {
      const { preview } = await bringBack(runtime, request, { outputs, undoFile: null }, signal);
      const missing = missingIn(preview);
      if (missing > 0)
        throw new AppError("rows_differ", `${counted(missing, "row")} of the backup are missing again`, {
          hint: "somebody deletes them just now, or a trigger of the table keeps them out",
        });
      if (isDrill) await removeUndoFiles(undo, outputs);
    },
    back: async (outputs, signal) => {
      for (const file of await runUndoFiles(runtime, undo, { outputs, live }, signal))
        runtime.reporter.note(`${file}: its rows are out of ${describeTarget(live)} again`);
      return true;
    },
  };
}

/** Null where there is nothing to agree to. */
function confirmationOf({ subject, live, deleted }: MissingRowsSteps, outputs: Outputs): Confirmation | null {
  const missing = Number(output(outputs, "missing"));
  if (missing === 0) return null;
  const into = `${deleted.tables.join(", ")} of ${describeTarget(live)}`;
  return { what: `insert ${counted(missing, "row")} into ${into}`, name: subject.database };
}

/** @param how without an undo file nothing is inserted */
async function bringBack(
  runtime: Runtime,
  { subject, live, deleted, isDrill, fork }: MissingRowsSteps,
  { outputs, undoFile }: { readonly outputs: Outputs; readonly undoFile: string | null },
  signal: AbortSignal,
): Promise<MissingRowsReport> {
  const { database, places, lockTimeoutMs, jobs } = subject;
  const wanted = {
    database,
    connection: live,
    tables: deleted.tables,
    where: deleted.where,
    disableTriggers: false,
    lockTimeoutMs,
    jobs,
    dryRun: undoFile === null,
    undoFile: undoFile ?? "",
    confirm: async (preview: MissingRowsPreview) => {
      requireAgreed(preview, outputs);
      await Promise.resolve();
    },
  };
  const connection = isFromProvider(outputs) ? fork?.() : undefined;
  const work = async (): Promise<MissingRowsReport> => {
    if (connection !== undefined) {
      const label = `cluster ${output(outputs, "fork")}`;
      const earlier = { connection, label, at: new Date(output(outputs, "snapshotAt")) };
      return await copyMissingRows(runtime, wanted, earlier, signal);
    }
    const reading = { places, database, which: output(outputs, "backup"), operation: "restore" } as const;
    return await readingFromPlaces(
      runtime,
      reading,
      async ({ storage, which }) => await restoreMissingRows(runtime, { ...wanted, which, storage }, signal),
      signal,
    );
  };
  try {
    // What a drill inserts is in nobody's database.
    return undoFile === null || isDrill
      ? await work()
      : await recordingMissingRows(runtime, { database, places }, work, signal);
  } catch (error) {
    if (!isAppError(error, "schema_missing")) throw error;
    throw new AppError(error.code, error.message, {
      cause: error,
      hint: "a table that is gone comes back whole, with `--whole` added; one that is there is written schema.table",
    });
  }
}

/** More than what was looked at nobody has agreed to. */
function requireAgreed(preview: MissingRowsPreview, outputs: Outputs): void {
  const [now, agreed] = [missingIn(preview), Number(output(outputs, "missing"))];
  if (now <= agreed) return;
  throw new AppError("not_confirmed", `insert ${counted(now, "row")}: only ${agreed} were missing before`, {
    hint: "rows are being deleted just now: stop that, and begin anew with `--restart`",
  });
}

const missingIn = ({ tables }: MissingRowsPreview): number =>
  tables.reduce((sum, { missing }) => sum + missing.rows, 0);

const conflictsIn = ({ tables }: MissingRowsPreview): number =>
  tables.reduce((sum, { conflicts }) => sum + conflicts.reduce((all, { rows }) => all + rows, 0), 0);

function typedOf({ tables, where }: Deleted): string {
  const named = tables.map((table) => `--table ${table}`).join(" ");
  return where === null ? named : `${named} --where '${where.replaceAll("'", `'\\''`)}'`;
}
