import { listBackups, listForeign } from "../../repository/backups.ts";
import { findHoldings, type Holdings, type Unread } from "../../repository/holdings.ts";
import { type BackupListing, isArchive } from "../../repository/listing.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import type { Repository } from "../../repository/repository.ts";
import { type StoredSurvey, surveyStored } from "../../repository/survey-stored.ts";
import type { StoredObject } from "../../storage/storage.ts";

/** All that lies in a repository of one database, beside what its backups say should. */
export interface DatabaseStock {
  readonly database: string;
  readonly listing: BackupListing;
  /** Every index that can be read, also those of damaged backups. */
  readonly indexes: readonly BackupIndex[];
  readonly foreign: readonly StoredObject[];
  readonly holdings: Holdings;
  readonly unread: readonly Unread[];
  readonly stored: StoredSurvey;
}

/**
 * Reads every index and part list, and lists every object, of one database. First what names, then what is there: what a
 * running backup stores meanwhile counts as an orphan, and never does a whole backup look as if parts of it were missing,
 * unless it is deleted in between.
 */
export async function takeStock(
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<DatabaseStock> {
  const listing = await listBackups(repository, database, signal);
  const indexes = [...listing.backups, ...listing.damaged.flatMap(({ index }) => index ?? [])];
  const foreign = await listForeign(repository, database, indexes, signal);
  const { holdings, unread } = await findHoldings(repository, database, indexes, signal);
  const archives = {
    ours: new Set(indexes.filter(isArchive).map(({ archive }) => archive.key)),
    foreign: new Set(foreign.map(({ key }) => key)),
  };
  const stored = await surveyStored(repository, database, holdings, archives, signal);
  return { database, listing, indexes, foreign, holdings, unread, stored };
}
