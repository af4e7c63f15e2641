import { type Bench, freshFolder, settle } from "./bench.ts";
import { timeRatio } from "./figures.ts";
import type { Findings } from "./goals.ts";
import { takeSnapshot } from "./handled.ts";
import type { Change } from "../../scripts/build-program.ts";
import type { Run } from "./run.ts";

// Counts and hashes nothing.
const IDLE = `export class RowDigest {
  update() {}
  finish() { return { rows: 0, digest: ZERO_DIGEST }; }
}`;

const withoutDigests: Change = (path, source) =>
  path.endsWith("/engines/snapshot/row-digest.ts")
    ? `${source.replace("export class RowDigest", "class Replaced")}\n${IDLE}`
    : source;

/** First snapshots in turn with one whose program has something that digests nothing in the place of the row digest. */
export async function measureDigests(bench: Bench, signal: AbortSignal): Promise<Findings> {
  const { place, options, say } = bench;
  const runs = { with: [] as Run[], without: [] as Run[] };
  const programs = {
    with: place.program,
    without: await place.variant("program-without-digests", withoutDigests),
  };
  for (let round = 1; round <= options.rounds; round++) {
    for (const kind of ["with", "without"] as const) {
      await settle(place, signal);
      const repository = await freshFolder(place, "repository-digests");
      const done = await takeSnapshot(place, repository, signal, { program: programs[kind] });
      // Rows are counted where they are digested.
      if ((done.rows === 0) !== (kind === "without")) throw new Error(`${kind} digests: ${done.rows} rows`);
      runs[kind].push(done);
      say(`round ${round}: first snapshot ${kind} digests ${done.seconds.toFixed(2)} s`);
    }
  }
  await freshFolder(place, "repository-digests");
  return { digests: timeRatio(runs.with, runs.without) };
}
