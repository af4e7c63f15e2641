import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { chooseMoment } from "../../operations/provider/choose-moment.ts";
import { isDeadHere } from "../../operations/provider/drill-owner.ts";
import { newName } from "../../operations/provider/preview.ts";
import { resolveConnection } from "../../postgres/connection.ts";
import type { Provider, ProviderBackup, ProviderCluster } from "../../providers/provider.ts";
import { readVariable } from "../env-file.ts";
import type { Managed, ManagedSource } from "../managed.ts";
import type { Outputs, Step } from "../plan.ts";
import type { RecoveryApplication } from "../subject.ts";

export interface ChooseSourceRequest {
  readonly database: string;
  /** Null: it is in no managed service. */
  readonly managed: Managed | null;
  readonly from: ManagedSource;
  /** The moment wanted; undefined: the newest. */
  readonly at: Date | undefined;
  readonly application: RecoveryApplication | null;
  readonly isDrill: boolean;
  readonly budgetMs: number;
  /** What is done where the service is of no use: goes on with our own backup, or fails saying why that cannot be. */
  readonly otherwise: (reason: AppError) => Outputs;
}

/**
 * Chooses whether the service or a backup of our own brings the database back, and the moments to ask the service for. The journal
 * keeps them, and the name of the cluster that is to be made, so that a second call after a crash finds what the first one made.
 */
export function chooseSourceStep(runtime: Runtime, request: ChooseSourceRequest): Step {
  const { database, managed, from, at, application, isDrill, budgetMs, otherwise } = request;
  return {
    id: "source",
    title: `Choose where ${database} comes back from`,
    runs: managed === null ? `handled list ${database}` : `handled provider list ${database}`,
    checkedBy: "the application's variable is there, exactly once; the service lists a backup of the cluster",
    budgetMs,
    ifItFails: "`--from backup --to URL` leaves the service aside",
    confirm: null,
    run: async (_outputs, signal): Promise<Outputs> => {
      const present = await addressesIn(runtime, application?.variable ?? null, signal);
      if (managed === null || from === "backup") return { source: "backup" };
      try {
        const chosen = await chooseMoments(runtime, { managed, at, present, isDrill }, signal);
        if (at !== undefined && at.toISOString() !== chosen.moments[0])
          runtime.reporter.warn(
            `${at.toISOString()} is before what the service is assumed to replay: its newest backup before that is taken`,
          );
        runtime.reporter.note(`the service is asked for ${chosen.moments.join(", else ")}`);
        return { source: "provider", fork: chosen.name, moments: chosen.moments.join(",") };
      } catch (error) {
        signal.throwIfAborted();
        if (!isAppError(error) || error.code === "target_exists") throw error;
        return otherwise(error);
      }
    },
    check: async () => {},
  };
}

/**
 * The moments to ask the service for, the best first, and the name of the new cluster.
 * @param request `present`: `host:port` of what an application works on
 */
export async function chooseMoments(
  runtime: Runtime,
  request: {
    readonly managed: Managed;
    readonly at: Date | undefined;
    readonly present: readonly string[];
    /** A drill first destroys what killed ones of this machine have left. */
    readonly isDrill: boolean;
    /** Which of them are asked for; default: those up to `at`. */
    readonly choose?: MomentsOf;
  },
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly moments: readonly string[] }> {
  const { managed, at, present, isDrill, choose = momentsOf } = request;
  const { cluster, windowMs } = managed.settings;
  const provider = managed.open();
  const source = await provider.find(cluster, signal);
  await lookAtEarlier(runtime, provider, source, { present, isDrill }, signal);
  const backups = await provider.backups(source, signal);
  const now = runtime.clock.now();
  const moments = choose(source.name, backups, { at, now, windowMs });
  return { name: newName(source.name, now), moments: moments.map((moment) => moment.toISOString()) };
}

/**
 * What an earlier recovery made costs money, which is told. Fails with `target_exists` where the application works on it already: a new
 * one would be as of before whatever was written since.
 */
