import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { compareRows, type RowComparison } from "../../operations/restore/compare-rows.ts";
import { namedTables, type Selection } from "../../operations/restore/plan.ts";
import { connectBeside, countUserObjects, databaseExists } from "../../postgres/admin.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect } from "../../postgres/session.ts";
import { type Confirmation, output, type Outputs, type Step } from "../plan.ts";
import { isRestoredHere, keepRestored } from "../restored-here.ts";
import { describeTarget, type Subject } from "../subject.ts";
import { manifestFromPlaces, restoreFromPlaces } from "./stored-backup.ts";

/** The output that says that this recovery found the database empty, or not there: what is in it since is its own. */
const WAS_EMPTY = "wasEmpty";

export interface RestoreStepRequest {
  readonly subject: Subject;
  /** The database that it becomes: not there yet, or empty. */
  readonly target: ConnectionSettings;
  readonly budgetMs: number;
  readonly confirm: Confirmation | null;
  /** Only these tables of it; undefined: all. */
  readonly tables?: readonly string[];
  /** The option that names another database to restore into; null where there is none. */
  readonly elsewhere?: string | null;
}

/**
 * Restores the chosen backup. Where an earlier call has done that already, what is there is compared and stays. By their
 * number alone rows of another backup, or of a copy for tests, may be the same: what no recovery has restored is never taken for it.
 */
export function restoreBackupStep(
  runtime: Runtime,
  { subject, target, budgetMs, confirm, tables: chosen = [], elsewhere = "--to" }: RestoreStepRequest,
): Step {
  const { database } = subject;
  const selection = { schemas: [], tables: chosen };
  // What this process has compared a moment ago is not compared again.
  let compared = false;
  const compare = async (outputs: Outputs, signal: AbortSignal): Promise<RowComparison> => {
    const found = await compareWithBackup(
      runtime,
      subject,
      { which: output(outputs, "backup"), target, selection },
      signal,
    );
    compared = true;
    return found;
  };
  return {
    id: "restore",
    title: `Restore ${chosen.length === 0 ? database : chosen.join(", ")} into ${describeTarget(target)}`,
    runs: `handled restore ${database} BACKUP${chosen.map((table) => ` --table ${table}`).join("")} --to postgresql://…/${target.database}`,
    checkedBy: "the rows of every table are counted and compared with the backup",
    budgetMs,
    ifItFails:
      elsewhere === null
        ? "mend what the error says, and go on"
        : `mend what the error says, or name another database with \`${elsewhere}\`, and go on`,
    confirm,
    prepare: async (outputs, signal) =>
      outputs[WAS_EMPTY] === undefined && !(await isFilled(runtime, target, signal))
        ? { [WAS_EMPTY]: "yes" }
        : {},
    run: async (outputs, signal) => {
      const wasEmpty = outputs[WAS_EMPTY] === undefined ? {} : { [WAS_EMPTY]: "yes" };
      const backup = output(outputs, "backup");
      if (await isFilled(runtime, target, signal)) {
        const asked = {
          target,
          elsewhere,
          isOurs: async () => await isOurs(runtime, target, outputs, signal),
        };
        const { tables, rows } = await compareIfOurs(compare, outputs, asked, signal);
        runtime.reporter.note(`${describeTarget(target)} has all rows of the backup already`);
        return { ...wasEmpty, tables, rows };
      }
      const { tables, rows } = await restoreFromPlaces(
        runtime,
        subject,
        {
          which: backup,
          connection: target,
          target: { kind: "to" },
          selection,
          isRecorded: true,
        },
        signal,
      ).catch((error: unknown) => {
        throw wayAround(database, error);
      });
      await using session = await connect(runtime, target, signal);
      await keepRestored(runtime, session, backup);
      compared = true;
      return { ...wasEmpty, tables, rows };
    },
    check: async (outputs, signal) => {
      if (compared) return;
      const restored = async (): Promise<RowComparison> => await compare(outputs, signal);
      // It was compared when it was restored; since then an application may have begun to work on it.
      if (outputs["rows"] === undefined) await restored();
      else await compareLive(runtime, restored);
    },
  };
}

