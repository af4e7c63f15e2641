import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { splitByProof } from "../../operations/damage-found.ts";
import { listPlaces, type PlacesListing } from "../../operations/list-places.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import { isRestored } from "../../repository/proofs.ts";
import { covers } from "../../repository/scope.ts";
import { output, type Outputs, type Step } from "../plan.ts";
import type { Subject } from "../subject.ts";

/** A backup to recover from. */
export interface ChosenBackup {
  readonly index: BackupIndex;
  /** Whether it was restored and compared before. */
  readonly proven: boolean;
}

/**
 * The backup to recover from: the newest proven one that has all of the database; where a newer one was never proven, that is
 * told; where none was proven, the newest. `which` names another one: its id, or `latest` for the newest, proven or not. Fails
 * with `backup_missing`.
 */
export async function chooseBackup(
  runtime: Runtime,
  { database, places, schemas, timeZone }: Subject,
  which: string | undefined,
  signal: AbortSignal,
): Promise<ChosenBackup> {
  const listing = await listPlaces(runtime, places, database, timeZone, signal);
  const { good } = splitByProof(listing.backups, listing.proofs);
  const complete = good.filter((index) => schemas === undefined || covers(index.schemas, schemas));
  const proven = (index: BackupIndex): boolean => isProven(listing.proofs, index);
  if (which !== undefined && which !== "latest") {
    const index = listing.backups.find(({ id }) => id === which);
    if (index !== undefined) return { index, proven: proven(index) };
    throw new AppError("backup_missing", `recover ${database}: there is no backup ${which}`, {
      hint: `\`handled list ${database}\` shows what is there`,
    });
  }
  const [newest] = complete;
  if (newest === undefined)
    throw new AppError("backup_missing", `recover ${database}: it has no backup that can be relied on`, {
      hint: `\`handled list ${database}\` shows what is there; \`--backup ID\` takes one all the same`,
    });
  const best = which === "latest" ? newest : (complete.find(proven) ?? newest);
  if (best !== newest)
    runtime.reporter.warn(
      `${newest.id} is newer (${newest.snapshotAt}) and was never proven; \`--backup latest\` takes it`,
    );
  if (!proven(best)) runtime.reporter.warn(`${best.id} was never proven by restoring it`);
  return { index: best, proven: proven(best) };
}

/** The newest good backup of the database as it was at a moment, or before. Fails with `backup_missing`. */
export async function chooseBackupBefore(
  runtime: Runtime,
  { database, places, timeZone }: Subject,
  at: Date,
  signal: AbortSignal,
): Promise<ChosenBackup> {
  const { backups, proofs } = await listPlaces(runtime, places, database, timeZone, signal);
  const index = splitByProof(backups, proofs).good.find(
    ({ snapshotAt }) => Date.parse(snapshotAt) <= at.getTime(),
  );
  if (index !== undefined) return { index, proven: isProven(proofs, index) };
  throw new AppError(
    "backup_missing",
    `recover ${database}: it has no backup from ${at.toISOString()} or before that can be relied on`,
    { hint: `\`handled list ${database}\` shows what is there` },
  );
}

function isProven(proofs: PlacesListing["proofs"], { id }: BackupIndex): boolean {
  const proof = proofs.get(id);
  return proof !== undefined && isRestored(proof);
}

/** Chooses the backup once; the journal keeps which, for one that was taken meanwhile is of a database that is half there. */
export function chooseBackupStep(
  runtime: Runtime,
  subject: Subject,
  which: string | Date | undefined,
  budgetMs: number,
): Step {
  const { database } = subject;
  return {
    id: "choose",
    title: `Choose the backup of ${database}`,
    runs: `handled list ${database}`,
    checkedBy: "its index can be read in one of the places",
    budgetMs,
    ifItFails: "see what there is with `handled list`, and name a backup with `--backup`",
    confirm: null,
    run: async (_outputs: Outputs, signal) => {
      const { index, proven } = await (which instanceof Date
        ? chooseBackupBefore(runtime, subject, which, signal)
        : chooseBackup(runtime, subject, which, signal));
      runtime.reporter.note(
        `${index.kind} ${index.id} of ${index.snapshotAt}${proven ? ", proven" : ", never proven"}`,
      );
      return {
        backup: index.id,
        snapshotAt: index.snapshotAt,
        database: index.server.database,
        version: index.server.versionNumber,
        bytes: index.totals.bytes,
      };
    },
    check: async (outputs, signal) => {
      await chooseBackup(runtime, subject, output(outputs, "backup"), signal);
    },
  };
}
