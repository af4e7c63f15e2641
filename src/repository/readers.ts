import { randomUUID } from "node:crypto";
import { AppError, isAppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { Storage } from "../storage/storage.ts";
import { describeHolder, stateOfHolder } from "./holder.ts";
import { readerKey, readersFolder } from "./layout.ts";
import { LEASE_MS, type Lease } from "./lease.ts";
import { type BackupId, FORMAT_VERSION, type Holder, ReadMarkFile } from "./manifest.ts";
import { encodeJson, parseVersioned } from "./parse.ts";
import type { Repository } from "./repository.ts";

// Two renewals may be lost before a watcher takes the reader for dead.
const RENEW_EVERY = LEASE_MS / 3;
const WATCH_EVERY = LEASE_MS / 12;

/** What a process is about to read. */
export interface Reading {
  /** As others will see it: `restore`. */
  readonly operation: string;
  /** Empty while it is not known which: then no backup is deleted. */
  readonly backups: readonly BackupId[];
}

/** A read marker as it was found. */
export interface ReaderState {
  readonly key: string;
  /** The stored text: any change of it is a sign of life. */
  readonly text: string;
  /** Undefined when the text is damaged or of a newer format: then only watching tells whether somebody reads. */
  readonly file: ReadMarkFile | undefined;
}

/**
 * Says that this process reads backups, until it is disposed: what it reads is not deleted meanwhile. Where the marker
 * cannot be written (a read-only mount, a full disk) reading goes on with a warning: a restore must not fail for it.
 */
export async function markReading(
  runtime: Runtime,
  repository: Repository,
  database: string,
  reading: Reading,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  // What was there is not deleted by pruning what is there.
  if (repository.storage.asOf !== undefined) return { [Symbol.asyncDispose]: async () => undefined };
  const file: ReadMarkFile = {
    format: FORMAT_VERSION,
    token: randomUUID(),
    holder: await describeHolder(reading.operation),
    backups: [...reading.backups],
    since: runtime.clock.now().toISOString(),
    renewals: 0,
  };
  const { storage } = repository;
  const key = readerKey(database, file.token);
  const ended = new AbortController();
  let marked = await tryTo(runtime, `mark ${database} as being read`, signal, () =>
    storage.put(key, encodeJson(file), signal),
  );
  const renewing = renew(runtime, storage, key, file, ended.signal, () => {
    marked = true;
  });
  return {
    async [Symbol.asyncDispose]() {
      if (ended.signal.aborted) return;
      ended.abort(new AppError("interrupted", `read ${database}: done`));
      await renewing;
      if (!marked) return;
      // Not the operation's signal: that may be aborted, and the marker has to go all the same.
      const own = new AbortController().signal;
      await tryTo(runtime, `take back the read marker of ${database}`, own, () => storage.delete(key, own));
    },
  };
}

/** Every read marker of a database, of the living and of the dead. */
export async function readersOf(
  storage: Storage,
  database: string,
  signal: AbortSignal,
): Promise<ReaderState[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list(readersFolder(database), "here", signal)) {
    if (key.endsWith(".json")) keys.push(key);
  }
  const found: ReaderState[] = [];
  for (const key of keys) {
    const state = await readState(storage, key, signal);
    if (state !== undefined) found.push(state);
  }
  return found;
}

/**
 * The readers that live, after the markers of the others were removed: of dead processes on this machine at once, of
 * those that cannot be asked when they showed no sign of life for `LEASE_MS`. Clocks are not compared. Under the lease.
 */
export async function livingReaders(
  runtime: Runtime,
  repository: Repository,
  database: string,
  lease: Lease,
  signal: AbortSignal,
): Promise<ReaderState[]> {
  const { storage } = repository;
  const self = await describeHolder("prune");
  const living: ReaderState[] = [];
  let watched: ReaderState[] = [];
  for (const reader of await readersOf(storage, database, signal)) {
    const state = reader.file === undefined ? "unknown" : await stateOfHolder(reader.file.holder, self);
    if (state === "alive") living.push(reader);
    else if (state === "unknown") watched.push(reader);
    else await removeMarker(repository, reader, lease, signal);
  }
  if (watched.length === 0) return living;
  runtime.reporter.note(
    `${watched.map(describeReader).join(", ")} may be reading backups of ${database}: watching for up to ${LEASE_MS / 1000} s`,
  );
  const until = runtime.clock.monotonic() + LEASE_MS;
  while (watched.length > 0 && runtime.clock.monotonic() < until) {
    await runtime.clock.wait(WATCH_EVERY, signal);
    const silent: ReaderState[] = [];
    for (const reader of watched) {
      const seen = await readState(storage, reader.key, signal);
      if (seen?.text === reader.text) silent.push(reader);
      else if (seen !== undefined) living.push(seen);
    }
    watched = silent;
  }
  for (const reader of watched) {
    runtime.reporter.note(`${describeReader(reader)} showed no sign of life: its read marker is removed`);
    await removeMarker(repository, reader, lease, signal);
  }
  return living;
}

/** `restore of ada@backup-1 (process 4711)`. */
export function describeReader({ key, file }: ReaderState): string {
  if (file === undefined) return `the unreadable marker ${key}`;
  const { operation, user, host, pid }: Holder = file.holder;
  return `${operation} of ${user}@${host} (process ${pid})`;
}

async function removeMarker(
  { storage }: Repository,
  reader: ReaderState,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  await lease.check(signal);
  await storage.delete(reader.key, signal);
}

async function readState(
  storage: Storage,
  key: string,
  signal: AbortSignal,
): Promise<ReaderState | undefined> {
  let data: Buffer;
  try {
    data = await storage.get(key, signal);
  } catch (error) {
    // It finished meanwhile.
    if (isAppError(error, "object_missing")) return undefined;
    throw error;
  }
  return { key, text: data.toString("utf8"), file: parseMark(data, key) };
}

function parseMark(data: Buffer, key: string): ReadMarkFile | undefined {
  try {
    return parseVersioned(ReadMarkFile, data, key);
  } catch (error) {
    if (isAppError(error, "backup_damaged") || isAppError(error, "repository_version")) return undefined;
    throw error;
  }
}

async function renew(
  runtime: Runtime,
  storage: Storage,
  key: string,
  file: ReadMarkFile,
  ended: AbortSignal,
  done: () => void,
): Promise<void> {
  for (let renewals = 1; ; renewals++) {
    try {
      await runtime.clock.wait(RENEW_EVERY, ended);
    } catch (error) {
      if (!ended.aborted) throw error;
      return;
    }
    // Written anew even if somebody removed it: this process is alive.
    const renewed = await tryTo(runtime, "renew the read marker", ended, () =>
      storage.put(key, encodeJson({ ...file, renewals }), ended),
    );
    if (renewed) done();
  }
}

/** Runs what must not stop the reading; says whether it may have been done. */
async function tryTo(
  runtime: Runtime,
  what: string,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    // Cut off, it may have been done.
    if (signal.aborted) return true;
    runtime.reporter.warn(`${what}: ${messageOf(error)}; do not prune until this is done`);
    return false;
  }
}
