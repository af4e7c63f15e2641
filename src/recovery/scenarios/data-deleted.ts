import type { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { MissingRowsPreview } from "../../operations/missing-rows/request.ts";
import { type ConnectionSettings, withDatabase } from "../../postgres/connection.ts";
import type { Managed, ManagedSource } from "../managed.ts";
import type { Outputs, Plan, Step } from "../plan.ts";
import { applicationCheckSteps, applicationSteps } from "../steps/application.ts";
import { type Deleted, type FindLossRequest, findLossStep } from "../steps/find-loss.ts";
import { findRowsStep } from "../steps/find-rows.ts";
import { missingRowsSteps } from "../steps/missing-rows.ts";
import { forkNames, removeForks } from "../steps/made-forks.ts";
import { providerForkStep } from "../steps/provider-fork.ts";
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
  /** The service that may have them as of a moment, and whether it or a backup is wanted; null where only our backups are asked. */
  readonly service: { readonly managed: Managed; readonly from: ManagedSource } | null;
  readonly isDrill: boolean;
}

/**
 * Rows were deleted by mistake: those that are missing are inserted again, and nothing else is touched. Or all of a table is
 * brought back beside the live database, or a backup takes the place of the database.
 */
export function planDataDeleted(runtime: Runtime, request: DataDeletedRequest): Plan {
  const { subject, live, deleted, service, isDrill } = request;
  const how = howOf(runtime, request);
  return {
    scenario: "data-deleted",
    databases: [subject.database],
    budgetMs: 30 * MINUTE,
    aim: {
      ...aimOf(live, deleted),
      how: how.aim,
      ...(service === null ? {} : { from: service.from ?? "what loses less" }),
    },
    touches: isDrill ? [] : how.touches,
    steps: [
      ...(service === null
        ? [findLossStep(runtime, { subject, live, deleted, change: how.change, budgetMs: 5 * MINUTE })]
        : [
            findRowsStep(runtime, {
              subject,
              ...service,
              live,
              deleted,
              change: how.change,
              isDrill,
              budgetMs: 5 * MINUTE,
            }),
          ]),
      ...how.steps,
    ],
    ...(how.release === undefined ? {} : { release: how.release }),
  };
}

interface How {
  readonly change: FindLossRequest["change"];
  readonly aim: string;
  readonly touches: readonly string[];
  readonly steps: readonly Step[];
  readonly release?: Plan["release"];
}

/** The service's cluster with the rows: made, read, and destroyed again at the end of each run. */
function forkOf(runtime: Runtime, { subject, service, isDrill }: DataDeletedRequest) {
  if (service === null) return { steps: [], touches: [], fork: () => undefined };
  const { managed, from } = service;
  const { price } = managed.settings;
  const forks = new Set<string>();
  let restored: ConnectionSettings | undefined;
  const otherwise = (reason: AppError, outputs: Outputs): Outputs => {
    if (from === "provider" || outputs["backup"] === undefined) throw reason;
    runtime.reporter.warn(`the service is of no use: ${reason.message}`);
    runtime.reporter.note(`going on with ${outputs["backup"]}, a backup of our own`);
    return { source: "backup" };
  };
  const step = providerForkStep(runtime, {
    subject,
    managed,
    isDrill,
    inUse: null,
    budgetMs: 15 * MINUTE,
    otherwise,
    found: async (settings) => {
      restored = settings;
      await Promise.resolve();
    },
    making: (name) => void forks.add(name),
  });
  return {
    steps: [step],
    touches: [
      `the account: a new cluster for as long as this runs, which costs money${price === undefined ? "" : ` (${price})`}`,
    ],
    fork: () => restored,
    release: async (outputs: Outputs) =>
      await removeForks(
        runtime,
        { managed, database: subject.database },
        new Set([...forks, ...forkNames(outputs)]),
      ),
  };
}

function howOf(runtime: Runtime, request: DataDeletedRequest): How {
  const { subject, live, application, deleted, undo, describe, isDrill, whole, beside } = request;
  const { tables } = deleted;
  const target = (): ConnectionSettings => live;
  if (!whole) {
    const asked = { application, target, budgetsMs: { check: 5 * MINUTE } };
    const { steps, touches, fork, release } = forkOf(runtime, request);
    return {
      change: "rows",
      aim: "missing rows",
      touches: [`${tables.join(", ")} of ${describeTarget(live)}: rows are inserted`, ...touches],
      ...(release === undefined ? {} : { release }),
      steps: [
        ...steps,
        ...missingRowsSteps(runtime, {
          subject,
          live,
          deleted,
          undo,
          describe,
          isDrill,
          fork,
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
