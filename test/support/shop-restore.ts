import type { ProviderRestoreRequest } from "../../src/operations/provider/restore.ts";
import { DigitalOcean } from "../../src/providers/digitalocean/digitalocean.ts";
import type { Runtime } from "../../src/lib/runtime.ts";
import type { Emulator } from "../../src/demo/digitalocean/emulator.ts";

/** What restores the newest backup of the emulated cluster `shop`, and asks nobody. */
export function shopRestore(
  runtime: Runtime,
  { url: endpoint, token }: Pick<Emulator, "url" | "token">,
  more: Partial<ProviderRestoreRequest> = {},
): ProviderRestoreRequest {
  return {
    provider: new DigitalOcean(runtime, { endpoint, token }),
    cluster: "shop",
    database: "defaultdb",
    at: undefined,
    windowMs: 0,
    lifetimeMs: 3_600_000,
    deadlineMs: 30_000,
    clusterLimit: undefined,
    dryRun: false,
    destroyAfter: false,
    confirm: () => Promise.resolve(),
    useUrl: () => Promise.resolve(),
    ...more,
  };
}
