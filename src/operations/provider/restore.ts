import { AppError, inOperation, isAppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { type ConnectionSettings, resolveConnection, withDatabase } from "../../postgres/connection.ts";
import {
  type CopiedAccess,
  type Provider,
  type ProviderCluster,
  urlOfDatabase,
} from "../../providers/provider.ts";
import { checkRestored, type RestoredContent } from "./check-restored.ts";
import type { Moment } from "./choose-moment.ts";
import { drillOwner } from "./drill-owner.ts";
import { isOf, previewRestore } from "./preview.ts";
import { untilOnline } from "./until-online.ts";

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
  /**
   * The name of the new cluster, kept by the caller so that a second call after a crash goes on with what the first made. Default:
   * one that nobody else has.
   */
  readonly name?: string;
  /**
   * Whether a failure leaves the new cluster for a second call of the same `name`; `interrupted`: only where the signal ended it.
   * Default: it is destroyed.
   */
  readonly keepOnFailure?: boolean | "interrupted";
  /** Whether a drill wants it, which destroys it itself: of a drill that was killed the next one does. Default: not. */
  readonly isDrill?: boolean;
  /** Shown before anything is made; throws where the user does not agree. Not asked where a cluster is adopted. */
  readonly confirm: (preview: ProviderRestorePreview) => Promise<void>;
  /** More that must be true of the restored database; what it throws is why the new cluster is of no use. */
  readonly alsoCheck?: (connection: ConnectionSettings) => Promise<void>;
  /** Gets the URL with its password once all checks passed, before `destroyAfter`. Its failure costs nobody the cluster. */
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
  /** What an earlier call of the same name made, and this one goes on with; null: a cluster is made. */
  readonly adopted: ProviderCluster | null;
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

/**
 * Restores a managed database into a new cluster and checks it. Whatever fails after the cluster was asked for destroys it, unless
 * the caller wants it kept; where that fails too, or this program is killed, its tags tell the sweep. Called again with the
 * same `name`, whatever became of the first call, it goes on with the cluster that call made. Never touches the source.
 */
export async function restoreFromProvider(
  runtime: Runtime,
  request: ProviderRestoreRequest,
  signal: AbortSignal,
): Promise<ProviderRestoreReport> {
  const { provider } = request;
  const started = runtime.clock.monotonic();
  const preview = await previewRestore(runtime, request, signal);
  const { source, name, moment, until, adopted } = preview;
  if (request.dryRun) return { preview, done: null };
  if (adopted === null) await request.confirm(preview);
  let id = adopted?.id;
  let finished = false;
  try {
    const drill = request.isDrill === true ? await drillOwner() : null;
    const made =
      adopted ?? (await provider.restoreToNew({ name, source, at: moment.at, until, drill }, signal));
    id = made.id;
    const what = adopted === null ? "is being made" : `is there already, ${made.status}, and was made`;
    runtime.reporter.note(`cluster ${name} ${what} from ${source.name}`);
    const cluster = await untilOnline(runtime, request, made, signal);
    const access = await provider.copyAccess(source, cluster, signal);
    if (cluster.url === null)
      throw new AppError("provider_refused", `connect to ${name}: the service tells no address of it`, {
        hint: "may the token see credentials?",
      });
    const server = await resolveConnection(runtime, cluster.url, signal);
    const connection = withDatabase(server, request.database);
    const content = await checkRestored(runtime, connection, signal);
    await request.alsoCheck?.(connection);
    finished = true;
    await request.useUrl(urlOfDatabase(cluster.url, request.database));
    if (request.destroyAfter) {
      await provider.destroy(id, signal);
      runtime.reporter.note(`cluster ${name} is destroyed`);
    }
    const durationMs = runtime.clock.monotonic() - started;
    return { preview, done: { cluster, access, content, durationMs, destroyed: request.destroyAfter } };
  } catch (error) {
    const keep = request.keepOnFailure;
    const isKept =
      keep === true || (keep === "interrupted" && signal.aborted) || (finished && !request.destroyAfter);
    if (!isKept) await destroyAnyway(runtime, provider, id, preview);
    else if (id !== undefined || isAppError(error, "provider_unreachable"))
      runtime.reporter.warn(
        `cluster ${name} ${id === undefined ? "may be there" : "is kept"}, and costs money`,
      );
    throw id === undefined && !moment.exact ? withNearest(moment, error) : error;
  }
}

/**
 * Also when the command was interrupted: hence a signal of its own. Without an id the request for the cluster failed, which
 * does not say that none was made: it is looked for by its name and tags.
 */
async function destroyAnyway(
  runtime: Runtime,
  provider: Provider,
  asked: string | undefined,
  { name, source }: ProviderRestorePreview,
): Promise<void> {
  const signal = AbortSignal.timeout(60_000);
  try {
    const id = asked ?? (await provider.clusters(signal)).find((one) => isOf(one, name, source))?.id;
    if (id === undefined) return;
    await provider.destroy(id, signal);
    runtime.reporter.note(`cluster ${name} is destroyed again`);
  } catch (error) {
    const there = asked === undefined ? "may be there and cost money" : "is still there and costs money";
    runtime.reporter.warn(
      `cluster ${name} ${there}: ${messageOf(error)}; \`handled provider sweep DATABASE --all\` removes it at once`,
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
