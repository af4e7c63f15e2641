import type { DaysJson } from "../api/contract/answers.ts";
import type { WhichDays } from "../api/contract/requests.ts";
import { isAppError } from "../errors.ts";
import { lastDays } from "../lib/local-days.ts";
import { openEach } from "../operations/open-each.ts";
import { isOfPlace } from "../operations/places.ts";
import { countRunDays } from "../operations/run-days.ts";
import type { Cli } from "./cli.ts";
import { resolveAllTargets } from "./repositories.ts";
import { storagesOf } from "./targets.ts";

// Rarely more than one zone is looked from; nobody may fill our memory with all there are.
const HELD = 16;

/** Counts once between two looks of the daemon, however many ask: what ends makes it look again. */
export class HeldDays {
  readonly #count: (which: WhichDays) => Promise<DaysJson>;
  readonly #lastLook: () => unknown;
  #heldFor: unknown;
  readonly #held = new Map<string, Promise<DaysJson>>();

  /** @param lastLook another value after each look; undefined before the first, when nothing is held */
  constructor(count: (which: WhichDays) => Promise<DaysJson>, lastLook: () => unknown) {
    this.#count = count;
    this.#lastLook = lastLook;
  }

  async get(which: WhichDays): Promise<DaysJson> {
    const look = this.#lastLook();
    if (look !== this.#heldFor) this.#held.clear();
    this.#heldFor = look;
    const key = JSON.stringify([which.zone, which.days]);
    const known = this.#held.get(key);
    if (known !== undefined) return await known;
    const counting = this.#count(which);
    if (look === undefined || this.#held.size >= HELD) return await counting;
    this.#held.set(key, counting);
    // What could not be counted is tried again.
    counting.catch(() => this.#held.delete(key));
    return await counting;
  }
}

/** What ran of each database of the strategy, day by day. A place that cannot be read hides nothing of the others. */
export async function daysOf(cli: Cli, { days: count, zone }: WhichDays): Promise<DaysJson> {
  const { runtime, signal } = cli;
  const days = lastDays(runtime.clock.now(), count, zone);
  const databases: DaysJson["databases"] = [];
  for (const target of await resolveAllTargets(cli, [], {})) {
    const { name: database } = target;
    try {
      const { repositories, failures } = await openEach(runtime, storagesOf(target), signal);
      const counted = await countRunDays(runtime, repositories, { database, days }, signal);
      databases.push({ database, days: counted, unread: failures.map(({ message }) => message) });
    } catch (error) {
      // Before the first backup nothing ran.
      if (isAppError(error, "repository_missing")) {
        const none = await countRunDays(runtime, [], { database, days }, signal);
        databases.push({ database, days: none, unread: [] });
        continue;
      }
      if (!isOfPlace(error, signal)) throw error;
      databases.push({ database, days: [], unread: [error.message] });
    }
  }
  return { zone, databases };
}
