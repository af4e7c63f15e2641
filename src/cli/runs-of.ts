import type { RunsJson } from "../api/contract/answers.ts";
import type { WhichRuns } from "../api/contract/requests.ts";
import { readHistory } from "../operations/history.ts";
import { isOfPlace } from "../operations/places.ts";
import type { Cli } from "./cli.ts";
import { historyJson } from "./render/history.ts";
import { resolveAllTargets } from "./repositories.ts";
import { storagesOf } from "./targets.ts";

/**
 * What ran, of one database or of all. A page reaches as far back for each: no further than where the first of them had more than was
 * asked for, so that the next page goes on where all of them ended.
 */
export async function runsOf(cli: Cli, which: WhichRuns): Promise<RunsJson> {
  const { database, last, before, since, failed, operation } = which;
  const found: RunsJson["databases"] = [];
  for (const target of await resolveAllTargets(cli, database === undefined ? [] : [database], {})) {
    const request = {
      database: target.name,
      storages: storagesOf(target),
      last,
      before,
      since: since === undefined ? undefined : new Date(since),
      failed: failed === undefined ? undefined : (true as const),
      operation,
      rebuild: undefined,
    };
    try {
      found.push(historyJson(await readHistory(cli.runtime, request, cli.signal)));
    } catch (error) {
      // It must not hide the others.
      if (database !== undefined || !isOfPlace(error, cli.signal)) throw error;
      found.push({ database: target.name, runs: [], more: false, unread: [error.message] });
    }
  }
  const ends = found.flatMap(({ more, runs }) => (more ? (runs.at(-1)?.id ?? []) : []));
  const next = ends.toSorted().at(-1) ?? null;
  if (next === null) return { databases: found, next };
  const databases = found.map((of) => {
    const runs = of.runs.filter(({ id }) => id >= next);
    return { ...of, runs, more: of.more || runs.length < of.runs.length };
  });
  return { databases, next };
}
