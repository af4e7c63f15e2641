import type { Managed } from "../recovery/managed.ts";
import type { Cli } from "./cli.ts";
import { providerOf } from "./provider-of.ts";
import { previewText } from "./render/provider.ts";
import type { Target } from "./targets.ts";

/**
 * The managed service of a database, for its recovery; null where it has none.
 * @param isNeeded whether having none fails, with `usage`
 */
export async function managedOf(cli: Cli, target: Target, isNeeded: boolean): Promise<Managed | null> {
  const settings = target.entry?.provider;
  if (settings === undefined) {
    if (isNeeded) providerOf(cli, target);
    return null;
  }
  return {
    name: target.name,
    settings,
    database: settings.database ?? (await target.connection()).database,
    open: () => providerOf(cli, target).provider,
    describe: (preview) => previewText(preview, settings, target.timeZone),
  };
}
