import { stat } from "node:fs/promises";
import { join } from "node:path";
import { AppError, errorCode, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted, formatBytes, formatDuration } from "../../lib/text.ts";
import type { BackupListing } from "../../repository/listing.ts";
import { listBackups } from "../../repository/backups.ts";
import { describeHolder, stateOfHolder } from "../../repository/holder.ts";
import { databaseFolder } from "../../repository/layout.ts";
import { highestLease } from "../../repository/lease-file.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import { openRepository, type Repository } from "../../repository/repository.ts";
import type { Storage } from "../../storage/storage.ts";
import type { PlannedBackup } from "./connection.ts";
import {
  attempt,
  type CheckId,
  type Finding,
  notChecked,
  ok,
  type Outcome,
  problem,
  runChecks,
  warning,
} from "./finding.ts";
import { checkLock } from "./lock.ts";
import { isFolder, probeStorage } from "./probe.ts";

const OPEN_TO_OTHERS = 0o007;
// Two machines' clocks differ by a little; more than this is worth a word.
const CLOCK_TOLERANCE_MS = 60_000;

export interface RepositoryQuestion {
  /** The database's name in the repository. */
  readonly database: string;
  /** Throws `usage` or `strategy_invalid` when no place is known. */
  readonly storage: () => Storage;
  readonly backups: readonly PlannedBackup[];
  /** What would be read, in bytes on the server's disk; undefined when the server could not be asked. */
  readonly serverBytes: number | undefined;
}

const OF_REPOSITORY: readonly CheckId[] = [
  "repository-write",
  "repository-permissions",
  "repository-space",
  "repository-lock",
  "backups",
  "lease",
];

interface RepositoryAnswer {
  readonly findings: readonly Finding[];
  /** Backups in it; null where there is no repository yet, undefined where that is not known. */
  readonly backups: number | null | undefined;
}

/** Whether a database's backups can be written to their place and read back from it. */
export async function examineRepository(
  runtime: Runtime,
  question: RepositoryQuestion,
  signal: AbortSignal,
): Promise<RepositoryAnswer> {
  const { database } = question;
  const place = await attempt("repository", database, question.storage, signal);
  if ("failure" in place) {
    const because = "the place of the repository is not known";
    return {
      findings: [place.failure, ...notChecked(database, OF_REPOSITORY, because)],
      backups: undefined,
    };
  }
  const storage = place.value;
  const opened = await attempt("repository", database, () => openIfThere(runtime, storage, signal), signal);
  const repository = "failure" in opened ? null : opened.value;
  const listed = repository === null ? null : await listIfReadable(repository, database, signal);
  const findings: Finding[] = [
    "failure" in opened
      ? opened.failure
      : { id: "repository", database, ...describeRepository(storage, repository) },
    ...(await runChecks(
      database,
      [
        { id: "repository-write", required: true, run: () => checkWriting(storage, database, signal) },
        { id: "repository-permissions", required: false, run: () => checkPermissions(storage, database) },
        { id: "repository-space", required: false, run: () => checkSpace(storage, question, listed, signal) },
        {
          id: "repository-lock",
          required: storage.locks !== undefined,
          run: () => checkLock(storage, signal),
        },
        { id: "backups", required: false, run: () => judgeBackups(runtime, repository, listed) },
        { id: "lease", required: true, run: () => checkLease(storage, database, signal) },
      ],
      signal,
    )),
  ];
  if (listed === null) return { findings, backups: "failure" in opened ? undefined : null };
  return { findings, backups: listed instanceof AppError ? undefined : listed.backups.length };
}

/** Null where there is none yet: the first backup makes it. */
async function openIfThere(
  runtime: Runtime,
  storage: Storage,
  signal: AbortSignal,
): Promise<Repository | null> {
  try {
    return await openRepository(runtime, storage, signal);
  } catch (error) {
    if (isAppError(error, "repository_missing")) return null;
    throw error;
  }
}

/** Of several places: one that is no repository, while another has backups, is more likely not mounted than new. */
export function absentRepository(place: string, backups: number): Outcome {
  return warning(
    `no repository here, while ${place} has ${counted(backups, "backup")}: a disk or share may not be mounted`,
    "mount it; if it is meant to be new, `handled copy --new-place` makes it and fills it",
  );
}

function describeRepository(storage: Storage, repository: Repository | null): Outcome {
  if (repository !== null) return ok(`repository ${storage.place}`);
  return ok(
    `no repository in ${storage.place} yet: the first backup makes it${isFolder(storage) ? " (look whether its disk is mounted)" : ""}`,
  );
}

