import type { StrategyDuty } from "../../config/strategy.ts";
import { type AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { dutyDone, readDuties, recordDuty } from "../../repository/duties.ts";
import type { DutyFile } from "../../repository/duty-file.ts";
import { openRepository } from "../../repository/repository.ts";
import type { RunFile } from "../../repository/run-file.ts";
import type { Storage } from "../../storage/storage.ts";
import { readHistory } from "../history.ts";
import { isOfPlace } from "../places.ts";
import { recordInEach } from "../record-in-each.ts";
import { describeJob, type Job } from "../schedule/jobs.ts";
import { type DutyPeriod, type DutyState, dutyState, endOfPeriod, periodOf } from "./periods.ts";

export interface ChecklistRequest {
  /** What the machine does by itself: a duty as often as its schedule says. */
  readonly jobs: readonly Job[];
  /** What people do. */
  readonly duties: readonly StrategyDuty[];
  readonly timeZone: string;
  /** Since when the strategy has them. */
  readonly since: Date;
  /** The places of a database. */
  readonly storagesOf: (database: string) => readonly Storage[];
}

export interface ChecklistItem {
  /** Of a person's duty its name; of a job what it does. */
  readonly name: string;
  readonly database: string;
  readonly by: "machine" | "person";
  readonly every: DutyPeriod;
  readonly what: string;
  readonly state: DutyState;
  /** When it was done last; null: never, or that could not be read. */
  readonly lastAt: Date | null;
  /** The backup or run that shows it, or who did it and what they said; null where it was never done. */
  readonly evidence: string | null;
  /** It is to be done before. */
  readonly until: Date;
}

export interface Checklist {
  readonly items: readonly ChecklistItem[];
  /** Why places could not be read: what they hold may be done all the same. */
  readonly failures: readonly AppError[];
}

const ORDER: readonly DutyPeriod[] = ["daily", "weekly", "monthly", "quarterly"];

/** How all duties stand: those of the machine by the history, those of people by what they recorded. Daily ones first. */
export async function readChecklist(
  runtime: Runtime,
  request: ChecklistRequest,
  signal: AbortSignal,
): Promise<Checklist> {
  const failures: AppError[] = [];
  const items: ChecklistItem[] = [];
  // A place that cannot be read hides nothing of the others.
  const failed = (error: unknown): void => {
    // Before the first backup there is no repository, and nothing is recorded.
    if (isAppError(error, "repository_missing")) return;
    if (!isOfPlace(error, signal)) throw error;
    if (!failures.some(({ message }) => message === error.message)) failures.push(error);
  };
  for (const job of request.jobs) {
    // Pruning and copying are housekeeping; each backup does both at its end.
    if (job.operation === "prune" || job.operation === "copy") continue;
    const run = await lastDone(runtime, request, job, failed, signal);
    const every = periodOf(job.schedule, request.timeZone, runtime.clock.now());
    const name = describeJob(job);
    const evidence = run === undefined ? null : (run.backup ?? run.id);
    const lastAt = run === undefined ? null : new Date(run.startedAt);
    items.push(
      itemOf(runtime, request, {
        name,
        database: job.database,
        by: "machine",
        every,
        what: name,
        lastAt,
        evidence,
      }),
    );
  }
  const done = new Map<string, ReadonlyMap<string, DutyFile>>();
  for (const { name, database, every, what } of request.duties) {
    const known = done.get(database) ?? (await allDone(runtime, request, database, failed, signal));
    done.set(database, known);
    const last = [...known.values()]
      .filter(({ duty }) => duty === name)
      .toSorted((a, b) => (a.at < b.at ? 1 : -1))[0];
    const evidence =
      last === undefined ? null : `${last.user} on ${last.host}${last.note === "" ? "" : `: ${last.note}`}`;
    const lastAt = last === undefined ? null : new Date(last.at);
    items.push(itemOf(runtime, request, { name, database, by: "person", every, what, lastAt, evidence }));
  }
  items.sort((a, b) => ORDER.indexOf(a.every) - ORDER.indexOf(b.every));
  return { items, failures };
}

function itemOf(
  { clock }: Runtime,
  { timeZone, since }: ChecklistRequest,
  item: Omit<ChecklistItem, "state" | "until">,
): ChecklistItem {
  const now = clock.now();
  return {
    ...item,
    state: dutyState(item.every, timeZone, item.lastAt, since, now),
    until: endOfPeriod(item.every, timeZone, now),
  };
}

/** The newest run of a job that did what it is for. */
async function lastDone(
  runtime: Runtime,
  request: ChecklistRequest,
  { database, operation, entry }: Job,
  failed: (error: unknown) => void,
  signal: AbortSignal,
): Promise<RunFile | undefined> {
  const wanted = (run: RunFile): boolean =>
    run.operation === operation &&
    run.entry === entry &&
    (run.outcome === "done" || (operation === "backup" && run.outcome === "degraded"));
  const asked = { database, storages: request.storagesOf(database), last: 1, since: undefined, wanted };
  try {
    const { runs, failures } = await readHistory(runtime, asked, signal);
    for (const failure of failures) failed(failure);
    return runs[0];
  } catch (error) {
    failed(error);
    return undefined;
  }
}

async function allDone(
  runtime: Runtime,
  request: ChecklistRequest,
  database: string,
  failed: (error: unknown) => void,
  signal: AbortSignal,
): Promise<Map<string, DutyFile>> {
  const all = new Map<string, DutyFile>();
  for (const storage of request.storagesOf(database)) {
    try {
      const repository = await openRepository(runtime, storage, signal);
      for (const [id, file] of await readDuties(runtime, repository, database, signal)) all.set(id, file);
    } catch (error) {
      failed(error);
    }
  }
  return all;
}

/**
 * Records in every place of its database that somebody has done a duty. Fails only where it could be recorded nowhere, with
 * what the first place said.
 * @param by who has done it; undefined: who runs us
 * @returns why it is not recorded in some of them
 */
export async function recordDutyDone(
  runtime: Runtime,
  { name, database }: StrategyDuty,
  {
    note,
    by,
    storages,
  }: { readonly note: string; readonly by: string | undefined; readonly storages: readonly Storage[] },
  signal: AbortSignal,
): Promise<readonly AppError[]> {
  const record = await dutyDone(runtime, name, note, by);
  return await recordInEach(
    runtime,
    storages,
    async (repository) => await recordDuty(repository, database, record, signal),
    signal,
  );
}
