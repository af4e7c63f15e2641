import { randomBytes } from "node:crypto";
import { AppError, inOperation, isAppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { formatDuration } from "../../lib/text.ts";
import { resolveConnection, withDatabase } from "../../postgres/connection.ts";
import {
  type CopiedAccess,
  type Provider,
  type ProviderCluster,
  urlOfDatabase,
} from "../../providers/provider.ts";
import { checkRestored, type RestoredContent } from "./check-restored.ts";
import { chooseMoment, type Moment } from "./choose-moment.ts";

export interface ProviderRestoreRequest {
  readonly provider: Provider;
  readonly cluster: string;
  /** Name of the database in the cluster. */
  readonly database: string;
  /** The moment wanted; undefined: the newest backup. */
  readonly at: Date | undefined;
  readonly windowMs: number;
  readonly lifetimeMs: number;
  /** How long the new cluster may take to come online. */
  readonly deadlineMs: number;
  /** Most clusters that the account may have; undefined where nobody says. */
  readonly clusterLimit: number | undefined;
  readonly dryRun: boolean;
  readonly destroyAfter: boolean;
  /** Shown before anything is made; throws where the user does not agree. */
  readonly confirm: (preview: ProviderRestorePreview) => Promise<void>;
  /** Gets the URL with its password once all checks passed, before `destroyAfter`. */
  readonly useUrl: (url: string) => Promise<void>;
}

export interface ProviderRestorePreview {
  readonly source: ProviderCluster;
  readonly name: string;
  readonly moment: Moment;
  readonly until: Date;
  /** How many clusters the account has now. */
  readonly clusters: number;
  readonly clusterLimit: number | undefined;
}

export interface ProviderRestoreReport {
  readonly preview: ProviderRestorePreview;
  /** Null for a dry run. */
  readonly done: {
    readonly cluster: ProviderCluster;
    readonly access: CopiedAccess;
    readonly content: RestoredContent;
    readonly durationMs: number;
    readonly destroyed: boolean;
  } | null;
}

const FIRST_LOOK_MS = 500;
const LONGEST_LOOK_MS = 15_000;
// The service takes names up to 63 letters.
const LONGEST_SOURCE = 30;

/**
 * Restores a managed database into a new cluster and checks it. Whatever fails after the cluster was asked for destroys it;
 * where that fails too, or this program is killed, its tags tell the sweep. Never touches the source.
 */
export async function restoreFromProvider(
  runtime: Runtime,
  request: ProviderRestoreRequest,
  signal: AbortSignal,
): Promise<ProviderRestoreReport> {
  const { provider } = request;
  const started = runtime.clock.monotonic();
  const preview = await previewOf(runtime, request, signal);
  const { source, name, moment, until } = preview;
  if (request.dryRun) return { preview, done: null };
  await request.confirm(preview);
  let id: string | undefined;
  let finished = false;
  try {
    const made = await provider.restoreToNew({ name, source, at: moment.at, until }, signal);
    id = made.id;
    runtime.reporter.note(`cluster ${name} is being made from ${source.name}`);
    const cluster = await untilOnline(runtime, request, made, signal);
    const access = await provider.copyAccess(source, cluster, signal);
    if (cluster.url === null)
      throw new AppError("provider_refused", `connect to ${name}: the service tells no address of it`, {
        hint: "may the token see credentials?",
      });
    const server = await resolveConnection(runtime, cluster.url, signal);
    const connection = withDatabase(server, request.database);
    const content = await checkRestored(runtime, connection, signal);
    await request.useUrl(urlOfDatabase(cluster.url, request.database));
    finished = true;
    if (request.destroyAfter) {
      await provider.destroy(id, signal);
      runtime.reporter.note(`cluster ${name} is destroyed`);
    }
    const durationMs = runtime.clock.monotonic() - started;
    return { preview, done: { cluster, access, content, durationMs, destroyed: request.destroyAfter } };
  } catch (error) {
    if (!finished || request.destroyAfter) await destroyAnyway(runtime, provider, id, name);
    throw id === undefined && !moment.exact ? withNearest(moment, error) : error;
  }
}

async function previewOf(
  runtime: Runtime,
  request: ProviderRestoreRequest,
  signal: AbortSignal,
): Promise<ProviderRestorePreview> {
  const { provider, cluster, at, windowMs, lifetimeMs, clusterLimit } = request;
  const source = await provider.find(cluster, signal);
  const backups = await provider.backups(source, signal);
  const now = runtime.clock.now();
  const moment = chooseMoment(source.name, backups, { at, now, windowMs });
  const clusters = (await provider.clusters(signal)).length;
  if (clusterLimit !== undefined && clusters >= clusterLimit)
    throw new AppError(
      "provider_refused",
      `restore ${source.name}: the account has ${clusters} clusters of at most ${clusterLimit}`,
      {
        hint: "`handled provider sweep` removes what restores left behind; `clusterLimit` in the strategy says how many there may be",
      },
    );
  const time = now
    .toISOString()
    .replaceAll(/[-:]|\.\d+Z/g, "")
    .toLowerCase();
  const name = `${source.name.slice(0, LONGEST_SOURCE)}-handled-${time}-${randomBytes(2).toString("hex")}`;
  return { source, name, moment, until: new Date(now.getTime() + lifetimeMs), clusters, clusterLimit };
}

async function untilOnline(
  runtime: Runtime,
  { provider, deadlineMs }: ProviderRestoreRequest,
  made: ProviderCluster,
  signal: AbortSignal,
): Promise<ProviderCluster> {
  const started = runtime.clock.monotonic();
  let cluster = made;
  for (let wait = FIRST_LOOK_MS; cluster.status !== "online"; wait = Math.min(LONGEST_LOOK_MS, wait * 1.5)) {
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

/**
 * Also when the command was interrupted: hence a signal of its own. Without an id the request for the cluster failed, which
 * does not say that none was made: it is looked for by its name, which nobody else uses.
 */
async function destroyAnyway(
  runtime: Runtime,
  provider: Provider,
  asked: string | undefined,
  name: string,
): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  try {
    const id = asked ?? (await provider.clusters(signal)).find((one) => one.name === name)?.id;
    if (id === undefined) return;
    await provider.destroy(id, signal);
    runtime.reporter.note(`cluster ${name} is destroyed again`);
  } catch (error) {
    const there = asked === undefined ? "may be there and cost money" : "is still there and costs money";
    runtime.reporter.warn(
      `cluster ${name} ${there}: ${messageOf(error)}; \`handled provider sweep --all\` removes it at once`,
    );
  }
}

function withNearest({ at, backup }: Moment, error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== "provider_refused") return error;
  return new AppError(error.code, inOperation(`restore to ${at.toISOString()}`, error).message, {
    hint: `the service may take the times of its backups only; the nearest before: \`--at ${backup.createdAt.toISOString()}\``,
    cause: error,
  });
}