/** What is damaged stays so, however often it is tried: another backup is the way on, and a person chooses what may be lost. */
function wayAround(database: string, error: unknown): unknown {
  if (!isAppError(error, "backup_damaged")) return error;
  return new AppError(error.code, error.message, {
    hint: `this backup cannot be restored as it is: \`handled list ${database}\` shows the others, and \`--backup ID --restart\` takes one; what came after that one is lost`,
    details: error.details,
    cause: error,
  });
}

/** A backup, or some tables of it, in a database. */
interface Restored {
  readonly which: string;
  readonly target: ConnectionSettings;
  readonly selection: Selection;
}

/** Whether something is in the database already; fails as connecting to its server does. */
async function isFilled(runtime: Runtime, target: ConnectionSettings, signal: AbortSignal): Promise<boolean> {
  {
    await using beside = await connectBeside(runtime, target, [target.database], signal);
    if (!(await databaseExists(beside, target.database))) return false;
  }
  await using session = await connect(runtime, target, signal);
  return (await countUserObjects(session)) > 0;
}

/** By this recovery, or by one that has ended since, was undone, or was begun anew. */
async function isOurs(
  runtime: Runtime,
  target: ConnectionSettings,
  outputs: Outputs,
  signal: AbortSignal,
): Promise<boolean> {
  if (outputs[WAS_EMPTY] !== undefined) return true;
  await using session = await connect(runtime, target, signal);
  return await isRestoredHere(runtime, session, output(outputs, "backup"));
}

/** What is there and is not the backup is not ours to replace. */
async function compareIfOurs(
  compare: (outputs: Outputs, signal: AbortSignal) => Promise<RowComparison>,
  outputs: Outputs,
  {
    target,
    elsewhere,
    isOurs,
  }: {
    readonly target: ConnectionSettings;
    readonly elsewhere: string | null;
    readonly isOurs: () => Promise<boolean>;
  },
  signal: AbortSignal,
): Promise<RowComparison> {
  const refuse = (why: string, cause?: AppError): AppError =>
    new AppError("target_exists", `restore into ${describeTarget(target)}: it is not empty, and ${why}`, {
      hint:
        elsewhere === null
          ? "rename that database or drop it, and go on"
          : `is it the right server? If the database is there and only its rows are wrong, that is \`data-deleted\`, or \`handled restore --swap\`; otherwise name a new database with \`${elsewhere}\``,
      cause,
    });
  try {
    const found = await compare(outputs, signal);
    if (await isOurs()) return found;
  } catch (error) {
    if (!isAppError(error, "rows_differ")) throw error;
    throw refuse(`not what the backup has: ${error.message}`, error);
  }
  throw refuse(
    "no recovery of this machine has restored it: it has as many rows as the backup, but whether they are the same nobody knows",
  );
}

/** Compares a database that is in use: tables that are missing are an error, other numbers of rows are told. */
export async function compareLive(runtime: Runtime, compare: () => Promise<RowComparison>): Promise<void> {
  try {
    await compare();
  } catch (error) {
    if (!isAppError(error, "rows_differ") || error.details["missing"] !== 0) throw error;
    runtime.reporter.warn(`${error.message}; somebody works on it already`);
  }
}

/** Counts the rows of every table, and fails with `rows_differ` where they are not those of the backup. */
export async function compareWithBackup(
  runtime: Runtime,
  subject: Subject,
  { which, target, selection }: Restored,
  signal: AbortSignal,
): Promise<RowComparison> {
  const manifest = await manifestFromPlaces(runtime, subject, which, signal);
  if (manifest === null)
    throw new AppError("unexpected", `compare ${subject.database}: ${which} is no backup of ours`);
  await using session = await connect(runtime, target, signal);
  const expected = namedTables(manifest.tables, selection) ?? manifest.tables;
  return await compareRows(runtime, session, expected);
}
