import { AppError } from "../errors.ts";
import type { Provider, ProviderBackup } from "../providers/provider.ts";

/** A managed service, and the cluster in it that a database is in. */
export interface ManagedCluster {
  readonly provider: Provider;
  readonly cluster: string;
}

/** The service's backups, newest first; or why they could not be listed. */
export type ProviderFacts = readonly ProviderBackup[] | AppError;

// A service that is down must not keep the rest from being told.
const PATIENCE_MS = 20_000;

/** Asks the service for its backups. @param open may fail, too: with no token there is nothing to ask with */
export async function askProvider(open: () => ManagedCluster, signal: AbortSignal): Promise<ProviderFacts> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  const either = AbortSignal.any([signal, patience]);
  try {
    const { provider, cluster } = open();
    return await provider.backups(await provider.find(cluster, either), either);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AppError) return error;
    if (patience.aborted)
      return new AppError("provider_unreachable", `no answer in ${PATIENCE_MS / 1000} s`, { cause: error });
    throw error;
  }
}
