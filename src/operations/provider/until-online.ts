import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { formatDuration } from "../../lib/text.ts";
import type { Provider, ProviderCluster } from "../../providers/provider.ts";

const FIRST_LOOK_MS = 500;
const LONGEST_LOOK_MS = 15_000;
// The contract lists none of these: a word that says the end is believed, any other is waited on.
const GIVEN_UP = /^(error|fail|destroy|delet|terminat)/i;

/**
 * Waits until a new cluster takes connections. Fails with `provider_refused` once the service says that it never will, or no longer
 * knows the cluster, and with `deadline_passed`.
 */
export async function untilOnline(
  runtime: Runtime,
  { provider, deadlineMs }: { readonly provider: Provider; readonly deadlineMs: number },
  made: ProviderCluster,
  signal: AbortSignal,
): Promise<ProviderCluster> {
  const started = runtime.clock.monotonic();
  let cluster = made;
  for (let wait = FIRST_LOOK_MS; cluster.status !== "online"; wait = Math.min(LONGEST_LOOK_MS, wait * 1.5)) {
    if (GIVEN_UP.test(cluster.status))
      throw new AppError("provider_refused", `wait for ${made.name}: the service says ${cluster.status}`, {
        hint: "its control panel may say why; the same command makes another cluster, and another `--at` starts from another backup",
      });
    const waited = runtime.clock.monotonic() - started;
    if (waited >= deadlineMs)
      throw new AppError(
        "deadline_passed",
        `wait for ${made.name}: it is still ${cluster.status} after ${formatDuration(waited)}`,
        { hint: "`deadline` of the provider in the strategy says how long it may take" },
      );
    runtime.reporter.progress({ phase: `waiting, ${cluster.status}`, bytes: 0 });
    await runtime.clock.wait(Math.min(wait, deadlineMs - waited), signal);
    cluster = await lookAgain(provider, cluster, signal);
  }
  return cluster;
}

/** A service that cannot be asked for a while says nothing of the cluster: that is no reason to give it up before the deadline. */
async function lookAgain(
  provider: Provider,
  cluster: ProviderCluster,
  signal: AbortSignal,
): Promise<ProviderCluster> {
  try {
    return await provider.look(cluster.id, signal);
  } catch (error) {
    if (isAppError(error, "provider_unreachable")) return cluster;
    throw error;
  }
}
