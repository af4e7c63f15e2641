/**
 * Speed, size and memory of snapshots and their restores against stock tools, on a server of its own.
 * `node bench/snapshot.ts --help` says how; docs/design/performance.md what came of it.
 */
import { messageOf } from "../src/errors.ts";
import { type Bench, fill } from "./snapshot/bench.ts";
import {
  type Finding,
  type Findings,
  GOALS,
  type GoalName,
  MEASURES,
  type MeasureName,
} from "./snapshot/goals.ts";
import { measureBackup } from "./snapshot/measure-backup.ts";
import { measureBucket } from "./snapshot/measure-bucket.ts";
import { measureDailies } from "./snapshot/measure-dailies.ts";
import { measureDigests } from "./snapshot/measure-digests.ts";
import { measureLarger } from "./snapshot/measure-larger.ts";
import { measureList } from "./snapshot/measure-list.ts";
import { measureParts } from "./snapshot/measure-parts.ts";
import { measureRestore } from "./snapshot/measure-restore.ts";
import { parseOptions, USAGE } from "./snapshot/options.ts";
import { makePlace } from "./snapshot/place.ts";
import { report } from "./snapshot/report.ts";

type Measure = (bench: Bench, signal: AbortSignal) => Promise<Findings>;

const HOW: Readonly<Record<MeasureName, Measure>> = {
  backup: measureBackup,
  dailies: measureDailies,
  restore: measureRestore,
  digests: measureDigests,
  list: measureList,
  bucket: measureBucket,
  parts: measureParts,
  larger: measureLarger,
};

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => stop.abort(new Error(`stopped by ${name}`)));
}

async function main(args: readonly string[], signal: AbortSignal): Promise<void> {
  if (args.includes("--help")) return console.log(USAGE);
  const options = parseOptions(args);
  const started = performance.now();
  const say = (text: string): void => {
    console.error(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${text}`);
  };
  await using place = await makePlace(signal);
  say("a server is running; filling a database");
  const filled = await fill(place, options.size, signal);
  say(`filled: ${JSON.stringify(filled)}`);
  const bench: Bench = { place, options, filled, say, current: undefined };
  const findings: Findings = {};
  for (const measure of MEASURES) {
    if (!options.only.has(measure)) continue;
    try {
      Object.assign(findings, await HOW[measure](bench, signal));
    } catch (error) {
      signal.throwIfAborted();
      say(`${measure}: ${messageOf(error)}`);
      Object.assign(findings, failed(measure, messageOf(error)));
    }
  }
  say("done");
  console.log(report(options, findings));
}

/** One measure that fails takes nothing from the others. */
function failed(measure: MeasureName, why: string): Findings {
  const names = (Object.keys(GOALS) as GoalName[]).filter((name) => GOALS[name].measure === measure);
  const missing: Finding = { missing: `it failed: ${why.split("\n")[0] ?? ""}` };
  return Object.fromEntries(names.map((name) => [name, missing]));
}

try {
  await main(process.argv.slice(2), stop.signal);
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = stop.signal.aborted ? 130 : 1;
}
