import { randomUUID } from "node:crypto";
import { AppError, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { describeHolder, stateOfHolder } from "./holder.ts";
import { leaseKey } from "./layout.ts";
import { highestLease, type LeaseState, olderLeases } from "./lease-file.ts";
import { FORMAT_VERSION, type Holder, type LeaseFile } from "./manifest.ts";
import { encodeJson } from "./parse.ts";
import type { Repository } from "./repository.ts";

/**
 * How long a lease must be watched without a renewal before another writer may take over. An object store that is away for
 * a minute, whenever that begins, must not cost a backup that took hours.
 */
export const LEASE_MS = 180_000;
const RENEW_EVERY = LEASE_MS / 6;
// A renewal that failed is tried again soon: what is left of the lease is short.
const RETRY_AFTER = LEASE_MS / 36;
// A holder that could not renew for this long gives up, well before a watcher may take over.
const GIVE_UP_AFTER = LEASE_MS * (3 / 4);
const WATCH_EVERY = LEASE_MS / 12;

/** The right to write to one database's backups. Disposing it gives it back. */
export interface Lease extends AsyncDisposable {
  readonly n: number;
  /** Aborted, with a `lease_lost` error as its reason, as soon as this process knows that it lost the lease. */
  readonly lost: AbortSignal;
  /** Looks again. Throws `lease_lost` unless the lease is still ours. */
  check(signal: AbortSignal): Promise<void>;
}

/**
 * Takes the lease of a database, so that nobody else writes to its backups meanwhile. A dead holder on this machine
 * is replaced at once. A holder elsewhere is watched for up to `LEASE_MS`: clocks of two machines are never compared.
 * Throws `lease_held`, naming the holder, when it is seen to live.
 * @param operation what the lease is for, as others will read it: `backup`
 */
export async function acquireLease(
  runtime: Runtime,
  repository: Repository,
  database: string,
  operation: string,
  signal: AbortSignal,
): Promise<Lease> {
  const self = await describeHolder(operation);
  for (;;) {
    const current = await highestLease(repository.storage, database, signal);
    if (current !== undefined) await waitUntilFree(runtime, repository, database, current, self, signal);
    const n = (current?.n ?? 0) + 1;
    const file: LeaseFile = {
      format: FORMAT_VERSION,
      token: randomUUID(),
      holder: self,
      acquiredAt: runtime.clock.now().toISOString(),
      renewals: 0,
      released: false,
    };
    const lease = new HeldLease(runtime, repository, database, n, file);
    if (await lease.take(signal)) return lease;
    // Another writer was faster. It lives, or will be found dead: look again.
  }
}

/** Returns when `current` may be superseded; throws `lease_held` when its holder is alive. */
async function waitUntilFree(
  runtime: Runtime,
  repository: Repository,
  database: string,
  current: LeaseState,
  self: Holder,
  signal: AbortSignal,
): Promise<void> {
  if (current.file?.released === true) return;
  const state = current.file === undefined ? "unknown" : await stateOfHolder(current.file.holder, self);
  if (state === "alive") throw leaseHeld(database, current);
  if (state === "dead") {
    runtime.reporter.note(`${describe(current)} is dead: taking over its lease`);
    return;
  }
  runtime.reporter.note(
    `${describe(current)} may be writing to the backups of ${database}: watching it for up to ${LEASE_MS / 1000} s`,
  );
  const until = runtime.clock.monotonic() + LEASE_MS;
  while (runtime.clock.monotonic() < until) {
    await runtime.clock.wait(WATCH_EVERY, signal);
    const seen = await highestLease(repository.storage, database, signal);
    if (seen?.n === current.n && seen.text === current.text) continue;
    // Gone altogether (somebody tidied up by hand), or given back: `acquireLease` tries, and looks again.
    if (seen === undefined || seen.file?.released === true) return;
    throw leaseHeld(database, seen);
  }
  runtime.reporter.note(`${describe(current)} showed no sign of life: taking over its lease`);
}

function leaseHeld(database: string, { file }: LeaseState): AppError {
  const message = `take the lease of ${database}: held by `;
  const hint = "wait until it is done, then try again";
  if (file === undefined)
    return new AppError("lease_held", `${message}an unreadable lease that changes`, { hint });
  const { holder, acquiredAt } = file;
  return new AppError(
    "lease_held",
    `${message}${holder.operation} of ${holder.user}@${holder.host}, process ${holder.pid}, since ${acquiredAt}`,
    { hint, details: { database, ...holder, since: acquiredAt } },
  );
}

/** Who cannot see what was just written cannot see either whether somebody else is writing. */
function listingIsLate(place: string, key: string): AppError {
  return new AppError(
    "repository_unusable",
    `list ${place}: it does not show ${key}, which was just written`,
    {
      hint: "no cache or gateway that answers late may stand before the object store: two writers could not be kept apart",
    },
  );
}

function describe({ n, file }: LeaseState): string {
  if (file === undefined) return `the holder of lease ${n} (its file is damaged)`;
  const { operation, user, host, pid } = file.holder;
  return `${operation} of ${user}@${host} (process ${pid})`;
}

class HeldLease implements Lease {
  readonly n: number;
  readonly #runtime: Runtime;
  readonly #repository: Repository;
  readonly #database: string;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();
  #file: LeaseFile;
  /** By our own monotonic clock, taken before the write began: the file is at least this old to a watcher. */
  #renewedAt: number;
  #background: Promise<unknown> = Promise.resolve();

  constructor(runtime: Runtime, repository: Repository, database: string, n: number, file: LeaseFile) {
    this.#runtime = runtime;
    this.#repository = repository;
    this.#database = database;
    this.n = n;
    this.#file = file;
    this.#renewedAt = runtime.clock.monotonic();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Writes the lease unless its number is taken, and begins to renew it. Says whether it is ours. */
  async take(signal: AbortSignal): Promise<boolean> {
    const { storage } = this.#repository;
    const key = leaseKey(this.#database, this.n);
    try {
      if (!(await storage.putIfAbsent(key, encodeJson(this.#file), signal))) return false;
      if (!(await this.#holds(signal))) {
        const highest = await highestLease(storage, this.#database, signal);
        await storage.delete(key, signal);
        if (highest === undefined || highest.n < this.n) throw listingIsLate(storage.place, key);
        // Between our look and our file others took and gave back higher numbers, and removed the one we made again.
        return false;
      }
      this.#background = Promise.all([this.#renewUntilEnded(), this.#giveUpInTime()]);
      for (const n of await olderLeases(storage, this.#database, this.n, signal)) {
        await storage.delete(leaseKey(this.#database, n), signal);
      }
      return true;
    } catch (error) {
      // Even a write that failed may have made the file: left as it is, it would bar others while this process lives.
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Whether the highest lease is this one. */
  async #holds(signal: AbortSignal): Promise<boolean> {
    const highest = await highestLease(this.#repository.storage, this.#database, signal);
    return highest?.n === this.n && highest.file?.token === this.#file.token && !highest.file.released;
  }

  async check(signal: AbortSignal): Promise<void> {
    this.lost.throwIfAborted();
    if (!(await this.#holds(signal))) this.#lose("another writer took over");
    this.lost.throwIfAborted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort(new AppError("interrupted", `hold the lease of ${this.#database}: given back`));
    await this.#background;
    if (this.lost.aborted) return;
    // Not the operation's signal: that may be aborted, and the lease has to be given back all the same.
    const { signal } = new AbortController();
    try {
      if (await this.#holds(signal)) await this.#write({ ...this.#file, released: true }, signal);
    } catch (error) {
      // The operation's own result stands. The next writer finds this process gone, or watches for a minute.
      this.#runtime.reporter.warn(`give back the lease of ${this.#database}: ${messageOf(error)}`);
    }
  }

  async #renewUntilEnded(): Promise<void> {
    let pause = RENEW_EVERY;
    while (await this.#pause(pause)) {
      try {
        await this.check(this.#ended.signal);
        const startedAt = this.#runtime.clock.monotonic();
        await this.#write({ ...this.#file, renewals: this.#file.renewals + 1 }, this.#ended.signal);
        this.#renewedAt = startedAt;
        pause = RENEW_EVERY;
      } catch (error) {
        if (this.#isOver()) return;
        this.#runtime.reporter.warn(`renew the lease of ${this.#database}: ${messageOf(error)}`);
        pause = RETRY_AFTER;
      }
    }
  }

  /** Beside the renewals, because one of them may hang for ever on a dead network mount. */
  async #giveUpInTime(): Promise<void> {
    for (;;) {
      const left = this.#renewedAt + GIVE_UP_AFTER - this.#runtime.clock.monotonic();
      if (left <= 0) {
        this.#lose(`it could not be renewed for ${GIVE_UP_AFTER / 1000} s`);
        return;
      }
      if (!(await this.#pause(left))) return;
    }
  }

  /** False when the lease was given back or lost meanwhile. */
  async #pause(ms: number): Promise<boolean> {
    const over = AbortSignal.any([this.#ended.signal, this.lost]);
    try {
      await this.#runtime.clock.wait(ms, over);
    } catch (error) {
      if (!over.aborted) throw error;
    }
    return !over.aborted;
  }

  #isOver(): boolean {
    return this.#ended.signal.aborted || this.lost.aborted;
  }

  #lose(reason: string): void {
    this.#lost.abort(
      new AppError("lease_lost", `hold the lease of ${this.#database}: ${reason}`, {
        hint: "run the operation again; a machine that sleeps or a storage that stalls loses its lease",
      }),
    );
  }

  async #write(file: LeaseFile, signal: AbortSignal): Promise<void> {
    await this.#repository.storage.put(leaseKey(this.#database, this.n), encodeJson(file), signal);
    this.#file = file;
  }
}
