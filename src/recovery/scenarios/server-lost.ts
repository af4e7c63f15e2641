import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { Estimate, Plan, Step } from "../plan.ts";
import { applicationSteps } from "../steps/application.ts";
import { assertionSteps } from "../steps/assertions.ts";
import { chooseBackupStep } from "../steps/choose-backup.ts";
import { rebuildSteps } from "../steps/rebuild.ts";
import { restoreBackupStep } from "../steps/restore-backup.ts";
import { serverStep } from "../steps/server.ts";
import { describeTarget, type RecoveryApplication, type Subject } from "../subject.ts";

const MINUTE = 60_000;

export interface ServerLostRequest {
  readonly subject: Subject;
  /** The database that it becomes. */
  readonly target: ConnectionSettings;
  readonly application: RecoveryApplication | null;
  /** What it is made from. */
  readonly from: "backup" | "rebuild";
  /** How long each would take. */
  readonly estimates: readonly Estimate[];
  /** A backup's id, or `latest`; undefined: the newest proven one. */
  readonly backup: string | undefined;
  /** Nothing of production is touched, and nobody is asked. */
  readonly isDrill: boolean;
}

/**
 * The server with the database is gone: its newest proven backup is restored on another one, or on the same set up anew; or it is
 * rebuilt there from its sources. Fails with `usage` where nothing says how it is rebuilt.
 */
export function planServerLost(runtime: Runtime, request: ServerLostRequest): Plan {
  const { subject, target, application, from, estimates, isDrill } = request;
  const { database, timeZone } = subject;
  return {
    scenario: "server-lost",
    databases: [database],
    budgetMs: 240 * MINUTE,
    aim: {
      target: describeTarget(target),
      ...(from === "rebuild" ? { from } : { backup: request.backup ?? "newest proven" }),
    },
    estimates,
    touches: isDrill
      ? []
      : [
          `${describeTarget(target)}: made anew`,
          ...(application?.variable == null ? [] : [`${application.variable.file}: one line`]),
          ...(application?.described.restart == null ? [] : ["the application: started anew"]),
        ],
    steps: [
      ...(from === "rebuild" ? fromSources(runtime, request) : fromBackup(runtime, request)),
      ...assertionSteps(runtime, { subject, target: () => target, budgetMs: 10 * MINUTE }),
      ...(application === null
        ? []
        : applicationSteps(runtime, {
            database,
            application,
            target: () => target,
            timeZone,
            budgetsMs: { switch: 10 * MINUTE, restart: 10 * MINUTE, check: 30 * MINUTE },
            confirm: false,
          })),
    ],
  };
}

function fromBackup(runtime: Runtime, request: ServerLostRequest): Step[] {
  const { subject, target, application, backup, isDrill } = request;
  const what = `restore ${subject.database} into ${describeTarget(target)}`;
  return [
    chooseBackupStep(runtime, subject, backup, 10 * MINUTE),
    serverStep(runtime, { target, budgetMs: 30 * MINUTE, application }),
    restoreBackupStep(runtime, {
      subject,
      target,
      budgetMs: 150 * MINUTE,
      confirm: isDrill ? null : { what, name: subject.database },
    }),
  ];
}

function fromSources(runtime: Runtime, request: ServerLostRequest): Step[] {
  const { subject, target, application, isDrill } = request;
  const what = `rebuild ${subject.database} into ${describeTarget(target)}`;
  const [sources, rebuild] = rebuildSteps(runtime, {
    subject,
    target,
    budgetsMs: { sources: 10 * MINUTE, rebuild: 150 * MINUTE },
    confirm: isDrill ? null : { what, name: subject.database },
  });
  return [serverStep(runtime, { target, budgetMs: 30 * MINUTE, application }), sources, rebuild];
}
