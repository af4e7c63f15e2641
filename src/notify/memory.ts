import { join } from "node:path";
import { isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { stateFolder, strategyStateName } from "../lib/state-folder.ts";
import { readAlerts, writeAlerts } from "../repository/alerts.ts";
import type { AlertsFile } from "../repository/alerts-file.ts";
import { FORMAT_VERSION } from "../repository/manifest.ts";
import { holdsAnythingOf, openRepository } from "../repository/repository.ts";
import { openStorage } from "../storage/open.ts";
import type { Storage } from "../storage/storage.ts";

/** What was told of one database, and where that is remembered. */
export interface Memory {
  readonly file: AlertsFile;
  /** Writes down what it is now. That it cannot be written somewhere is told, and stops nothing. */
  readonly save: (file: AlertsFile, signal: AbortSignal) => Promise<void>;
}

interface Shelf {
  readonly storage: Storage;
  /** As it stands there. */
  found: AlertsFile | undefined;
  /** On this machine: kept up to date also where nothing changed but the time. */
  readonly isLocal: boolean;
  /** Whether it was told that it cannot be written: that is tried after each message. */
  isTold?: boolean;
}

/**
 * What was told of a database (null: of what concerns none), from the places that keep its backups and from this machine, which
 * stands in for them while none can be reached: without it a repository that is gone would be told every time, or never. The
 * newest of them counts; a place that is read as of an earlier time has no say.
 */
export async function recall(
  runtime: Runtime,
  strategyPath: string,
  database: string | null,
  storages: readonly Storage[],
  signal: AbortSignal,
): Promise<Memory> {
  const shelves: Shelf[] = [];
  for (const storage of storages) {
    if (storage.asOf !== undefined) continue;
    const shelf = await inRepository(runtime, storage, database, signal);
    if (shelf !== undefined) shelves.push(shelf);
  }
  const local = await onThisMachine(runtime, strategyPath, database, signal);
  if (local !== undefined) shelves.push(local);
  const found = shelves.flatMap((shelf) => shelf.found ?? []);
  const newest = found.toSorted((a, b) => compareTimes(b.seenAt, a.seenAt))[0];
  return {
    file: newest ?? nothingKnown(database),
    save: async (file, last) => {
      for (const shelf of shelves) await put(runtime, shelf, file, last);
    },
  };
}

const compareTimes = (a: string | null, b: string | null): number => (a ?? "").localeCompare(b ?? "");

function nothingKnown(database: string | null): AlertsFile {
  return {
    format: FORMAT_VERSION,
    database,
    seenAt: null,
    alerts: [],
    sentAt: {},
    failing: {},
    digestAt: {},
  };
}

/**
 * The record in a repository; undefined where there is none yet, or no backup of the database, or nothing can be read: what keeps
 * it from being read is found and told by those who look at its health.
 */
async function inRepository(
  runtime: Runtime,
  storage: Storage,
  database: string | null,
  signal: AbortSignal,
): Promise<Shelf | undefined> {
  try {
    const repository = await openRepository(runtime, storage, signal);
    // A record is no reason to make a folder for a database that was never backed up.
    if (database !== null && !(await holdsAnythingOf(storage, database, signal))) return undefined;
    const found = await readAlerts(runtime, repository.storage, database, signal);
    return { storage: repository.storage, found, isLocal: false };
  } catch (error) {
    if (!isAppError(error) || signal.aborted) throw error;
    return undefined;
  }
}

async function onThisMachine(
  runtime: Runtime,
  strategyPath: string,
  database: string | null,
  signal: AbortSignal,
): Promise<Shelf | undefined> {
  try {
    const storage = openStorage(runtime, localFolder(runtime, strategyPath));
    return { storage, found: await readAlerts(runtime, storage, database, signal), isLocal: true };
  } catch (error) {
    if (!isAppError(error) || signal.aborted) throw error;
    runtime.reporter.warn(`what was told is not remembered on this machine: ${error.message}`);
    return undefined;
  }
}

/** One for each strategy: two may have databases of the same name. */
function localFolder(runtime: Runtime, strategyPath: string): string {
  const name = strategyStateName(strategyPath);
  return join(stateFolder(runtime), "alerts", name);
}

async function put(runtime: Runtime, shelf: Shelf, file: AlertsFile, signal: AbortSignal): Promise<void> {
  const { storage, found, isLocal } = shelf;
  if (found !== undefined && isSame(found, file) && (!isLocal || found.seenAt === file.seenAt)) return;
  // Nothing to say, and nothing said before: a repository gets no record of that.
  if (!isLocal && found === undefined && isSame(nothingKnown(file.database), file)) return;
  try {
    await writeAlerts(storage, file, signal);
    shelf.found = file;
  } catch (error) {
    if (signal.aborted) throw error;
    if (shelf.isTold !== true)
      runtime.reporter.warn(`what was told is not remembered in ${storage.place}: ${messageOf(error)}`);
    shelf.isTold = true;
  }
}

/** Whether they say the same but for the time: it would be written every minute. */
function isSame(one: AlertsFile, other: AlertsFile): boolean {
  return JSON.stringify({ ...one, seenAt: null }) === JSON.stringify({ ...other, seenAt: null });
}
