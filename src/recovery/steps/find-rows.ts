import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { formatDuration } from "../../lib/text.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { Managed, ManagedSource } from "../managed.ts";
import { orError } from "../or-error.ts";
import type { Outputs, Step } from "../plan.ts";
import type { Subject } from "../subject.ts";
import type { ChosenBackup } from "./choose-backup.ts";
import { chooseMoments } from "./choose-source.ts";
import { type Deleted, findLoss, type FindLossRequest, requireTheSame } from "./find-loss.ts";

export interface FindRowsRequest {
  readonly subject: Subject;
  readonly managed: Managed;
  /** Undefined: what loses less. */
  readonly from: ManagedSource;
  /** The database in which something is missing. */
  readonly live: ConnectionSettings;
  readonly deleted: Deleted;
  readonly change: FindLossRequest["change"];
  readonly isDrill: boolean;
  readonly budgetMs: number;
}

/**
 * Chooses where deleted rows come back from: the service as of a moment, or a backup of our own. What loses less is taken, and of two
 * that lose the same our own, which is there already. The journal keeps the choice, and the name of the cluster that is to be made.
 */
export function findRowsStep(runtime: Runtime, request: FindRowsRequest): Step {
  const { subject, deleted, budgetMs } = request;
  const { database } = subject;
  const named = deleted.from instanceof Date ? undefined : deleted.tables;
  return {
    id: "find",
    title: `Choose where the rows of ${database} come back from: a backup, or the service's point in time`,
    runs: [
      ...(named ?? []).map((table) => `handled find-change ${database} ${table}`),
      `handled list ${database}`,
      `handled provider list ${database}`,
    ].join("; "),
    checkedBy: "the next step looks for the rows in it",
    budgetMs,
    ifItFails: "name the moment with `--at`, or leave the service aside with `--from backup`",
    confirm: null,
    run: async (before, signal): Promise<Outputs> => {
      await requireTheSame(runtime, request, signal);
      const since = before["since"] ?? runtime.clock.now().toISOString();
      return { ...(await choose(runtime, request, signal)), since };
    },
    check: async () => {},
  };
}

async function choose(runtime: Runtime, request: FindRowsRequest, signal: AbortSignal): Promise<Outputs> {
  const { subject, managed, from, deleted, isDrill } = request;
  const { reporter } = runtime;
  const own = await orError(async () => (await findLoss(runtime, request, signal)).index, signal);
  const at = wantedOf(subject, deleted, own);
  const service = await orError(
    async () => await chooseMoments(runtime, { managed, at, present: [], isDrill }, signal),
    signal,
  );
  const backup = own instanceof AppError ? {} : { backup: own.id, snapshotAt: own.snapshotAt };
  if (!(own instanceof AppError))
    reporter.note(`our own: ${own.kind} ${own.id} of ${own.snapshotAt}, ${lostBefore(at, own.snapshotAt)}`);
  if (service instanceof AppError) {
    if (from === "provider" || own instanceof AppError) throw service;
    reporter.warn(`the service is of no use: ${service.message}`);
    return { source: "backup", ...backup };
  }
  const newer = (moment: string): boolean =>
    from === "provider" || own instanceof AppError || Date.parse(moment) > Date.parse(own.snapshotAt);
  const moments = service.moments.filter(newer);
  const [best] = moments;
  if (best === undefined) {
    reporter.note("the backup of our own is as good as what the service has, and there already: it is taken");
    return { source: "backup", ...backup };
  }
  if (at.toISOString() !== service.moments[0])
    reporter.warn(
      `${at.toISOString()} is before what the service is assumed to replay: its newest backup before that is asked for`,
    );
  reporter.note(
    `the service: as of ${moments.join(", else ")}, ${lostBefore(at, best)}; in a new cluster, which may take up to ${formatDuration(managed.settings.deadlineMs)}, costs money, and is destroyed again`,
  );
  return { source: "provider", fork: service.name, moments: moments.join(","), ...backup };
}

/** The moment at which all was still there. */
function wantedOf({ database }: Subject, { from }: Deleted, own: ChosenBackup["index"] | AppError): Date {
  if (from instanceof Date) return from;
  if (!(own instanceof AppError)) return new Date(own.snapshotAt);
  throw new AppError(
    own.code,
    `recover ${database} from the service: nothing says at which moment all was still there: ${own.message}`,
    { hint: "name it with `--at 2024-12-10T14:05:00Z`", cause: own },
  );
}

function lostBefore(wanted: Date, moment: string): string {
  const ms = wanted.getTime() - Date.parse(moment);
  return ms <= 0
    ? "of that very moment"
    : `without what was written in the ${formatDuration(ms)} before the moment`;
}
