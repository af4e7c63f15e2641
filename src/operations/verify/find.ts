import { basename } from "node:path";
import { AppError } from "../../errors.ts";
import { nearest } from "../../lib/text.ts";
import { type DamagedBackup, listBackups, listForeign } from "../../repository/backups.ts";
import { secondOf } from "../../repository/ids.ts";
import { BackupId, type BackupIndex } from "../../repository/manifest.ts";
import { type Repository, whatIsKnownOf } from "../../repository/repository.ts";

/** A backup to be checked: sound as far as a listing tells, or damaged. */
export interface Candidate {
  readonly id: BackupId;
  /** Undefined when it cannot be read. */
  readonly index: BackupIndex | undefined;
  /** What the listing found wrong with it. */
  readonly damage: string | undefined;
}

/**
 * Finds a backup by its id, its archive's name, or as `latest`: the newest there is, damaged or not, for what cannot be
 * restored must not hide behind an older one that can. Throws `backup_missing`, and `usage` for a foreign archive.
 */
export async function findCandidate(
  repository: Repository,
  database: string,
  which: string,
  signal: AbortSignal,
): Promise<Candidate> {
  const { backups, damaged } = await listBackups(repository, database, signal);
  const candidates = [
    ...backups.map((index): Candidate => ({ id: index.id, index, damage: undefined })),
    ...damaged.flatMap(damagedCandidate),
  ];
  const found =
    which === "latest"
      ? candidates.toSorted((a, b) => takenAt(b) - takenAt(a) || (a.id < b.id ? 1 : -1))[0]
      : candidates.find((candidate) => namesOf(candidate).includes(which));
  if (found !== undefined) return found;
  throw await explainMissing(repository, database, { which, candidates }, signal);
}

/** In milliseconds. Of one without an index only the second is known, in which it may have been the last. */
function takenAt({ id, index }: Candidate): number {
  return index === undefined ? secondOf(id) + 999 : Date.parse(index.snapshotAt);
}

function damagedCandidate({ id, index, reason }: DamagedBackup): Candidate[] {
  const parsed = BackupId.safeParse(id);
  return parsed.success ? [{ id: parsed.data, index, damage: reason }] : [];
}

function namesOf({ id, index }: Candidate): string[] {
  return index?.kind === "archive" ? [id, basename(index.archive.key)] : [id];
}

async function explainMissing(
  repository: Repository,
  database: string,
  { which, candidates }: { readonly which: string; readonly candidates: readonly Candidate[] },
  signal: AbortSignal,
): Promise<AppError> {
  const there = await whatIsKnownOf(repository, database, signal);
  if (!there.there) return there.error;
  const known = candidates.flatMap(({ index }) => index ?? []);
  const foreign = await listForeign(repository, database, known, signal);
  if (foreign.some(({ key }) => basename(key) === which)) {
    return new AppError("usage", `find backup ${which}: it is foreign, there is nothing to compare it with`, {
      hint: `another tool put it there; \`handled restore ${database} ${which} --dry-run\` reads it whole`,
    });
  }
  const guess = which === "latest" ? undefined : nearest(which, ["latest", ...candidates.flatMap(namesOf)]);
  const what = which === "latest" ? "the latest backup" : `backup ${which}`;
  return new AppError("backup_missing", `find ${what}: there is none in ${repository.place}`, {
    hint: guess === undefined ? "`handled list` shows what is there" : `did you mean ${guess}?`,
  });
}
