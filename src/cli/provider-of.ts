import { type ManagedBy } from "../config/provider.ts";
import { providerToken } from "../config/strategy.ts";
import { AppError } from "../errors.ts";
import { DigitalOcean } from "../providers/digitalocean/digitalocean.ts";
import type { Provider } from "../providers/provider.ts";
import type { Cli } from "./cli.ts";
import type { Target } from "./targets.ts";

/** The managed service of a database, and what the strategy says of it. Fails with `usage` where it has none. */
export function providerOf(
  cli: Cli,
  target: Target,
): { readonly provider: Provider; readonly managed: ManagedBy } {
  const managed = target.entry?.provider;
  if (managed === undefined)
    throw new AppError("usage", `find the managed service of ${target.name}: the strategy names none`, {
      hint: "add `provider: { kind: digitalocean, cluster: NAME, token: ${DIGITALOCEAN_TOKEN} }` to the database",
    });
  const token = providerToken(cli.runtime, managed);
  return { provider: new DigitalOcean(cli.runtime, { endpoint: managed.endpoint, token }), managed };
}
