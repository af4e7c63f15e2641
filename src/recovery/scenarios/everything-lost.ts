import { isDeepStrictEqual } from "node:util";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { Plan, Step } from "../plan.ts";
import { applicationSteps } from "../steps/application.ts";
import { assertionSteps } from "../steps/assertions.ts";
import { chooseBackupStep } from "../steps/choose-backup.ts";
import { asOne, forDatabase } from "../steps/compose.ts";
import {
  type KeptStrategy,
  machineStep,
  type ReturningUsers,
  usersStep,
  provisionStep,
  type Returning,
  rowsStep,
} from "../steps/everything.ts";
import { restoreBackupStep } from "../steps/restore-backup.ts";
import { serverStep } from "../steps/server.ts";
import { describeTarget, type RecoveryApplication } from "../subject.ts";

const MINUTE = 60_000;
const BUDGETS = { provision: 30, install: 15, restore: 30, deploy: 15, test: 30, assert: 5 };

export interface LostDatabase extends Returning {
  readonly application: RecoveryApplication | null;
}

export interface EverythingLostRequest {
  /** At least one, the most critical first. */
  readonly databases: readonly LostDatabase[];
  /** To be written on this machine, which has none; null where it has one, or where the repository keeps none. */
  readonly strategy: KeptStrategy | null;
  /** To be taken back on this machine, which has none; null where it has some, and where nothing vouches for those of the repository. */
  readonly users: ReturningUsers | null;
  /** Nothing of production is touched, and nobody is asked. */
  readonly isDrill: boolean;
}

/**
 * All machines are gone: on new ones all is installed, each database restored from its newest proven backup, and the application
 * pointed at them. Fails with `usage` where two would become the same database.
 */
export function planEverythingLost(runtime: Runtime, request: EverythingLostRequest): Plan {
  const { databases, strategy, users, isDrill } = request;
  requireApart(databases);
  const budget = (minutes: number): number => minutes * MINUTE;
  const kept = isDrill ? null : strategy;
  const returning = isDrill ? null : users;
  const steps: Step[] = [
    provisionStep(runtime, databases, { budgetMs: budget(BUDGETS.provision), asks: !isDrill }),
    installStep(runtime, request, kept, returning),
    ...databases.map((one) => restoreStep(runtime, one, isDrill)),
    ...databases.flatMap(({ subject, target }) =>
      assertionSteps(runtime, { subject, target: () => target, budgetMs: budget(BUDGETS.assert) }).map(
        (step) => forDatabase(subject.database, step),
      ),
    ),
    ...deployStep(runtime, databases),
    testStep(runtime, databases),
  ];
  return {
    scenario: "everything-lost",
    databases: databases.map(({ subject }) => subject.database),
    budgetMs: steps.reduce((sum, { budgetMs }) => sum + budgetMs, 0),
    aim: Object.fromEntries(
      databases.map(({ subject, target }) => [subject.database, describeTarget(target)]),
    ),
    touches: isDrill ? [] : touchedBy(databases, kept, returning),
    steps,
  };
}

function requireApart(databases: readonly LostDatabase[]): void {
  const taken = new Map<string, string>();
  for (const { subject, target } of databases) {
    const where = describeTarget(target);
    const other = taken.get(where);
    if (other !== undefined)
      throw new AppError("usage", `recover: ${other} and ${subject.database} would both become ${where}`, {
        hint: "say where each goes with `--to NAME=URL`",
      });
    taken.set(where, subject.database);
  }
}

function touchedBy(
  databases: readonly LostDatabase[],
  kept: KeptStrategy | null,
  users: ReturningUsers | null,
): string[] {
  const variables = databases.flatMap(({ application }) => application?.variable ?? []);
  const files = [...new Set(variables.map(({ file }) => file))];
  return [
    ...databases.map(({ target }) => `${describeTarget(target)}: made anew`),
    ...(kept === null ? [] : [`${kept.path}: written where it is not there`]),
    ...(users === null ? [] : [`who may sign in to the dashboard: ${users.described}`]),
    ...files.map((file) => `${file}: the lines of the databases' URLs`),
    ...(databases.some(({ application }) => application?.described.restart != null)
      ? ["the application: started anew"]
      : []),
  ];
}

