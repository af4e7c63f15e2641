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