/** The listing, or the error that it ended with: one check tells it, another does without. */
async function listIfReadable(
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<BackupListing | AppError> {
  try {
    return await listBackups(repository, database, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AppError) return error;
    throw error;
  }
}

async function checkWriting(storage: Storage, database: string, signal: AbortSignal): Promise<Outcome> {
  await probeStorage(storage, database, signal);
  return ok(`${storage.place} can be written, and keeps two writers apart`);
}

async function checkPermissions(storage: Storage, database: string): Promise<Outcome> {
  if (!isFolder(storage)) return ok("who may enter it is the object store's own matter: nothing to check");
  const folders = [storage.place, join(storage.place, databaseFolder(database))];
  const open: string[] = [];
  for (const folder of folders) {
    if (((await modeOf(folder)) & OPEN_TO_OTHERS) !== 0) open.push(folder);
  }
  if (open.length === 0) return ok("only its owner and group can enter the repository");
  return warning(
    `every user of this machine can enter ${open.join(" and ")}`,
    `\`chmod o-rwx ${open.join(" ")}\``,
  );
}

/** Permission bits; those of a folder that we would make where there is none. */
async function modeOf(folder: string): Promise<number> {
  try {
    return (await stat(folder)).mode;
  } catch (cause) {
    const code = errorCode(cause) ?? "unknown reason";
    if (code === "ENOENT" || code === "ENOTDIR") return 0o700;
    throw new AppError("repository_unusable", `look at ${folder}: ${code}`, { cause });
  }
}

async function checkSpace(
  storage: Storage,
  { backups, serverBytes }: RepositoryQuestion,
  listed: BackupListing | AppError | null,
  signal: AbortSignal,
): Promise<Outcome> {
  const free = await storage.freeBytes(signal);
  if (free === undefined) return ok("its free space is not limited, as far as can be told");
  const hint = "free some space, or keep fewer backups (`handled prune --dry-run`)";
  const there = `${formatBytes(free)} free in ${storage.place}`;
  const last = listed === null || listed instanceof AppError ? 0 : largestLast(listed.backups, backups);
  if (last > 0) {
    const text = `${there}, the last backup took ${formatBytes(last)}`;
    if (free < last) return problem("space_missing", text, hint);
    // Room for one is no room for the next day's, which is bigger and comes before the oldest goes.
    return free < 2 * last ? warning(`${text}: it is getting tight`, hint) : ok(text);
  }
  if (serverBytes === undefined) return ok(there);
  const text = `${there}, what is to be backed up takes ${formatBytes(serverBytes)} on the server`;
  return free < serverBytes ? warning(`${text}: it may not fit, even compressed`, hint) : ok(text);
}

/** Bytes of the newest backup of each planned entry; the largest counts. */
function largestLast(backups: readonly BackupIndex[], planned: readonly PlannedBackup[]): number {
  const last = planned.flatMap(({ name }) => backups.find(({ schedule }) => schedule === name) ?? []);
  const relevant = last.length > 0 ? last : backups.slice(0, 1);
  return Math.max(0, ...relevant.map(({ totals }) => totals.storedBytes));
}

function judgeBackups(
  runtime: Runtime,
  repository: Repository | null,
  listed: BackupListing | AppError | null,
): Promise<Outcome[]> {
  if (listed instanceof AppError) throw listed;
  if (repository === null || listed === null) return Promise.resolve([ok("no backup yet")]);
  const { backups, damaged } = listed;
  const [newest] = backups;
  const outcomes = damaged.map(({ id, reason }) =>
    warning(`backup ${id} cannot be relied on: ${reason}`, "copy it back from elsewhere, or take a new one"),
  );
  if (newest === undefined) return Promise.resolve([...outcomes, ok("no backup yet")]);
  const age = runtime.clock.now().getTime() - Date.parse(newest.snapshotAt);
  if (age < -CLOCK_TOLERANCE_MS) {
    outcomes.push(
      warning(
        `the newest backup lies ${formatDuration(-age)} in the future (${newest.snapshotAt}): a clock was or is wrong`,
        "set the clocks by NTP; until then ages and retention are not to be trusted",
      ),
    );
  }
  const text = `${counted(backups.length, "backup")}, the newest from ${newest.snapshotAt}`;
  return Promise.resolve([...outcomes, ok(text)]);
}

/** A lease that is held keeps a backup from running now; one of a dead holder is taken over. */
async function checkLease(storage: Storage, database: string, signal: AbortSignal): Promise<Outcome> {
  const lease = await highestLease(storage, database, signal);
  if (lease === undefined || lease.file?.released === true)
    return ok("nobody else is writing to these backups");
  if (lease.file === undefined) {
    return warning("the lease is unreadable: the next backup watches it for up to a minute first", undefined);
  }
  const { holder, acquiredAt } = lease.file;
  const who = `${holder.operation} of ${holder.user}@${holder.host}, process ${holder.pid}, since ${acquiredAt}`;
  switch (await stateOfHolder(holder, await describeHolder("doctor"))) {
    case "alive":
      return problem(
        "lease_held",
        `somebody is writing to these backups now: ${who}`,
        "wait until it is done",
      );
    case "dead":
      return ok(`the lease of a run that died is taken over by the next one: ${who}`);
    case "unknown":
      return warning(
        `somebody may be writing to these backups: ${who}`,
        "the next backup watches it for up to a minute, and gives way if it lives",
      );
  }
}
