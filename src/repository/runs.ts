import { createHash, randomBytes } from "node:crypto";
import { AppError, isAppError, messageOf } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import type { Runtime } from "../lib/runtime.ts";
import { compressFrames, decompressFrames } from "../lib/zstd-frames.ts";
import { describeHolder, stateOfHolder } from "./holder.ts";
import { begunFolder, begunKey, monthFolder, monthOfRun, runKey, runsFolder } from "./layout.ts";
import type { Lease } from "./lease.ts";
import { encodeJson, parseVersioned, requireSound } from "./parse.ts";
import type { Repository } from "./repository.ts";
import { RunFile } from "./run-file.ts";

// So many texts are held at once.
const READ_TOGETHER = 1024;
// A month is folded up while it is read: what is gone from its folder stands in the file that took its place.
const TRIES = 3;
const ZSTD_LEVEL = 9;
const PACKED = ".zst";
const isPacked = (key: string): boolean => key.endsWith(PACKED);

/** An identity for a run that begins now. */
export function newRunId(clock: Clock): string {
  return `${clock.now().toISOString().replace(/[-:]/g, "")}-${randomBytes(4).toString("hex")}`;
}

/** Records that a run has begun. Needs no lease. Errors: those of the storage. */
export async function recordBegun({ storage }: Repository, run: RunFile, signal: AbortSignal): Promise<void> {
  await storage.put(begunKey(run.database, run.id), encode(run), signal);
}

/** Records how a run ended, and then no longer that it has begun. Whoever was first has said it. */
export async function recordEnded({ storage }: Repository, run: RunFile, signal: AbortSignal): Promise<void> {
  await storage.putIfAbsent(runKey(run.database, run.id), encode(run), signal);
  await storage.delete(begunKey(run.database, run.id), signal);
}

/** As if it had never begun. */
export async function forgetBegun(
  { storage }: Repository,
  { database, id }: Pick<RunFile, "database" | "id">,
  signal: AbortSignal,
): Promise<void> {
  await storage.delete(begunKey(database, id), signal);
}

function encode(run: RunFile): Buffer {
  return encodeJson(requireSound(RunFile, run, `the record of run ${run.id}`));
}

/** What has begun and of whose end nothing is recorded, oldest first. What cannot be read is told and passed over. */
export async function readBegun(
  runtime: Runtime,
  { storage }: Repository,
  database: string,
  signal: AbortSignal,
): Promise<RunFile[]> {
  const keys = await storage.keys(begunFolder(database), "here", signal);
  const found = await storage.getMany(keys, signal);
  return keys
    .flatMap((key, at) => {
      const data = found[at];
      // It ended meanwhile.
      if (isAppError(data, "object_missing")) return [];
      return tryParse(runtime, key, data) ?? [];
    })
    .toSorted(byId);
}

/**
 * Writes down that runs of this machine whose processes are gone were interrupted. Of other machines' nobody knows.
 * @returns those runs
 */
export async function recordInterrupted(
  runtime: Runtime,
  repository: Repository,
  database: string,
  signal: AbortSignal,
): Promise<RunFile[]> {
  const self = await describeHolder("look");
  const interrupted: RunFile[] = [];
  for (const run of await readBegun(runtime, repository, database, signal)) {
    if ((await stateOfHolder(run.by, self)) !== "dead") continue;
    const ended = asInterrupted(run);
    await recordEnded(repository, ended, signal);
    interrupted.push(ended);
  }
  return interrupted;
}

/** The record of a run whose process ended without a word. */
export function asInterrupted(run: RunFile): RunFile {
  return { ...run, outcome: "interrupted", summary: "its process is gone" };
}

/** The months (`2024-12`) that ended runs of a database are recorded of, newest first. */
export async function monthsOfRuns(
  { storage }: Repository,
  database: string,
  signal: AbortSignal,
): Promise<string[]> {
  const folders = await storage.folders(runsFolder(database), signal);
  return folders.filter((name) => /^\d{4}-\d{2}$/.test(name)).toReversed();
}

/** The ended runs that began in a month, oldest first. What cannot be read is told and passed over. */
export async function readMonth(
  runtime: Runtime,
  repository: Repository,
  which: MonthOfRuns,
  signal: AbortSignal,
): Promise<RunFile[]> {
  const all = async ({ keys }: ListedRuns): Promise<RunFile[]> => {
    const { runs } = await readKeys(runtime, repository, keys, signal);
    return runs;
  };
  return await listMonth(runtime, repository, which, all, signal);
}

export interface MonthOfRuns {
  readonly database: string;
  readonly month: string;
}