async function lookAtEarlier(
  runtime: Runtime,
  provider: Provider,
  source: ProviderCluster,
  { present, isDrill }: { readonly present: readonly string[]; readonly isDrill: boolean },
  signal: AbortSignal,
): Promise<void> {
  const all = await provider.clusters(signal);
  const earlier = all.filter(({ lifetime }) => lifetime?.source === source.id);
  for (const { id, name } of earlier)
    if ((await provider.addresses(id, signal)).some((address) => present.includes(address)))
      throw new AppError(
        "target_exists",
        `recover from ${source.name}: the application works on ${name} already, which an earlier recovery made of it`,
        {
          hint: `all may be done; if that one is down too, name it as \`cluster\` in the strategy. To begin from ${source.name} all the same, give the variable its old value first`,
        },
      );
  const left = isDrill ? await removeDeadDrills(runtime, provider, earlier, signal) : earlier;
  if (left.length > 0)
    runtime.reporter.warn(
      `the account has what was made from ${source.name} before: ${left.map(({ name }) => name).join(", ")}; \`handled provider sweep --all\` removes what no application works on`,
    );
}

/** Destroys the clusters of drills of this machine that were killed. What cannot be destroyed is told, and left, as is all else. */
async function removeDeadDrills(
  { reporter }: Runtime,
  provider: Provider,
  clusters: readonly ProviderCluster[],
  signal: AbortSignal,
): Promise<ProviderCluster[]> {
  const left: ProviderCluster[] = [];
  for (const cluster of clusters) {
    const { id, name, lifetime } = cluster;
    if (lifetime?.drill == null || !(await isDeadHere(lifetime.drill))) {
      left.push(cluster);
      continue;
    }
    try {
      await provider.destroy(id, signal);
      reporter.note(`cluster ${name}, of a drill that was killed, is destroyed`);
    } catch (error) {
      signal.throwIfAborted();
      if (!isAppError(error)) throw error;
      reporter.warn(`cluster ${name}, of a drill that was killed, is still there: ${error.message}`);
      left.push(cluster);
    }
  }
  return left;
}

/** `host:port` of where the application's variable leads to now. */
export async function addressesIn(
  runtime: Runtime,
  variable: RecoveryApplication["variable"],
  signal: AbortSignal,
): Promise<string[]> {
  if (variable === null) return [];
  const value = await readVariable(variable.file, variable.name);
  try {
    const { hosts } = await resolveConnection(runtime, value, signal);
    return hosts.map(({ host, port }) => `${host}:${port}`.toLowerCase());
  } catch (error) {
    // Whatever it is, it is no cluster of the service.
    if (!isAppError(error)) throw error;
    return [];
  }
}

/** The moments to ask a cluster's service for, the best first. @param backups newest first */
export type MomentsOf = (
  cluster: string,
  backups: readonly ProviderBackup[],
  asked: { readonly at: Date | undefined; readonly now: Date; readonly windowMs: number },
) => Date[];

// The log of the last minutes may not have reached the service's store, and clocks differ.
const A_LITTLE_MS = 5 * 60_000;

/**
 * The moments to ask for, the best first: those after the newest backup are there only where the service replays its log, which it
 * does not promise. Fails with `backup_missing` where no backup leads to the moment wanted.
 */
function momentsOf(
  cluster: string,
  backups: readonly ProviderBackup[],
  { at, now, windowMs }: { readonly at: Date | undefined; readonly now: Date; readonly windowMs: number },
): Date[] {
  const any = Number.POSITIVE_INFINITY;
  const { exact, backup } = chooseMoment(cluster, backups, { at, now, windowMs: any });
  if (at !== undefined && exact) return [backup.createdAt];
  const second = Math.floor(now.getTime() / 1000) * 1000;
  const wanted = at === undefined ? [new Date(second), new Date(second - A_LITTLE_MS)] : [at];
  const within = wanted.filter(
    (moment) => moment > backup.createdAt && now.getTime() - moment.getTime() < windowMs,
  );
  return [...within, backup.createdAt];
}
