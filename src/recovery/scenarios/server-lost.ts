import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { Plan } from "../plan.ts";
import { applicationSteps } from "../steps/application.ts";
import { chooseBackupStep } from "../steps/choose-backup.ts";
import { restoreBackupStep } from "../steps/restore-backup.ts";
import { serverStep } from "../steps/server.ts";
import { describeTarget, type RecoveryApplication, type Subject } from "../subject.ts";

const MINUTE = 60_000;

export interface ServerLostRequest {
  readonly subject: Subject;
  /** The database that it becomes. */
  readonly target: ConnectionSettings;
  readonly application: RecoveryApplication | null;
  /** A backup's id, or `latest`; undefined: the newest proven one. */
  readonly backup: string | undefined;
  /** Nothing of production is touched, and nobody is asked. */
  readonly isDrill: boolean;
}

/** The server with the database is gone: its newest proven backup is restored on another one, or on the same set up anew. */
export function planServerLost(runtime: Runtime, request: ServerLostRequest): Plan {
  const { subject, target, application, backup, isDrill } = request;
  const { database, timeZone } = subject;
  const what = `restore ${database} into ${describeTarget(target)}`;
  return {
    scenario: "server-lost",
    databases: [database],
    budgetMs: 240 * MINUTE,
    aim: { target: describeTarget(target), backup: backup ?? "newest proven" },
    touches: isDrill
      ? []
      : [
          `${describeTarget(target)}: made anew`,
          ...(application?.variable == null ? [] : [`${application.variable.file}: one line`]),
          ...(application?.described.restart == null ? [] : ["the application: started anew"]),
        ],
    steps: [
      chooseBackupStep(runtime, subject, backup, 10 * MINUTE),
      serverStep(runtime, { target, budgetMs: 30 * MINUTE }),
      restoreBackupStep(runtime, {
        subject,
        target,
        budgetMs: 150 * MINUTE,
        confirm: isDrill ? null : { what, name: database },
      }),
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
