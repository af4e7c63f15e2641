import { AppError, inOperation } from "../errors.ts";
import { addressesIn } from "../recovery/steps/choose-source.ts";
import type { Cli } from "./cli.ts";
import { variableOf } from "./production-ground.ts";
import { resolveTargets } from "./targets.ts";

/**
 * `host:port`, in lower case, of what people work on: where the strategy's `url` of each database in a managed service leads to, and the
 * variable of each application, which a recovery changes first. Where one is not known it fails, for then nothing may be destroyed.
 * @param what comes before the reason: `sweep`
 */
export async function addressesInUse(cli: Cli, what: string, signal: AbortSignal): Promise<string[]> {
  const addresses = new Set<string>();
  const known = async <T>(work: Promise<T>, of: string): Promise<T> =>
    await work.catch((error: unknown) => {
      throw error instanceof AppError ? inOperation(`${what}: see ${of}`, error) : error;
    });
  for (const target of await resolveTargets(cli, [], {})) {
    const used = addressesIn(cli.runtime, variableOf(target), signal);
    for (const one of await known(used, `what the application of ${target.name} works on`))
      addresses.add(one);
    if (target.entry?.provider === undefined) continue;
    const { hosts } = await known(target.connection(), `which cluster ${target.name} is in now`);
    for (const { host, port } of hosts) addresses.add(`${host}:${port}`.toLowerCase());
  }
  return [...addresses];
}
