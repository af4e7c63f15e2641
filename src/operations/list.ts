import type { Runtime } from "../lib/runtime.ts";
import { type DamagedBackup, listBackups, listForeign } from "../repository/backups.ts";
import type { BackupId, BackupIndex } from "../repository/manifest.ts";
import type { ProofFile } from "../repository/proof-file.ts";
import { newestProofs } from "../repository/proofs.ts";
import { listDatabases, openRepository, whatIsKnownOf } from "../repository/repository.ts";
import type { Storage, StoredObject } from "../storage/storage.ts";

export interface DatabaseListing {
  readonly database: string;
  /** Newest first. */
  readonly backups: readonly BackupIndex[];
  readonly damaged: readonly DamagedBackup[];
  /** Archives that something else put there: restorable, never pruned, never counted. */
  readonly foreign: readonly StoredObject[];
  /** The newest proof of each backup that has one. */
  readonly proofs: ReadonlyMap<BackupId, ProofFile>;
}

/** What the repository holds of one database, or of all of them. Needs nothing but the repository. */
export async function listRepository(
  runtime: Runtime,
  storage: Storage,
  database: string | undefined,
  signal: AbortSignal,
): Promise<DatabaseListing[]> {
  const repository = await openRepository(runtime, storage, signal);
  const names = database === undefined ? await listDatabases(repository, signal) : [database];
  if (database !== undefined) {
    const known = await whatIsKnownOf(repository, database, signal);
    if (!known.there) runtime.reporter.note(known.note);
  }
  const listings: DatabaseListing[] = [];
  for (const name of names) {
    const { backups, damaged } = await listBackups(repository, name, signal);
    const known = [...backups, ...damaged.flatMap(({ index }) => index ?? [])];
    const foreign = await listForeign(repository, name, known, signal);
    const ids = backups.map(({ id }) => id);
    const proofs = await newestProofs(runtime, repository, name, ids, signal);
    listings.push({ database: name, backups, damaged, foreign, proofs });
  }
  return listings;
}
