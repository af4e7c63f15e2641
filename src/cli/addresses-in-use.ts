import { inOperation } from "../errors.ts";
import { addressesIn } from "../recovery/steps/choose-source.ts";
import type { Cli } from "./cli.ts";
import { productionGround } from "./production-ground.ts";
import { subjectOf } from "./subject-of.ts";
import type { Target } from "./targets.ts";

/**
 * `host:port`, in lower case, of what people work on: where the strategy's URL of each database with a managed service leads to, and the
 * variable of each application, which a recovery changes first. Fails where one of them is not known: nothing may be destroyed then.
 */
export async function addressesInUse(cli: Cli, targets: readonly Target[]): Promise<string[]> {
  const found: string[] = [];
  for (const target of targets) {
    if (target.entry?.provider !== undefined) found.push(...(await liveAddresses(target)));
    found.push(...(await applicationAddresses(cli, target)));
  }
  return [...new Set(found)];
}

async function liveAddresses(target: Target): Promise<string[]> {
  const { hosts } = await target.connection().catch((error: unknown) => {
    throw inOperation(`see which cluster ${target.name} is in now`, error);
  });
  return hosts.map(({ host, port }) => `${host}:${port}`.toLowerCase());
}

async function applicationAddresses(cli: Cli, target: Target): Promise<string[]> {
  const application = productionGround(cli, target, undefined).application(subjectOf(target, {}), true);
  try {
    return await addressesIn(cli.runtime, application, cli.signal);
  } catch (error) {
    throw inOperation(`see what the application of ${target.name} works on`, error);
  }
}
