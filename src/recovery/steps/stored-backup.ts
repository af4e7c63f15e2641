import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { readingFromPlaces } from "../../operations/reading-places.ts";
import type { Selection } from "../../operations/restore/plan.ts";
import { recordingRestore } from "../../operations/restore/record.ts";
import type { RestoreReport, RestoreRequest, RestoreTarget } from "../../operations/restore/request.ts";
import { restoreDatabase } from "../../operations/restore/restore.ts";
import { type BackupSource, findSource } from "../../operations/restore/source.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { Subject } from "../subject.ts";

export interface RestoreOf {
  /** A backup's id. */
  readonly which: string;
  readonly connection: ConnectionSettings;
  readonly target: RestoreTarget;
  readonly selection: Selection;
  /** Whether it is to be found in the history. */
  readonly isRecorded: boolean;
  /** With a swap: more that must be true of what replaces the database. */
  readonly alsoCheck?: RestoreRequest["alsoCheck"];
}

/** Restores a backup of a database from whichever of its places has it; nobody is asked, for the plan has. Errors: those of a restore. */
export async function restoreFromPlaces(
  runtime: Runtime,
  subject: Subject,
  { which, connection, target, selection, isRecorded, alsoCheck }: RestoreOf,
  signal: AbortSignal,
): Promise<NonNullable<RestoreReport["done"]>> {
  const { database, places, timeZone, keepReplacedMs, lockTimeoutMs, jobs } = subject;
  const reading = { places, database, which, operation: "restore" } as const;
  const work = async (): Promise<RestoreReport> =>
    await readingFromPlaces(
      runtime,
      reading,
      async (chosen) =>
        await restoreDatabase(
          runtime,
          {
            database,
            which: chosen.which,
            storage: chosen.storage,
            connection,
            target,
            selection,
            timeZone,
            keepReplacedMs,
            lockTimeoutMs,
            jobs,
            dryRun: false,
            confirm: async () => {},
            ...(alsoCheck === undefined ? {} : { alsoCheck }),
          },
          signal,
        ),
      signal,
    );
  const { done } = isRecorded ? await recordingRestore(runtime, reading, work, signal) : await work();
  if (done === null) throw new AppError("unexpected", `restore ${database}: nothing was done`);
  return done;
}

/** What is known of a backup, from whichever place has it; null for what is none of ours. */
export async function manifestFromPlaces(
  runtime: Runtime,
  { database, places }: Pick<Subject, "database" | "places">,
  which: string,
  signal: AbortSignal,
): Promise<BackupSource["manifest"]> {
  const reading = { places, database, which, operation: "restore" } as const;
  const { manifest } = await readingFromPlaces(
    runtime,
    reading,
    async (chosen) => await findSource(runtime, { ...chosen, database, operation: "restore" }, signal),
    signal,
  );
  return manifest;
}
