import type { Runtime } from "../../lib/runtime.ts";
import type { MissingRowsPreview } from "../../operations/missing-rows/request.ts";
import { type ConnectionSettings, withDatabase } from "../../postgres/connection.ts";
import type { Plan, Step } from "../plan.ts";
import { applicationCheckSteps, applicationSteps } from "../steps/application.ts";
import { type Deleted, type FindLossRequest, findLossStep } from "../steps/find-loss.ts";
import { missingRowsSteps } from "../steps/missing-rows.ts";
import { restoreBackupStep } from "../steps/restore-backup.ts";
import { swapBackupStep } from "../steps/swap-backup.ts";
import { describeTarget, type RecoveryApplication, type Subject } from "../subject.ts";

const MINUTE = 60_000;

export interface DataDeletedRequest {
  readonly subject: Subject;
  /** The database in which something is missing. */
  readonly live: ConnectionSettings;
  readonly application: RecoveryApplication | null;
  readonly deleted: Deleted;
  /** Where the statements are kept that take the rows out again: a path without ending. */
  readonly undo: string;
  /** Instead of rows: the tables, or all of the database where none is named, as the backup has them. */
  readonly whole: boolean;
  /** With `whole`: the new database that tables are restored into, beside the live one. */
  readonly beside: string;
  /** What is said of the rows that are missing, line by line. */
  readonly describe: (preview: MissingRowsPreview) => readonly string[];
  readonly isDrill: boolean;
}

/**
 * Rows were deleted by mistake: those that are missing are inserted again, and nothing else is touched. Or all of a table is
 * brought back beside the live database, or a backup takes the place of the database.
 */
export function planDataDeleted(runtime: Runtime, request: DataDeletedRequest): Plan {
  const { subject, live, deleted, isDrill } = request;
  const how = howOf(runtime, request);
  return {
    scenario: "data-deleted",
    databases: [subject.database],
    budgetMs: 30 * MINUTE,
    aim: { ...aimOf(live, deleted), how: how.aim },
    touches: isDrill ? [] : how.touches,
    steps: [
      findLossStep(runtime, { subject, live, deleted, change: how.change, budgetMs: 5 * MINUTE }),
      ...how.steps,
    ],
  };
}

interface How {
  readonly change: FindLossRequest["change"];
  readonly aim: string;
  readonly touches: readonly string[];
  readonly steps: readonly Step[];
}

function howOf(runtime: Runtime, request: DataDeletedRequest): How {
  const { subject, live, application, deleted, undo, describe, isDrill, whole, beside } = request;
  const { tables } = deleted;
  const target = (): ConnectionSettings => live;
  if (!whole) {
    const asked = { application, target, budgetsMs: { check: 5 * MINUTE } };
    return {
      change: "rows",
      aim: "missing rows",
      touches: [`${tables.join(", ")} of ${describeTarget(live)}: rows are inserted`],
      steps: [
        ...missingRowsSteps(runtime, {
          subject,
          live,
          deleted,
          undo,
          describe,
          isDrill,
          budgetsMs: { look: 5 * MINUTE, insert: 15 * MINUTE },
        }),
        ...applicationCheckSteps(asked),
      ],
    };
  }
  if (tables.length > 0) {
    const to = withDatabase(live, beside);
    return {
      change: "none",
      aim: `whole tables, into ${describeTarget(to)}`,
      touches: [`${describeTarget(to)}: made anew; the live database stays as it is`],
      steps: [
        restoreBackupStep(runtime, {
          subject,
          target: to,
          budgetMs: 25 * MINUTE,
          confirm: null,
          tables,
          elsewhere: "--new-database",
        }),
      ],
    };
  }
  // Its address stays.
  const staying = application === null ? null : { ...application, variable: null };
  return {
    change: "all",
    aim: "all of the database, in its place",
    touches: [
      `${describeTarget(live)}: replaced, and kept under another name`,
      ...(staying?.described.restart == null ? [] : ["the application: started anew"]),
    ],
    steps: [
      swapBackupStep(runtime, { subject, live, isDrill, budgetMs: 15 * MINUTE }),
      ...(staying === null
        ? []
        : applicationSteps(runtime, {
            database: subject.database,
            application: staying,
            target,
            timeZone: subject.timeZone,
            budgetsMs: { switch: 0, restart: 5 * MINUTE, check: 5 * MINUTE },
            confirm: false,
          })),
    ],
  };
}

function aimOf(live: ConnectionSettings, { tables, where, from }: Deleted): Plan["aim"] {
  return {
    target: describeTarget(live),
    what: tables.length === 0 ? "all of it" : tables.join(", "),
    ...(where === null ? {} : { where }),
    backup:
      from instanceof Date ? `of ${from.toISOString()} or before` : (from ?? "last before the deletion"),
  };
}
