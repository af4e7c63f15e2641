import { AppError, inOperation } from "../errors.ts";
import { addressesIn } from "../recovery/steps/choose-source.ts";
import type { Cli } from "./cli.ts";
import { variableOf } from "./production-ground.ts";
import { requireStrategy } from "./strategy-file.ts";
import { strategyTarget, type Target } from "./targets.ts";

/** The databases of the strategy that are in a managed service. Fails with `usage` where there is none. */
export async function managedTargets(cli: Cli): Promise<Target[]> {
  const strategy = await requireStrategy(cli);
  const managed = strategy.databases.filter(({ provider }) => provider !== undefined);
  if (managed.length > 0) return managed.map((entry) => strategyTarget(cli, strategy, entry, {}));
  throw new AppError("usage", `find a managed service: no database of ${strategy.path} has a \`provider\``);
}

/**
 * `host:port`, in lower case, of what people work on in managed services: where the strategy's `url` of each database leads to, and the
 * variable of its application. Where one is not known it fails, for then nothing may be destroyed.
 * @param what comes before the reason: `sweep`
 */
export async function addressesInUse(cli: Cli, what: string, signal: AbortSignal): Promise<string[]> {
  const addresses: string[] = [];
  const known = async <T>(work: Promise<T>, of: string): Promise<T> =>
    await work.catch((error: unknown) => {
      throw error instanceof AppError ? inOperation(`${what}: see ${of}`, error) : error;
    });
  for (const target of await managedTargets(cli)) {
    const { hosts } = await known(target.connection(), `which cluster ${target.name} is in now`);
    addresses.push(...hosts.map(({ host, port }) => `${host}:${port}`.toLowerCase()));
    const used = addressesIn(cli.runtime, variableOf(target), signal);
    addresses.push(...(await known(used, `what the application of ${target.name} works on`)));
  }
  return addresses;
}
