import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { type ConnectionSettings, resolveConnection, withDatabase } from "../../postgres/connection.ts";
import { connect } from "../../postgres/session.ts";
import type { Provider, ProviderCluster } from "../../providers/provider.ts";
import type { Managed } from "../managed.ts";
import { orError } from "../or-error.ts";
import type { Outputs } from "../plan.ts";

/** `host:port`, in lower case, of what people work on. Fails where that cannot be known. */
export type InUse = (signal: AbortSignal) => Promise<readonly string[]>;

/** The names of all clusters that the steps may have had made. */
export function forkNames(outputs: Outputs): string[] {
  const { fork: first, moments } = outputs;
  if (first === undefined) return [];
  const tries = String(moments ?? "").split(",").length;
  return Array.from({ length: tries }, (_, count) => forkName(String(first), count));
}

/** The name of the cluster of one try. */
export const forkName = (first: string, count: number): string =>
  count === 0 ? first : `${first}-${count + 1}`;

/** How long the service may take to say what is there, and to destroy it. */
const LIMIT_MS = 60_000;

/** Which clusters were made, for which database of the strategy. */
export interface MadeFor {
  readonly managed: Managed;
  readonly database: string;
}

/** Removes what was made to be thrown away, whatever became of the run. Fails with nothing: what stays is told, and has a lifetime. */
export async function removeForks(
  runtime: Runtime,
  { managed, database }: MadeFor,
  names: ReadonlySet<string>,
): Promise<void> {
  if (names.size === 0) return;
  const signal = AbortSignal.timeout(LIMIT_MS);
  let provider: Provider;
  let clusters: readonly ProviderCluster[];
  try {
    provider = managed.open();
    clusters = await provider.clusters(signal);
  } catch (error) {
    tellLeft(runtime, database, [...names], error);
    return;
  }
  for (const { id, name, lifetime } of clusters) {
    if (!names.has(name) || lifetime === null) continue;
    try {
      await provider.destroy(id, signal);
      runtime.reporter.note(`cluster ${name} is destroyed`);
    } catch (error) {
      tellLeft(runtime, database, [name], error);
    }
  }
}

function tellLeft({ reporter }: Runtime, database: string, names: readonly string[], error: unknown): void {
  const isLate = error instanceof DOMException && error.name === "TimeoutError";
  if (!isAppError(error) && !isLate) throw error;
  reporter.warn(
    `${names.join(", ")} may be there and cost money: ${error.message}; \`handled provider sweep ${database} --all\` removes it`,
  );
}

/** What tells whether anything was written into a cluster: unlike any moment before after each transaction that wrote something. */
export async function lastWrite(
  runtime: Runtime,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<string> {
  await using session = await connect(runtime, settings, signal);
  const [row] = await session.query<{ next: string }>(
    "select pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text as next",
  );
  return row?.next ?? "";
}

/**
 * The way back from a cluster that was made to stay: it is destroyed, unless it may have what nothing else has, or people work on it. What
 * stays is told, with what it costs and how it goes.
 * @returns whether none stays
 */
export async function undoFork(
  runtime: Runtime,
  request: MadeFor & { readonly inUse: InUse },
  outputs: Outputs,
  signal: AbortSignal,
): Promise<boolean> {
  const { managed, database, inUse } = request;
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  let left = forkNames(outputs);
  let stays = false;
  try {
    const provider = managed.open();
    const all = await provider.clusters(limit);
    const made = all.filter(({ name, lifetime }) => lifetime !== null && left.includes(name));
    left = made.map(({ name }) => name);
    const addresses = await orError(async () => await inUse(limit), signal);
    for (const cluster of made) {
      const stay = await whyItStays(runtime, { managed, provider, all, addresses }, cluster, outputs, limit);
      if (stay === null) {
        await provider.destroy(cluster.id, limit);
        runtime.reporter.note(`cluster ${cluster.name} is destroyed`);
      } else {
        stays = true;
        runtime.reporter.warn(staying(request, cluster, stay));
      }
      left = left.filter((name) => name !== cluster.name);
    }
    return !stays;
  } catch (error) {
    signal.throwIfAborted();
    tellLeft(runtime, database, left, error);
    return false;
  }
}

/** Why a cluster is not destroyed, and what a person does about it. */
interface Stay {
  readonly why: string;
  readonly hand: "command" | "panel";
}

/** Null where it has nothing that nothing else has, and nobody works on it. */
async function whyItStays(
  runtime: Runtime,
  {
    managed,
    provider,
    all,
    addresses,
  }: {
    readonly managed: Managed;
    readonly provider: Provider;
    readonly all: readonly ProviderCluster[];
    readonly addresses: readonly string[] | AppError;
  },
  { id, lifetime }: ProviderCluster,
  outputs: Outputs,
  signal: AbortSignal,
): Promise<Stay | null> {
  if (!all.some((one) => one.id === lifetime?.source))
    return { why: "what it was made from is gone, and it may be all that is left of it", hand: "panel" };
  if (addresses instanceof AppError)
    return { why: `whether people work on it is not known: ${addresses.message}`, hand: "command" };
  if ((await provider.addresses(id, signal)).some((address) => addresses.includes(address)))
    return { why: "the strategy's `url` or the application's variable leads to it by now", hand: "command" };
  // Nobody was told of one that was killed before it was there.
  if (outputs["forkId"] !== id) return null;
  const now = await orError(async () => await lastWriteIn(runtime, managed, provider, id, signal), signal);
  if (now instanceof AppError)
    return { why: `whether something was written into it is not known: ${now.message}`, hand: "command" };
  if (now === outputs["forkWrite"]) return null;
  return {
    why: "something was written into it since it was made, and it may have rows that nothing else has",
    hand: "command",
  };
}

async function lastWriteIn(
  runtime: Runtime,
  managed: Managed,
  provider: Provider,
  id: string,
  signal: AbortSignal,
): Promise<string> {
  const { url, status, name } = await provider.look(id, signal);
  if (url === null || status !== "online")
    throw new AppError("provider_refused", `look into ${name}: it is ${status}`);
  const settings = withDatabase(await resolveConnection(runtime, url, signal), managed.database);
  return await lastWrite(runtime, settings, signal);
}

function staying(
  { managed, database }: MadeFor,
  { name, lifetime }: ProviderCluster,
  { why, hand }: Stay,
): string {
  const { cluster, price = `as much as ${cluster}` } = managed.settings;
  const sweep = `handled provider sweep ${database}`;
  const until = lifetime?.until.toISOString().replace(".000", "") ?? "";
  const way =
    hand === "panel"
      ? "Once you are sure, destroy it in the service's control panel"
      : `Look at it, and bring over what is needed; then \`${sweep} --cluster ${name}\` destroys it, and from ${until} on \`${sweep}\``;
  return `cluster ${name} stays, and costs money (${price}): ${why}. ${way}`;
}
