import { recoveriesOf } from "../operations/recoveries.ts";
import type { RecordedRecovery } from "../repository/recoveries.ts";
import type { Cli } from "./cli.ts";
import type { DrillListJson } from "../json/drill.ts";
import { drillJson, type RecoveryObjectives } from "./render/drill.ts";
import { storagesOf, type Target } from "./targets.ts";

/** The last drills and recoveries of a database, newest first, and the same as JSON. */
export async function drillsOf(
  cli: Cli,
  target: Target,
  last: number,
): Promise<{ readonly recoveries: readonly RecordedRecovery[]; readonly json: DrillListJson }> {
  const { name: database } = target;
  const request = { database, storages: storagesOf(target), last };
  const { recoveries, failures } = await recoveriesOf(cli.runtime, request, cli.signal);
  const objectives = objectivesOf(target);
  const drills = recoveries.map((one) => drillJson(one, objectives));
  return { recoveries, json: { database, drills, unread: failures.map(({ message }) => message) } };
}

export function objectivesOf({ entry }: Target): RecoveryObjectives {
  return { rtoMs: entry?.objectives.rtoMs ?? null, rpoMs: entry?.objectives.rpoMs ?? null };
}
