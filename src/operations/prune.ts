import type { Keep } from "../config/keep.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted } from "../lib/text.ts";
import { deleteBackup, recoverUnfinished } from "../repository/backups.ts";
import {
  collectGarbage,
  type GarbageReport,
  isCollectionDue,
  previewGarbage,
} from "../repository/collect.ts";
import { extendLocks, type StayingBackups } from "../repository/extend-locks.ts";
import { indexKey } from "../repository/layout.ts";
import { acquireLease, type Lease } from "../repository/lease.ts";
import { isArchive } from "../repository/listing.ts";
import type { BackupIndex } from "../repository/manifest.ts";
import { livingReaders } from "../repository/readers.ts";
import { openRepository, type Repository, whatIsKnownOf } from "../repository/repository.ts";
import { planRetention, type RetentionCandidate, type RetentionDecision } from "../repository/retention.ts";
import { foldMonths } from "../repository/runs.ts";
import { covers } from "../repository/scope.ts";
import type { Storage } from "../storage/storage.ts";
import { listGoodBackups } from "./damage-found.ts";
import { updateLatest } from "./latest.ts";
import { NO_FIGURES, recordingRun, type RunResult } from "./record-run.ts";

/**
 * Which rule applies to which backups: each entry of the strategy has its own, and backups of no known entry (taken by
 * hand, or of an entry that was removed) follow `otherwise`. Undefined keeps everything. A backup takes the place only of
 * one of its own kind: an archive a week must not go because there is a snapshot every hour. And only of one that has no
 * schema which it has not: a backup of one schema must not make one of the whole database go.
 */
export interface RetentionRules {
  readonly entries: Readonly<Record<string, Keep | undefined>>;
  readonly otherwise: Keep | undefined;
  /** How long parts that no backup needs stay after that was noted. */
  readonly garbageAgeMs: number;
}

/** Every backup stays. */
export const KEEP_ALL: RetentionRules = { entries: {}, otherwise: undefined, garbageAgeMs: 0 };

export interface PruneDecision {
  readonly backup: BackupIndex;
  readonly keep: boolean;
  /** It could not be restored; it stays for somebody to look at. */
  readonly damaged: boolean;
  /** It would go, and the storage does not let it before then. */
  readonly locked?: Date;
  /** Why it stays or goes, one short phrase each. */
  readonly reasons: readonly string[];
}

interface PruneScope {
  readonly repository: Repository;
  readonly database: string;
  readonly rules: RetentionRules;
  readonly timeZone: string;
}

/**
 * What retention says of every backup of the database: the good ones newest first, then the damaged ones. A damaged one
 * takes no good one's place in the rules: the newest good backup stays. Changes nothing.
 */
export async function planPrune(
  runtime: Runtime,
  scope: PruneScope,
  signal: AbortSignal,
): Promise<PruneDecision[]> {
  const { backups, damaged } = await listGoodBackups(runtime, scope.repository, scope.database, signal);
  const decisions = planAmong(runtime, scope, backups);
  const going = decisions.filter(({ keep }) => !keep).map(({ backup }) => backup);
  const locked = await lockedBackups(scope.repository.storage, going, signal);
  return [
    ...decisions.map((decision) => {
      const until = locked.get(decision.backup.id);
      if (until === undefined) return decision;
      const reasons = [...decision.reasons, `locked until ${until.toISOString()}`];
      return { ...decision, keep: true, locked: until, reasons };
    }),
    ...damaged.flatMap(({ index, reason }) =>
      index === undefined
        ? []
        : [{ backup: index, keep: true, damaged: true, reasons: [`damaged: ${reason}`] }],
    ),
  ];
}

