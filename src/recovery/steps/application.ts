import { formatLocalTime } from "../../lib/local-time.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { type ConnectionSettings, resolveConnection } from "../../postgres/connection.ts";
import { connectionUrl } from "../../postgres/connection-url.ts";
import { connect } from "../../postgres/session.ts";
import { AppError, isAppError } from "../../errors.ts";
import { findKept, readVariable, switchBack, switchVariable } from "../env-file.ts";
import { BEGUN_AT, output, type Outputs, type Step } from "../plan.ts";
import { describeTarget, type RecoveryApplication } from "../subject.ts";

/** What the application works on after a recovery. */
export interface ApplicationSteps {
  readonly database: string;
  readonly application: RecoveryApplication;
  /** Known only once it is restored where a service gives it its address. */
  readonly target: () => ConnectionSettings;
  readonly timeZone: string;
  readonly budgetsMs: { readonly switch: number; readonly restart: number; readonly check: number };
  /** Whether a person is asked before the application is pointed elsewhere. */
  readonly confirm: boolean;
}

/** Points the application at the restored database, starts it anew, and asks whether it works. */
export function applicationSteps(runtime: Runtime, request: ApplicationSteps): Step[] {
  return [switchStep(runtime, request), restartStep(request), checkStep(request)].flatMap(
    (step) => step ?? [],
  );
}

function switchStep(
  runtime: Runtime,
  { database, application, target, timeZone, budgetsMs, confirm }: ApplicationSteps,
): Step | null {
  const { variable } = application;
  if (variable === null) return null;
  const { file, name } = variable;
  // The time of the recovery, so that what was kept is found again when nobody could write its name down.
  const timeOf = (outputs: Outputs): string => formatLocalTime(new Date(output(outputs, BEGUN_AT)), timeZone);
  const change = async (outputs: Outputs): Promise<{ readonly kept: string | undefined }> => {
    const url = connectionUrl(target());
    runtime.secrets.add(url);
    runtime.observer("before", "switch the variable");
    const switched = await switchVariable(file, name, url, timeOf(outputs));
    runtime.observer("after", "switch the variable");
    return switched;
  };
  return {
    id: "switch",
    title: `Point ${name} in ${file} at the restored database`,
    runs: `one line of ${file}; the old file is kept beside it`,
    checkedBy: "the file is read again as the application reads it",
    budgetMs: budgetsMs.switch,
    ifItFails: `write the URL of the restored database into ${file} by hand, and go on; of a new cluster the service's control panel has it`,
    confirm: confirm
      ? { what: `point ${name} in ${file} at the restored ${database}`, name: database }
      : null,
    run: async (outputs, signal): Promise<Outputs> => {
      await requireConnection(runtime, target(), signal);
      const { kept } = await change(outputs);
      runtime.reporter.note(
        kept === undefined
          ? `${file} has it already`
          : `${name} leads to ${describeTarget(target())} now, with the login of ${target().user}; the old file is ${kept}`,
      );
      return kept === undefined ? {} : { kept };
    },
    // A person may have given it another value since: then what follows is to be done again, too.
    check: async () => {
      if ((await readVariable(file, name)) === connectionUrl(target())) return;
      throw new AppError("usage", `${name} in ${file} does not lead to ${describeTarget(target())}`);
    },
    back: async (outputs, signal) => {
      const kept = await findKept(file, name, timeOf(outputs));
      if (kept?.isBack === false)
        await switchBack(file, name, kept.path, formatLocalTime(runtime.clock.now(), timeZone));
      runtime.reporter.note(`${name} in ${file} has the value that it had`);
      // Also where it had it before: the way back may have ended when it could not be started.
      if (kept !== undefined) await application.restart(signal);
      return true;
    },
  };
}

/** A person may have been asked for hours since it was restored: an application that works is not pointed at what lets nobody in. */
async function requireConnection(
  runtime: Runtime,
  target: ConnectionSettings,
  signal: AbortSignal,
): Promise<void> {
  await using _session = await connect(runtime, target, signal);
}

/**
 * Tells that the application's variable cannot be changed, and why, as soon as that can be known: what comes before may take hours, in
 * which it is mended. Tells also whose login it is going to have. Fails with nothing.
 */
export async function tellOfVariable(
  runtime: Runtime,
  application: RecoveryApplication | null,
  target: ConnectionSettings,
  signal: AbortSignal,
): Promise<void> {
  if (application?.variable == null) return;
  const { file, name } = application.variable;
  let value: string;
  try {
    value = await readVariable(file, name);
  } catch (error) {
    if (!isAppError(error)) throw error;
    runtime.reporter.warn(
      `${error.message}; mend it meanwhile: ${name} is to lead to the restored database in the end`,
    );
    return;
  }
  const user = await userIn(runtime, value, signal);
  if (user !== null && user !== target.user)
    runtime.reporter.warn(
      `the application works as ${user} now, and as ${target.user} once ${name} leads to the restored database: give ${user} a login there, and write it into ${file} afterwards`,
    );
}

/** Null where the value is no connection string. */
async function userIn(runtime: Runtime, value: string, signal: AbortSignal): Promise<string | null> {
  try {
    return (await resolveConnection(runtime, value, signal)).user;
  } catch (error) {
    if (!isAppError(error)) throw error;
    return null;
  }
}

function restartStep({ application, budgetsMs }: ApplicationSteps): Step | null {
  const { restart } = application.described;
  if (restart === null) return null;
  return {
    id: "restart",
    title: "Start the application anew",
    runs: restart,
    checkedBy: "the commands end with exit code 0",
    budgetMs: budgetsMs.restart,
    ifItFails: "start it by hand, and go on",
    confirm: null,
    isAfresh: true,
    run: async (_outputs, signal) => {
      await application.restart(signal);
      return {};
    },
    // Whether it runs is what the next step finds out.
    check: async () => {},
  };
}

/** Asks the application whether it works, where there is one and something says how. */
export function applicationCheckSteps({
  application,
  target,
  budgetsMs,
}: Pick<ApplicationSteps, "target"> & {
  readonly application: RecoveryApplication | null;
  readonly budgetsMs: { readonly check: number };
}): Step[] {
  const step = application === null ? null : checkStep({ application, target, budgetsMs });
  return step === null ? [] : [step];
}

function checkStep({
  application,
  target,
  budgetsMs,
}: Pick<ApplicationSteps, "application" | "target"> & {
  readonly budgetsMs: { readonly check: number };
}): Step | null {
  const { check } = application.described;
  if (check === null) return null;
  return {
    id: "check",
    title: "Ask the application whether it works",
    runs: check,
    checkedBy: "it answers with a 2xx status",
    budgetMs: budgetsMs.check,
    ifItFails: "look into its log; `--back` points it at where it was before",
    confirm: null,
    isAfresh: true,
    run: async (_outputs, signal) => {
      await application.check(target(), signal);
      return {};
    },
    check: async () => {},
  };
}
