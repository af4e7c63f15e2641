import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { withApplicationLogin } from "../login.ts";
import type { Managed, ManagedSource } from "../managed.ts";
import type { Outputs, Plan, Step } from "../plan.ts";
import { applicationSteps } from "../steps/application.ts";
import { assertionSteps } from "../steps/assertions.ts";
import { chooseBackupStep } from "../steps/choose-backup.ts";
import { chooseSourceStep } from "../steps/choose-source.ts";
import { type InUse, removeForks } from "../steps/made-forks.ts";
import { onlyFromBackup, providerForkStep } from "../steps/provider-fork.ts";
import { restoreBackupStep } from "../steps/restore-backup.ts";
import { serverStep } from "../steps/server.ts";
import { statusPageStep } from "../steps/status-page.ts";
import { describeTarget, type RecoveryApplication, type Subject } from "../subject.ts";

const MINUTE = 60_000;

export interface ProviderDownRequest {
  readonly subject: Subject;
  /** Null: it is in no managed service. */
  readonly managed: Managed | null;
  readonly from: ManagedSource;
  /** The moment wanted; undefined: the newest that there is. */
  readonly at: Date | undefined;
  /** One of our own backups: its id, or `latest`; undefined: the newest proven one, or the one before `at`. */
  readonly backup: string | undefined;
  /** The database that a backup of our own becomes, where the service is of no use; null: nobody has said. */
  readonly escape: ConnectionSettings | null;
  readonly application: RecoveryApplication | null;
  /** What people work on: a cluster there is not destroyed on the way back. */
  readonly inUse: InUse;
  /** Nothing of production is touched, nobody is asked, and what the service makes is removed again. */
  readonly isDrill: boolean;
}

/**
 * The service with the database is down: a new cluster of it as of a moment as late as it takes; else from its newest backup; else a backup
 * of our own in any PostgreSQL. Where the escape leads is no part of the aim, and its steps are there without it: whoever learns on
 * the way that it is needed names it then, and goes on.
 */
export function planProviderDown(runtime: Runtime, request: ProviderDownRequest): Plan {
  const { subject, managed, from, at, backup, escape, application, inUse, isDrill } = request;
  const { database, timeZone } = subject;
  const otherwise = (reason: AppError): Outputs => goOn(runtime, request, reason);
  const forks = new Set<string>();
  let restored: ConnectionSettings | undefined;
  // As the administrator, who may read all that is asked.
  let asked: ConnectionSettings | undefined;
  const required = (settings: ConnectionSettings | undefined): ConnectionSettings => {
    if (settings !== undefined) return settings;
    throw new AppError("unexpected", `recover ${database}: nothing was restored`);
  };
  const found = async (settings: ConnectionSettings, signal: AbortSignal): Promise<void> => {
    asked = settings;
    restored = await withApplicationLogin(runtime, settings, application?.variable ?? null, signal);
  };
  const own = (step: Step): Step =>
    onlyFromBackup(runtime, step, () => {
      restored = escape ?? undefined;
      asked = restored;
    });
  return {
    scenario: "provider-down",
    databases: [database],
    budgetMs: 60 * MINUTE,
    aim: {
      from: from ?? "the service, else a backup",
      at: at?.toISOString() ?? "newest",
      ...(backup === undefined ? {} : { backup }),
    },
    touches: isDrill ? [] : touched(request),
    steps: [
      statusPageStep(runtime, { page: managed?.settings.statusPage, budgetMs: MINUTE }),
      chooseSourceStep(runtime, {
        database,
        managed,
        from,
        at,
        application,
        isDrill,
        budgetMs: 4 * MINUTE,
        otherwise,
      }),
      ...(managed === null
        ? []
        : [
            providerForkStep(runtime, {
              subject,
              managed,
              isDrill,
              inUse: isDrill ? null : inUse,
              budgetMs: 25 * MINUTE,
              otherwise,
              found,
              making: (name) => void forks.add(name),
            }),
          ]),
      own(chooseBackupStep(runtime, subject, backup ?? at, 2 * MINUTE)),
      ...(escape === null
        ? [onlyFromBackup(runtime, unnamed("server")), onlyFromBackup(runtime, unnamed("restore"))]
        : [
            own(
              serverStep(runtime, {
                target: escape,
                budgetMs: 3 * MINUTE,
                application: isDrill ? null : application,
              }),
            ),
            own(
              restoreBackupStep(runtime, { subject, target: escape, budgetMs: 15 * MINUTE, confirm: null }),
            ),
          ]),
      ...assertionSteps(runtime, {
        subject,
        target: () => required(asked),
        budgetMs: 2 * MINUTE,
      }),
      ...(application === null
        ? []
        : applicationSteps(runtime, {
            database,
            application,
            target: () => required(restored),
            timeZone,
            budgetsMs: { switch: 2 * MINUTE, restart: 3 * MINUTE, check: 5 * MINUTE },
            confirm: !isDrill,
          })),
    ],
    ...(isDrill && managed !== null
      ? { release: async () => await removeForks(runtime, managed, forks) }
      : {}),
  };
}

/** The service is of no use, for a reason: our own backup is next, where the user lets it be and it is known where to. */
function goOn(runtime: Runtime, { subject, from, escape }: ProviderDownRequest, reason: AppError): Outputs {
  if (from === "provider") throw reason;
  if (escape === null)
    throw new AppError(
      reason.code,
      `${reason.message}; what is left are our own backups of ${subject.database}, and nothing says where to restore one`,
      {
        hint: `${reason.hint === undefined ? "" : `${reason.hint}; then the same command asks the service again. Or `}the same command with \`--to postgresql://…/NEW_DATABASE\`, on any PostgreSQL server, goes on with them`,
        cause: reason,
      },
    );
  runtime.reporter.warn(`the service is of no use: ${reason.message}`);
  runtime.reporter.note(`going on with a backup of our own, into ${describeTarget(escape)}`);
  return { source: "backup" };
}

function touched({ managed, from, escape, application }: ProviderDownRequest): string[] {
  const price = managed?.settings.price;
  return [
    ...(managed === null || from === "backup"
      ? []
      : [`the account: a new cluster, which costs money${price === undefined ? "" : ` (${price})`}`]),
    ...(escape === null ? [] : [`${describeTarget(escape)}: made anew, where the service is of no use`]),
    ...(application?.variable == null ? [] : [`${application.variable.file}: one line`]),
    ...(application?.described.restart == null ? [] : ["the application: started anew"]),
  ];
}

/** Stands for a step of the escape while nobody has said where it leads. */
function unnamed(id: "server" | "restore"): Step {
  const refuse = async (): Promise<never> =>
    await Promise.reject(
      new AppError("usage", "a backup of our own is to be restored, and nothing says where", {
        hint: "the same command with `--to postgresql://…/NEW_DATABASE` goes on",
      }),
    );
  return {
    id,
    title:
      id === "server"
        ? "see that the server that `--to` names is there"
        : "restore a backup of our own into what `--to` names",
    runs: "nothing: `--to` names none",
    checkedBy: "the service has brought the database back",
    budgetMs: MINUTE,
    ifItFails: "name a database with `--to`",
    confirm: null,
    run: refuse,
    check: refuse,
  };
}
