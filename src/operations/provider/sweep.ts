import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { isDeadHere } from "./drill-owner.ts";
import type { Provider, ProviderCluster } from "../../providers/provider.ts";

export interface SweepRequest {
  readonly provider: Provider;
  /** Name or id: only what came from it is removed. */
  readonly cluster: string;
  /** `host:port` of what applications work on, in lower case: a cluster there is kept whatever its tags say. */
  readonly inUse: readonly string[];
  /** What is over its lifetime, also what is within it, or one of a name, whether over or not. */
  readonly which: "over" | "all" | { readonly name: string };
  readonly dryRun: boolean;
  readonly confirm: (clusters: readonly ProviderCluster[]) => Promise<void>;
}

export interface Swept {
  readonly removed: readonly ProviderCluster[];
  /** Made by Handled, and within their lifetime. */
  readonly kept: readonly ProviderCluster[];
  /** Made by Handled, and what an application works on now. */
  readonly used: readonly ProviderCluster[];
  /**
   * Made by Handled from a cluster that is gone: they may be all that is left of it. Never removed, but for those of this very
   * cluster, named by its id, with `all`.
   */
  readonly orphans: readonly ProviderCluster[];
  readonly failures: readonly { readonly cluster: ProviderCluster; readonly error: AppError }[];
}

/** Whether nobody is to work on it any longer: its time is over, or the drill that it was for was killed. */
async function isOver({ clock }: Runtime, { lifetime }: ProviderCluster): Promise<boolean> {
  if (lifetime === null) return false;
  return lifetime.until <= clock.now() || (lifetime.drill !== null && (await isDeadHere(lifetime.drill)));
}

/**
 * Removes what restores of a cluster left behind: by their tags, never the cluster itself, and never one that has become the
 * live one: after a recovery that is what an application works on, and a destroyed cluster takes its backups with it. Fails with `usage`
 * where there is none of the name that is asked for.
 */
export async function sweepProvider(
  runtime: Runtime,
  { provider, cluster, inUse, which, dryRun, confirm }: SweepRequest,
  signal: AbortSignal,
): Promise<Swept> {
  const clusters = await provider.clusters(signal);
  // The cluster may be gone, and what was made from it still be there.
  const source = clusters.find(({ id, name }) => id === cluster || name === cluster)?.id ?? cluster;
  const isThere = (wanted: string | undefined): boolean => clusters.some(({ id }) => id === wanted);
  const made = clusters.filter(
    ({ id, lifetime }) =>
      id !== source && lifetime?.source === source && (which === "all" || isThere(source)),
  );
  const orphans = clusters.filter(
    (one) => one.lifetime !== null && !isThere(one.lifetime.source) && !made.includes(one),
  );
  const isAsked = ({ name }: ProviderCluster): boolean => typeof which === "string" || which.name === name;
  if (typeof which !== "string" && !made.some(isAsked))
    throw new AppError("usage", `sweep: Handled made no ${which.name} from ${cluster}`, {
      hint: "`handled provider list` names what it made",
    });
  const used: ProviderCluster[] = [];
  for (const one of made.filter(isAsked))
    if ((await provider.addresses(one.id, signal)).some((address) => inUse.includes(address))) used.push(one);
  const free = made.filter((one) => isAsked(one) && !used.includes(one));
  const due: ProviderCluster[] = [];
  for (const one of free) if (which !== "over" || (await isOver(runtime, one))) due.push(one);
  const kept = free.filter((one) => !due.includes(one));
  if (due.length === 0 || dryRun) return { removed: due, kept, used, orphans, failures: [] };
  await confirm(due);
  const failures: { cluster: ProviderCluster; error: AppError }[] = [];
  for (const one of due) {
    try {
      await provider.destroy(one.id, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof AppError)) throw error;
      failures.push({ cluster: one, error });
    }
  }
  const removed = due.filter((one) => !failures.some(({ cluster: failed }) => failed === one));
  return { removed, kept, used, orphans, failures };
}