function installStep(
  runtime: Runtime,
  { databases, isDrill }: EverythingLostRequest,
  strategy: KeptStrategy | null,
  users: ReturningUsers | null,
): Step {
  const budgetMs = BUDGETS.install * MINUTE;
  const head = {
    id: "install",
    title: "See that this machine has all it takes, and choose the backups",
    budgetMs,
    ifItFails: "install or bring here what the error names, and go on",
  };
  return asOne(head, [
    machineStep(runtime, databases, strategy, budgetMs),
    ...(users === null ? [] : [usersStep(runtime, users, budgetMs)]),
    ...databases.flatMap(({ subject, target, application }) =>
      [
        chooseBackupStep(runtime, subject, undefined, budgetMs),
        serverStep(runtime, { target, budgetMs, application: isDrill ? null : application }),
      ].map((step) => forDatabase(subject.database, step)),
    ),
  ]);
}

function restoreStep(runtime: Runtime, { subject, target }: LostDatabase, isDrill: boolean): Step {
  const { database } = subject;
  const what = `restore ${database} into ${describeTarget(target)}`;
  const step = restoreBackupStep(runtime, {
    subject,
    target,
    budgetMs: BUDGETS.restore * MINUTE,
    confirm: isDrill ? null : { what, name: database },
  });
  return forDatabase(database, step);
}

/** Each variable is changed, then each application started once. */
function deployStep(runtime: Runtime, databases: readonly LostDatabase[]): Step[] {
  const steps = stepsOfApplications(runtime, databases).filter(({ id }) => !id.startsWith("check"));
  if (steps.length === 0) return [];
  const head = {
    id: "deploy",
    title: "Point the application at the restored databases, and start it",
    budgetMs: BUDGETS.deploy * MINUTE,
    ifItFails: "install the application with its `.env` where the strategy says it is, and go on",
  };
  const order = ["switch", "restart"];
  const place = ({ id }: Step): number => order.indexOf(id.split(" ")[0] ?? "");
  return [
    asOne(
      head,
      steps.toSorted((a, b) => place(a) - place(b)),
    ),
  ];
}

function testStep(runtime: Runtime, databases: readonly LostDatabase[]): Step {
  const budgetMs = BUDGETS.test * MINUTE;
  const head = {
    id: "test",
    title: "Test all of it",
    budgetMs,
    ifItFails: "look into what the error names; `--back` gives the application its old variables",
  };
  const checks = stepsOfApplications(runtime, databases).filter(({ id }) => id.startsWith("check"));
  return asOne(head, [
    ...databases.map((one) =>
      forDatabase(
        one.subject.database,
        rowsStep(runtime, one, { budgetMs, inUse: one.application !== null }),
      ),
    ),
    ...checks,
  ]);
}

/** What has to be done about applications; starting and asking one that several databases share is there once. */
function stepsOfApplications(runtime: Runtime, databases: readonly LostDatabase[]): Step[] {
  const known: RecoveryApplication["described"][] = [];
  return databases.flatMap(({ subject, target, application }) => {
    if (application === null) return [];
    const { database, timeZone } = subject;
    const isKnown = known.some((one) => isDeepStrictEqual(one, application.described));
    known.push(application.described);
    return applicationSteps(runtime, {
      database,
      application,
      target: () => target,
      timeZone,
      budgetsMs: { switch: 0, restart: 0, check: 0 },
      confirm: false,
    })
      .filter(({ id }) => id === "switch" || !isKnown)
      .map((step) => forDatabase(database, step));
  });
}
