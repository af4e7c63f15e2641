import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { formatDuration } from "../../lib/text.ts";
import { splitByProof } from "../../operations/damage-found.ts";
import { listPlaces } from "../../operations/list-places.ts";
import type { ProviderBackup } from "../../providers/provider.ts";
import { isSameSecond } from "../../operations/provider/choose-moment.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import { covers } from "../../repository/scope.ts";
import type { Managed, ManagedSource } from "../managed.ts";
import { orError } from "../or-error.ts";
import { output, type Outputs, type Step } from "../plan.ts";
import { describeSkew, type Moment, skewOf } from "../skew.ts";
import type { Subject } from "../subject.ts";
import { chooseBackup } from "./choose-backup.ts";
import { chooseMoments } from "./choose-source.ts";
import { named } from "./of-database.ts";

/** A database, and where its recovery points may be. */
export interface Candidate {
  readonly subject: Subject;
  /** The service that may have it as of the very moment; null where only our backups are asked. */
  readonly managed: Managed | null;
}

/**
 * Chooses for each database the good recovery point that is nearest to a moment, a backup of ours or the service's, and tells how far
 * apart they are. Of two as near our own, which is there already. The journal keeps the choice, and the names of the clusters that are
 * to be made.
 */
export function chooseNearestStep(
  runtime: Runtime,
  {
    databases,
    at,
    from,
    budgetMs,
  }: {
    readonly databases: readonly Candidate[];
    readonly at: Date;
    readonly from: ManagedSource;
    readonly budgetMs: number;
  },
): Step {
  return {
    id: "choose",
    title: `Choose the recovery points nearest to ${at.toISOString()}`,
    runs: databases
      .flatMap(({ subject: { database }, managed }) => [
        `handled list ${database}`,
        ...(managed === null ? [] : [`handled provider list ${database}`]),
      ])
      .join("; "),
    checkedBy: "the index of each backup can be read in one of the places",
    budgetMs,
    ifItFails: "see what there is with `handled list` and `handled provider list`",
    confirm: null,
    isLook: true,
    run: async (_outputs, signal): Promise<Outputs> => {
      const made: Outputs[] = [];
      const moments: Moment[] = [];
      for (const candidate of databases) {
        const chosen = await choose(runtime, candidate, { at, from }, signal);
        const { database } = candidate.subject;
        made.push(named(database, chosen));
        moments.push({ database, at: new Date(output(chosen, "snapshotAt")) });
      }
      runtime.reporter.note(describeSkew(moments));
      return { ...Object.assign({}, ...made), skewMs: skewOf(moments) } as Outputs;
    },
    check: async (outputs, signal) => {
      for (const { subject } of databases) {
        const backup = outputs[`${subject.database}.backup`];
        if (backup !== undefined) await chooseBackup(runtime, subject, String(backup), signal);
      }
    },
  };
}

function fromTo(wanted: Date, found: Date): string {
  const ms = found.getTime() - wanted.getTime();
  if (ms === 0) return "at that moment";
  return `${formatDuration(Math.abs(ms))} ${ms < 0 ? "before" : "after"} that`;
}

interface Wanted {
  readonly at: Date;
  readonly from: ManagedSource;
}

/** Where both are there, our own is kept for when the service turns out to be of no use. */
async function choose(
  runtime: Runtime,
  { subject, managed }: Candidate,
  { at, from }: Wanted,
  signal: AbortSignal,
): Promise<Outputs> {
  const { database } = subject;
  const { reporter } = runtime;
  const own = await orError(async () => await nearest(runtime, subject, at, signal), signal);
  const asBackup = (index: BackupIndex): Outputs => ({
    source: "backup",
    backup: index.id,
    snapshotAt: index.snapshotAt,
  });
  if (!(own instanceof AppError))
    reporter.note(
      `${database}: ${own.kind} ${own.id} of ${own.snapshotAt}, ${fromTo(at, new Date(own.snapshotAt))}`,
    );
  if (managed === null) {
    if (own instanceof AppError) throw own;
    return asBackup(own);
  }
  const service = await orError(
    async () =>
      await chooseMoments(
        runtime,
        { managed, at, present: [], isDrill: false, choose: nearestMoments },
        signal,
      ),
    signal,
  );
  if (service instanceof AppError) {
    if (from === "provider" || own instanceof AppError) throw service;
    reporter.warn(`${database}: the service is of no use: ${service.message}`);
    return asBackup(own);
  }
  const distance = (moment: string): number => Math.abs(Date.parse(moment) - at.getTime());
  const moments = service.moments.filter(
    (moment) => from === "provider" || own instanceof AppError || distance(moment) < distance(own.snapshotAt),
  );
  const [best] = moments;
  if (best === undefined) {
    if (own instanceof AppError) throw own;
    reporter.note(
      `${database}: the service has nothing nearer than that backup, which is there already: it is taken`,
    );
    return asBackup(own);
  }
  reporter.note(
    `${database}: the service is asked for ${moments.join(", else ")}; ${best} is ${fromTo(at, new Date(best))}`,
  );
  return {
    ...(own instanceof AppError ? {} : { backup: own.id, ownAt: own.snapshotAt }),
    source: "provider",
    fork: service.name,
    moments: moments.join(","),
    snapshotAt: best,
  };
}

/**
 * The moment itself, where the service is assumed to replay its log up to it, then its backups around it, the nearest first; of
 * two as near the older.
 */
function nearestMoments(
  cluster: string,
  backups: readonly ProviderBackup[],
  { at, now, windowMs }: { readonly at: Date | undefined; readonly now: Date; readonly windowMs: number },
): Date[] {
  if (at === undefined) throw new AppError("unexpected", "recover together: as of no moment");
  const same = backups.find(({ createdAt }) => isSameSecond(createdAt, at));
  if (same !== undefined) return [same.createdAt];
  const before = backups.find(({ createdAt }) => createdAt < at)?.createdAt;
  const after = backups.findLast(({ createdAt }) => createdAt > at)?.createdAt;
  const around = [before, after].filter((one) => one !== undefined);
  if (around.length === 0)
    throw new AppError("backup_missing", `restore ${cluster}: the service lists no backup of it`);
  const isReplayed = before !== undefined && now.getTime() - at.getTime() < windowMs;
  const distance = (one: Date): number => Math.abs(one.getTime() - at.getTime());
  return [...(isReplayed ? [at] : []), ...around.toSorted((a, b) => distance(a) - distance(b))];
}

async function nearest(
  runtime: Runtime,
  { database, places, schemas, timeZone }: Subject,
  at: Date,
  signal: AbortSignal,
): Promise<BackupIndex> {
  const { backups, proofs } = await listPlaces(runtime, places, database, timeZone, signal);
  const complete = splitByProof(backups, proofs).good.filter(
    (index) => schemas === undefined || covers(index.schemas, schemas),
  );
  const distance = ({ snapshotAt }: BackupIndex): number => Math.abs(Date.parse(snapshotAt) - at.getTime());
  // Of two as near the older one: what came later may be what is to be got rid of.
  const [best] = complete.toReversed().toSorted((a, b) => distance(a) - distance(b));
  if (best !== undefined) return best;
  throw new AppError("backup_missing", `recover ${database}: it has no backup that can be relied on`, {
    hint: `\`handled list ${database}\` shows what is there`,
  });
}