/** What the rules say of these backups, as if they were all that there are. In their order. */
export function planAmong(
  runtime: Runtime,
  scope: Pick<PruneScope, "rules" | "timeZone">,
  backups: readonly BackupIndex[],
): PruneDecision[] {
  const { entries, otherwise } = scope.rules;
  const entryOf = ({ schedule }: BackupIndex): string | null =>
    schedule !== null && Object.hasOwn(entries, schedule) ? schedule : null;
  const groups = Map.groupBy(backups, (backup) => JSON.stringify([backup.kind, entryOf(backup)]));
  const now = runtime.clock.now();
  const plans = [...groups.values()].flatMap((members) => {
    const entry = members[0] === undefined ? null : entryOf(members[0]);
    const keep = entry === null ? otherwise : entries[entry];
    return planByScope(members, (rivals) => planRetention(rivals, keep, now, scope.timeZone));
  });
  const byId = new Map(plans.map((plan) => [plan.id, plan]));
  return backups.map((backup) => {
    const plan = byId.get(backup.id);
    const reasons = plan?.reasons ?? ["not covered by a rule"];
    return { backup, keep: plan?.keep ?? true, damaged: false, reasons };
  });
}

/**
 * Those of the backups that the storage does not let go yet, and until when. Of them nothing is deleted: without its index a
 * backup could not be found any more, and would cost as much as before. Of what is its own the index is locked last.
 */
