import type { Runtime } from "../../lib/runtime.ts";
import type { MissingRowsPreview } from "../../operations/missing-rows/request.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { Plan } from "../plan.ts";
import { applicationCheckStep } from "../steps/application.ts";
import { type Deleted, findLossStep } from "../steps/find-loss.ts";
import { missingRowsSteps } from "../steps/missing-rows.ts";
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
  /** What is said of the rows that are missing, line by line. */
  readonly describe: (preview: MissingRowsPreview) => readonly string[];
  readonly isDrill: boolean;
}

/** Rows were deleted by mistake: those that are missing are inserted again, and nothing else is touched. */
export function planDataDeleted(runtime: Runtime, request: DataDeletedRequest): Plan {
  const { subject, live, application, deleted, undo, describe, isDrill } = request;
  const check =
    application === null
      ? null
      : applicationCheckStep({ application, target: () => live, budgetsMs: { check: 5 * MINUTE } });
  return {
    scenario: "data-deleted",
    databases: [subject.database],
    budgetMs: 30 * MINUTE,
    aim: aimOf(live, deleted),
    touches: isDrill ? [] : [`${deleted.tables.join(", ")} of ${describeTarget(live)}: rows are inserted`],
    steps: [
      findLossStep(runtime, { subject, live, deleted, budgetMs: 5 * MINUTE }),
      ...missingRowsSteps(runtime, {
        subject,
        live,
        deleted,
        undo,
        describe,
        isDrill,
        budgetsMs: { look: 5 * MINUTE, insert: 15 * MINUTE },
      }),
      ...(check === null ? [] : [check]),
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
