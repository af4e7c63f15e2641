import { randomBytes } from "node:crypto";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ProviderCluster } from "../../providers/provider.ts";
import { chooseMoment, isSameSecond } from "./choose-moment.ts";
import type { ProviderRestorePreview, ProviderRestoreRequest } from "./restore.ts";

// The service takes names up to 63 letters.
const LONGEST_SOURCE = 30;
const NAME = /^[a-z][a-z0-9-]{1,61}[a-z0-9]$/;

/**
 * What a restore is about to make, or to go on with. Fails with `target_exists` where the name wanted is taken by a cluster that
 * is none of ours, or of another moment.
 */
export async function previewRestore(
  runtime: Runtime,
  request: ProviderRestoreRequest,
  signal: AbortSignal,
): Promise<ProviderRestorePreview> {
  const { provider, cluster, at, windowMs, lifetimeMs, clusterLimit } = request;
  requireName(request.name);
  const source = await provider.find(cluster, signal);
  const all = await provider.clusters(signal);
  const clusters = all.length;
  const now = runtime.clock.now();
  const adopted = all.find(({ name }) => name === request.name);
  const backups = await provider.backups(source, signal);
  if (adopted !== undefined) {
    const made = requireSame(adopted, source, at);
    // It was within the window when it was asked for.
    const moment = chooseMoment(source.name, backups, {
      at: made.at,
      now,
      windowMs: Number.POSITIVE_INFINITY,
    });
    return { source, name: adopted.name, moment, until: made.until, clusters, clusterLimit, adopted };
  }
  const moment = chooseMoment(source.name, backups, { at, now, windowMs });
  if (clusterLimit !== undefined && clusters >= clusterLimit)
    throw new AppError(
      "provider_refused",
      `restore ${source.name}: the account has ${clusters} clusters of at most ${clusterLimit}`,
      {
        hint: "`handled provider sweep` removes what restores left behind; `clusterLimit` in the strategy says how many there may be",
      },
    );
  const until = new Date(now.getTime() + lifetimeMs);
  const name = request.name ?? newName(source.name, now);
  return { source, name, moment, until, clusters, clusterLimit, adopted: null };
}

/** Whether a restore of this source made it, under this name. */
export function isOf(one: ProviderCluster, name: string, source: ProviderCluster): boolean {
  return one.name === name && one.lifetime?.source === source.id;
}

export function newName(source: string, now: Date): string {
  const time = now
    .toISOString()
    .replaceAll(/[-:]|\.\d+Z/g, "")
    .toLowerCase();
  return `${source.slice(0, LONGEST_SOURCE)}-handled-${time}-${randomBytes(2).toString("hex")}`;
}

function requireName(name: string | undefined): void {
  if (name === undefined || NAME.test(name)) return;
  throw new AppError(
    "usage",
    `name the new cluster ${name}: the service takes 3 to 63 small letters, digits and hyphens`,
    { hint: "it begins with a letter and does not end in a hyphen" },
  );
}

/** The tags of a cluster that may be gone on with. */
function requireSame(
  found: ProviderCluster,
  source: ProviderCluster,
  at: Date | undefined,
): { readonly at: Date; readonly until: Date } {
  const { name, lifetime } = found;
  const refused = (why: string): AppError =>
    new AppError("target_exists", `restore ${source.name}: there is a cluster ${name} already, ${why}`, {
      hint: "give another name, or remove it in the service's control panel",
    });
  if (lifetime === null) throw refused("and Handled did not make it");
  if (lifetime.source !== source.id) throw refused(`made from another cluster, ${lifetime.source}`);
  if (lifetime.at === null) throw refused("and of which moment it is its tags do not say");
  if (at !== undefined && !isSameSecond(lifetime.at, at))
    throw refused(`of another moment, ${lifetime.at.toISOString()}`);
  return { at: lifetime.at, until: lifetime.until };
}
