import { AppError } from "../errors.ts";
import { askProvider } from "../health/ask-provider.ts";
import { type ProviderView, providerView } from "../health/provider-view.ts";
import { restoresIn } from "../operations/provider/record.ts";
import type { Repository } from "../repository/repository.ts";
import type { Cli } from "./cli.ts";
import { providerOf } from "./provider-of.ts";
import type { Target } from "./targets.ts";

/**
 * What the managed service has of a database; null where none runs it. That it cannot be asked is a warning: our own backups are there
 * all the same. @param repositories of the database, which tell what was restored
 */
export async function providerViewOf(
  cli: Cli,
  target: Target,
  repositories: readonly Repository[],
): Promise<ProviderView | null> {
  const managed = target.entry?.provider;
  if (managed === undefined) return null;
  const open = () => ({ provider: providerOf(cli, target).provider, cluster: managed.cluster });
  const facts = await askProvider(open, cli.signal);
  if (facts instanceof AppError)
    cli.output.warn(`${target.name}: the managed service's backups cannot be listed: ${facts.message}`);
  const restores = await restoresIn(cli.runtime, repositories, target.name, cli.signal);
  return providerView(facts, { windowMs: managed.windowMs, now: cli.runtime.clock.now() }, restores);
}
