import type { OverviewJson } from "../api/contract/answers.ts";
import type { Health } from "../health/health.ts";
import type { Clock } from "../lib/clock.ts";
import type { Listed } from "./render/list.ts";
import { statusJson } from "./render/status.ts";

/** What is held of a database; its places have to be opened anew. */
export type HeldListing = Omit<Listed, "repositories">;

/** A look of the daemon, from its beginning to its end. */
interface Look extends Disposable {
  /** What it found is what is shown from now on. */
  found(health: Health): void;
}

// Three looks in a row that did not come to an end.
const STALE_MS = 15 * 60_000;
// However much others do: a fifth of the time is spent on looking, and no more than one look begins in five seconds.
const REST_MS = 5000;
const REST_FOR_EACH_MS = 4;

/** What the daemon found when it looked last, for whoever asks: an answer over thousands of backups cannot be looked up each time. */
export class DaemonLooks {
  readonly #clock: Clock;
  readonly #first = Promise.withResolvers<OverviewJson | undefined>();
  #overview: OverviewJson | undefined;
  #listings = new Map<string, HeldListing>();
  /** By the monotonic clock. */
  #listedAt = 0;
  /** When the last look began. */
  #began: string | undefined;
  /** By the monotonic clock: until when it rests from that look; infinite while it goes on. */
  #restsUntil = 0;
  readonly #reading = new Map<string, Promise<HeldListing>>();
  /** Another object after each change. */
  #since = {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined before the first. */
  get overview(): OverviewJson | undefined {
    return this.#overview;
  }

  /** Waits for the end of the first look; undefined where it came to nothing. */
  async first(): Promise<OverviewJson | undefined> {
    return await this.#first.promise;
  }

  begin(): Look {
    const at = this.#clock.now().toISOString();
    const since = this.#since;
    const began = this.#clock.monotonic();
    this.#began = at;
    this.#restsUntil = Infinity;
    return {
      found: (health) => {
        this.#overview = { ...statusJson(health), at };
        this.#first.resolve(this.#overview);
        // What has changed meanwhile it may not have seen.
        if (since === this.#since) this.#hold(health);
      },
      [Symbol.dispose]: () => {
        this.#first.resolve(undefined);
        const now = this.#clock.monotonic();
        this.#restsUntil = now + Math.max(REST_MS, (now - began) * REST_FOR_EACH_MS);
      },
    };
  }

  /** Whether what was done at that time is for another look, and it is time for one: none goes on or has just ended. */
  isNews(at: string): boolean {
    if (this.#began === undefined || at <= this.#began) return false;
    return this.#clock.monotonic() >= this.#restsUntil;
  }

  /** Something was done to the backups: what was listed before is shown no more. */
  changed(): void {
    this.#since = {};
    this.#listings.clear();
    this.#reading.clear();
  }

  /** The backups of a database as the last look found them; undefined where it did not, or something was done since. */
  listing(database: string): HeldListing | undefined {
    const isStale = this.#clock.monotonic() - this.#listedAt > STALE_MS;
    return isStale ? undefined : this.#listings.get(database);
  }

  /** Lists a database for all that want it at the same time. */
  async list(database: string, read: () => Promise<HeldListing>): Promise<HeldListing> {
    const known = this.#reading.get(database);
    if (known !== undefined) return await known;
    const reading = read();
    this.#reading.set(database, reading);
    try {
      return await reading;
    } finally {
      // One that began after a change is another.
      if (this.#reading.get(database) === reading) this.#reading.delete(database);
    }
  }

  #hold({ databases }: Health): void {
    this.#listings = new Map(
      databases.flatMap(({ database, listing, provider }) => {
        // Where there is no repository yet, whoever asks is told so.
        if (listing === null || listing.repositories.length === 0) return [];
        const { repositories: _, ...held } = listing;
        return [[database, { ...held, provider }]];
      }),
    );
    this.#listedAt = this.#clock.monotonic();
  }
}