/** What the records of a month lie in. */
export interface ListedRuns {
  readonly keys: readonly string[];
  /** The records in some of these, by key; undefined for what cannot be read, which is told. */
  readonly load: (keys: readonly string[]) => Promise<Map<string, readonly RunFile[] | undefined>>;
}

/** Gives `use` the objects of a month, again where it is folded up meanwhile. */
export async function listMonth<T>(
  runtime: Runtime,
  repository: Repository,
  { database, month }: MonthOfRuns,
  use: (listed: ListedRuns) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      const keys = await repository.storage.keys(monthFolder(database, month), "here", signal);
      const load = async (some: readonly string[]): ReturnType<ListedRuns["load"]> =>
        await readObjects(runtime, repository, some, signal);
      return await use({ keys, load });
    } catch (error) {
      if (!isAppError(error, "object_missing") || tries === TRIES) throw error;
    }
  }
}

/** Fails with `object_missing` when one of them is not there any more. */
async function readKeys(
  runtime: Runtime,
  { storage }: Repository,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<{ readonly runs: RunFile[]; readonly complete: boolean }> {
  const runs = new Map<string, RunFile>();
  let complete = true;
  const objects = await readObjects(runtime, { storage }, keys.toSorted(byWeight), signal);
  for (const read of objects.values()) {
    if (read === undefined) complete = false;
    for (const run of read ?? []) runs.set(run.id, run);
  }
  return { runs: [...runs.values()].toSorted(byId), complete };
}

/** Fails with `object_missing` when one of them is not there any more. */
async function readObjects(
  runtime: Runtime,
  { storage }: Pick<Repository, "storage">,
  keys: readonly string[],
  signal: AbortSignal,
): Promise<Map<string, RunFile[] | undefined>> {
  const objects = new Map<string, RunFile[] | undefined>();
  for (let at = 0; at < keys.length; at += READ_TOGETHER) {
    const some = keys.slice(at, at + READ_TOGETHER);
    const found = await storage.getMany(some, signal);
    for (const [n, key] of some.entries()) {
      const data = found[n];
      if (isAppError(data, "object_missing")) throw data;
      objects.set(key, tryParse(runtime, key, data));
    }
  }
  return objects;
}

/**
 * Folds the months that are over up: one file each in the place of one a run. The caller holds the lease. Cut off at any
 * point, every run is recorded still, some twice, which reads as once. Leaves a month alone of which something cannot be
 * read, and does nothing where objects are locked, for they could not be deleted.
 */
export async function foldMonths(
  runtime: Runtime,
  repository: Repository,
  database: string,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  const { storage } = repository;
  if (storage.locks !== undefined) return;
  const current = monthOfRun(newRunId(runtime.clock));
  for (const month of await monthsOfRuns(repository, database, signal)) {
    if (month >= current) continue;
    const keys = await storage.keys(monthFolder(database, month), "here", signal);
    if (keys.every(isPacked)) continue;
    const { runs, complete } = await readKeys(runtime, repository, keys, signal);
    if (!complete) continue;
    const packed = Buffer.concat(compressFrames(Buffer.concat(runs.map(encode)), ZSTD_LEVEL));
    const name = createHash("sha256").update(packed).digest("hex").slice(0, 16);
    const key = `${monthFolder(database, month)}${name}${PACKED}`;
    await storage.put(key, packed, signal);
    await lease.check(signal);
    for (const old of keys) if (old !== key) await storage.delete(old, signal);
  }
}

/** Undefined where it cannot be read, which is told. */
function tryParse(runtime: Runtime, key: string, data: Buffer | AppError | undefined): RunFile[] | undefined {
  try {
    if (data === undefined || data instanceof AppError)
      throw data ?? new AppError("unexpected", `read ${key}: nothing came`);
    if (!isPacked(key)) return [parseVersioned(RunFile, data, key)];
    return Buffer.concat([...decompressFrames(data)])
      .toString("utf8")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => parseVersioned(RunFile, line, key));
  } catch (error) {
    if (!isAppError(error)) throw error;
    const reason = messageOf(error);
    runtime.reporter.warn(
      `${reason.includes(key) ? reason : `read ${key}: ${reason}`}: this record is passed over`,
    );
    return undefined;
  }
}

/**
 * Of two records of one run that in the last of these objects counts: a folded one is the older, and whoever was first has said how
 * it ended. Whatever order a storage lists them in.
 */
export function byWeight(a: string, b: string): number {
  const [packed, other] = [a.endsWith(PACKED), b.endsWith(PACKED)];
  return packed === other ? (a < b ? -1 : a > b ? 1 : 0) : packed ? 1 : -1;
}

const byId = (a: RunFile, b: RunFile): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
