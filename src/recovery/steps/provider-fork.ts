import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { recordingProviderRestore } from "../../operations/provider/record.ts";
import { type ProviderRestoreReport, restoreFromProvider } from "../../operations/provider/restore.ts";
import { type ConnectionSettings, resolveConnection, withDatabase } from "../../postgres/connection.ts";
import { requireSameDatabase } from "../identity.ts";
import type { Managed } from "../managed.ts";
import { output, type Outputs, type Step } from "../plan.ts";
import { describeTarget, type Subject } from "../subject.ts";
import { forkName, type InUse, lastWrite, removeForks, undoFork } from "./made-forks.ts";

export interface ForkRequest {
  readonly subject: Subject;
  readonly managed: Managed;
  readonly isDrill: boolean;
  /** Of a cluster that stays: who may work on it when it is to go again. Null: nobody will, and the caller destroys it at the end of the run. */
  readonly inUse: InUse | null;
  readonly budgetMs: number;
  readonly otherwise: (reason: AppError, outputs: Outputs) => Outputs;
  /** Is told where the database is, once it is there and is the right one. */
  readonly found: (settings: ConnectionSettings, signal: AbortSignal) => Promise<void>;
  /** Is told the name of each cluster before it is made, and of one that is there. */
  readonly making: (name: string) => void;
}

/**
 * Has the service make a new cluster with the database as of the best moment that it takes. Its password is never written down: a second
 * call asks the service for it. Where the service cannot, what it has made is removed, and our own backup is next.
 */
export function providerForkStep(runtime: Runtime, request: ForkRequest): Step {
  const { subject, managed, inUse, budgetMs, otherwise, found, making } = request;
  // What this process has just made is not asked for again.
  let known = false;
  return {
    id: "fork",
    title: `Restore ${subject.database} into a new cluster of the service`,
    runs: `handled restore ${subject.database} --provider --at MOMENT --new-cluster NAME`,
    checkedBy: "it is online, takes connections, and has the tables of our newest backup",
    budgetMs,
    ifItFails: "`--from backup --to URL` leaves the service aside",
    confirm: null,
    run: async (outputs, signal): Promise<Outputs> => {
      if (!isFromProvider(outputs)) {
        runtime.reporter.note("not from the service");
        return {};
      }
      const wasThere = outputs["forkId"] !== undefined;
      const tried = new Set<string>();
      let last: AppError | undefined;
      for (const [count, moment] of output(outputs, "moments").split(",").entries()) {
        const name = forkName(output(outputs, "fork"), count);
        tried.add(name);
        try {
          const made = await fork(runtime, request, { name, at: new Date(moment) }, signal);
          known = true;
          // It is there since a call before: what was written since then is still that.
          return made["forkId"] === outputs["forkId"]
            ? { ...made, forkWrite: outputs["forkWrite"] ?? "" }
            : made;
        } catch (error) {
          signal.throwIfAborted();
          // What was there may be what people work on by now: nothing else takes its place unasked.
          if (!(error instanceof AppError) || (wasThere && inUse !== null)) throw error;
          last = error;
          // Refused is what was asked for; whatever else went wrong, another moment would not mend.
          if (error.code !== "provider_refused") break;
          runtime.reporter.warn(`as of ${moment}: ${error.message}`);
        }
      }
      // A call before may have made one, which this one was not told of: nobody goes on with it any more.
      if (inUse !== null) await removeForks(runtime, managed, tried);
      return otherwise(last ?? new AppError("unexpected", "no moment was chosen"), outputs);
    },
    check: async (outputs, signal) => {
      if (!isFromProvider(outputs) || known) return;
      const id = output(outputs, "forkId");
      making(output(outputs, "fork"));
      const { url, status, name } = await managed.open().look(id, signal);
      if (status !== "online" || url === null)
        throw new AppError("provider_refused", `look at ${name}: it is ${status}`);
      const settings = withDatabase(await resolveConnection(runtime, url, signal), managed.database);
      await requireSameDatabase(runtime, subject, settings, signal);
      await found(settings, signal);
      known = true;
    },
    ...(inUse === null
      ? {}
      : {
          isUndoable: isFromProvider,
          back: async (outputs: Outputs, signal: AbortSignal) =>
            await undoFork(runtime, { managed, inUse }, outputs, signal),
        }),
  };
}

/** Whether the service brings it back, as far as is known. */
export function isFromProvider(outputs: Outputs): boolean {
  return outputs["source"] === "provider";
}

/** A step on the way around the service; nothing where the service has done it. */
export function onlyFromBackup(runtime: Runtime, step: Step, taken: () => void = () => {}): Step {
  // Before the service was asked nobody knows whether it comes to that.
  const { prepare, foretell: _foretell, ...others } = step;
  return {
    ...others,
    ...(prepare === undefined
      ? {}
      : {
          prepare: async (outputs: Outputs, signal: AbortSignal) =>
            isFromProvider(outputs) ? {} : await prepare(outputs, signal),
        }),
    title: `Else: ${step.title}`,
    run: async (outputs, signal) => {
      if (isFromProvider(outputs)) {
        runtime.reporter.note("not needed: the service has brought it back");
        return {};
      }
      taken();
      return await step.run(outputs, signal);
    },
    check: async (outputs, signal) => {
      if (isFromProvider(outputs)) return;
      taken();
      await step.check(outputs, signal);
    },
  };
}

async function fork(
  runtime: Runtime,
  { subject, managed, isDrill, inUse, found, making }: ForkRequest,
  { name, at }: { readonly name: string; readonly at: Date },
  signal: AbortSignal,
): Promise<Outputs> {
  const { cluster, windowMs, lifetimeMs, deadlineMs, clusterLimit } = managed.settings;
  let forkWrite = "";
  const request = {
    provider: managed.open(),
    cluster,
    database: managed.database,
    at,
    windowMs,
    lifetimeMs,
    deadlineMs,
    clusterLimit,
    dryRun: false,
    destroyAfter: false,
    isDrill,
    name,
    keepOnFailure: inUse === null ? false : ("interrupted" as const),
    confirm: async (preview: ProviderRestoreReport["preview"]) => {
      for (const line of managed.describe(preview)) runtime.reporter.note(line);
      await Promise.resolve();
    },
    useUrl: async () => await Promise.resolve(),
    alsoCheck: async (settings: ConnectionSettings) => {
      await requireSameDatabase(runtime, subject, settings, signal);
      forkWrite = await lastWrite(runtime, settings, signal);
      await found(settings, signal);
      const is = inUse === null ? "is there as it was" : "is back";
      runtime.reporter.note(`${subject.database} ${is}: ${describeTarget(settings)}`);
    },
  };
  making(name);
  const work = async (): Promise<ProviderRestoreReport> =>
    await restoreFromProvider(runtime, request, signal);
  const recorded = {
    database: subject.database,
    storages: isDrill ? [] : subject.places.map(({ storage }) => storage),
  };
  const { done, preview } = await recordingProviderRestore(runtime, recorded, work, signal);
  if (done === null) throw new AppError("unexpected", `restore ${subject.database}: nothing was done`);
  for (const lacking of done.access.lacking) runtime.reporter.warn(`${name} lacks ${lacking}`);
  const moment = preview.moment.at.toISOString();
  const forkId = done.cluster.id;
  return { source: "provider", fork: name, forkId, forkWrite, moments: moment, snapshotAt: moment };
}