async function lockedBackups(
  { locks }: Storage,
  backups: readonly BackupIndex[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Date>> {
  const found = new Map<string, Date>();
  if (locks === undefined) return found;
  for (const { database, id } of backups) {
    const until = await locks.lockedUntil(indexKey(database, id), signal);
    if (until !== undefined) found.set(id, until);
  }
  return found;
}

/** Asks about each backup among those that could take its place. */
function planByScope(
  backups: readonly BackupIndex[],
  plan: (rivals: RetentionCandidate[]) => RetentionDecision[],
): RetentionDecision[] {
  const scopes = Map.groupBy(backups, ({ schemas }) => JSON.stringify(schemas?.toSorted() ?? null));
  return [...scopes.values()].flatMap((members) => {
    const ids = new Set<string>(members.map(({ id }) => id));
    const scope = members[0]?.schemas ?? null;
    const rivals = backups.filter(({ schemas }) => covers(schemas, scope));
    const times = rivals.map(({ id, snapshotAt }) => ({ id, at: new Date(snapshotAt) }));
    return plan(times).filter(({ id }) => ids.has(id));
  });
}

/** What is left and good after the decisions were carried out, newest first. */
export function keptBackups(decisions: readonly PruneDecision[]): BackupIndex[] {
  return decisions.filter(({ keep, damaged }) => keep && !damaged).map(({ backup }) => backup);
}

/** What stays because it is needed, and what only because it is locked. */
function byLock(decisions: readonly PruneDecision[]): StayingBackups {
  const [staying, leaving] = [false, true].map((isLocked) =>
    decisions
      .filter(({ keep, locked }) => keep && (locked !== undefined) === isLocked)
      .map(({ backup }) => backup),
  );
  return { staying: staying ?? [], leaving: leaving ?? [] };
}

interface PruneRun extends PruneScope {
  /** First word of the archives' file names. */
  readonly prefix: string;
}

interface Pruned {
  readonly decisions: readonly PruneDecision[];
  /** The link to the newest archive; null where the place has no links. */
  readonly latest: string | null;
}

/**
 * Points the links to the newest archives that stay, deletes what retention lets go, and collects what deleted snapshots
 * left when that is due: in this order, so that a link never leads to an archive that is gone. The caller holds the lease.
 */
export async function pruneUnderLease(
  runtime: Runtime,
  scope: PruneRun,
  lease: Lease,
  signal: AbortSignal,
): Promise<Pruned> {
  const { repository, database, rules } = scope;
  const pruned = await applyRetention(runtime, scope, lease, signal);
  await extendLocks(runtime, repository, database, byLock(pruned.decisions), lease, signal);
  await foldMonths(runtime, repository, database, lease, signal);
  const deleted = pruned.decisions.some(({ backup, keep }) => !keep && backup.kind === "snapshot");
  const options = { minAgeMs: rules.garbageAgeMs, deleted };
  if (!(await isCollectionDue(runtime, repository, database, options, signal))) return pruned;
  const { refused } = await collectGarbage(runtime, repository, database, lease, options, signal);
  if (refused.length > 0)
    runtime.reporter.warn(
      `parts of ${database} that no backup needs stay where they are: ${refused.join("; ")}`,
    );
  return pruned;
}

async function applyRetention(
  runtime: Runtime,
  scope: PruneRun,
  lease: Lease,
  signal: AbortSignal,
): Promise<Pruned> {
  const { repository, database, prefix } = scope;
  const decisions = await planPrune(runtime, scope, signal);
  const latest = await updateLatest(repository, database, prefix, keptBackups(decisions), signal);
  if (decisions.every(({ keep }) => keep)) return { decisions, latest };
  // Removes the markers of dead readers, which would keep what they once read.
  await livingReaders(runtime, repository, database, lease, signal);
  const done: PruneDecision[] = [];
  for (const decision of decisions) {
    const gone = !decision.keep && (await deleteBackup(repository, decision.backup, lease, signal));
    done.push(
      gone || decision.keep ? decision : { ...decision, keep: true, reasons: ["being read right now"] },
    );
  }
  return { decisions: done, latest };
}

export interface PruneRequest {
  readonly storage: Storage;
  readonly database: string;
  readonly rules: RetentionRules;
  readonly timeZone: string;
  readonly prefix: string;
  readonly dryRun: boolean;
}

export interface PruneResult {
  readonly decisions: readonly PruneDecision[];
  /** Bytes of the archives that are gone. */
  readonly archiveBytes: number;
  /** What became of parts and part lists that no backup leads to: those of deleted snapshots are noted first. */
  readonly garbage: GarbageReport;
}

/** Applies retention to one database's backups and collects garbage; with `dryRun` only says what would go. */
export async function pruneDatabase(
  runtime: Runtime,
  request: PruneRequest,
  signal: AbortSignal,
): Promise<PruneResult> {
  const { database, dryRun, storage } = request;
  const prune = async (): Promise<PruneResult> => await pruneUnrecorded(runtime, request, signal);
  if (dryRun) return await prune();
  const run = { operation: "prune", database, entry: null, storages: [storage] } as const;
  return await recordingRun(runtime, run, prune, runResult, signal);
}

function runResult({ decisions, archiveBytes, garbage }: PruneResult): RunResult {
  const going = goingOf(decisions).length;
  const storedBytes = archiveBytes + garbage.deleted.bytes;
  return {
    outcome: "done",
    backup: null,
    figures: { ...NO_FIGURES, storedBytes },
    summary: `${counted(going, "backup")} deleted, ${counted(decisions.length - going, "backup")} kept`,
  };
}

async function pruneUnrecorded(
  runtime: Runtime,
  request: PruneRequest,
  signal: AbortSignal,
): Promise<PruneResult> {
  const repository = await openRepository(runtime, request.storage, signal);
  const { database, rules, timeZone, prefix } = request;
  const scope = { repository, database, rules, timeZone, prefix };
  const options = { minAgeMs: rules.garbageAgeMs };
  const known = await whatIsKnownOf(repository, database, signal);
  // A lease would make a folder for a name that may be mistyped.
  if (!known.there) runtime.reporter.warn(known.note);
  if (request.dryRun || !known.there) {
    const decisions = await planPrune(runtime, scope, signal);
    const leavers = new Set(goingOf(decisions).map(({ id }) => id));
    const garbage = await previewGarbage(runtime, repository, database, leavers, options, signal);
    return { decisions, archiveBytes: archiveBytesOf(goingOf(decisions)), garbage };
  }
  await using lease = await acquireLease(runtime, repository, database, "prune", signal);
  const whileHeld = AbortSignal.any([signal, lease.lost]);
  await recoverUnfinished(runtime, repository, database, lease, whileHeld);
  const { decisions } = await applyRetention(runtime, scope, lease, whileHeld);
  await extendLocks(runtime, repository, database, byLock(decisions), lease, whileHeld);
  await foldMonths(runtime, repository, database, lease, whileHeld);
  const garbage = await collectGarbage(runtime, repository, database, lease, options, whileHeld);
  return { decisions, archiveBytes: archiveBytesOf(goingOf(decisions)), garbage };
}

function goingOf(decisions: readonly PruneDecision[]): BackupIndex[] {
  return decisions.filter(({ keep }) => !keep).map(({ backup }) => backup);
}

function archiveBytesOf(backups: readonly BackupIndex[]): number {
  return backups.filter(isArchive).reduce((sum, { archive }) => sum + archive.size, 0);
}
