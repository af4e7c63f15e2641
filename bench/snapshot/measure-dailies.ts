import { type Bench, freshFolder, openSession } from "./bench.ts";
import { changeRows } from "./change.ts";
import { megabytes } from "./figures.ts";
import type { Findings } from "./goals.ts";
import { DATABASE, takeSnapshot } from "./handled.ts";
import { run } from "./run.ts";

const DAYS = 14;
// Half of it at the end of each table, half in one place that is another every day.
const CHANGED_EACH = 0.005;
// Multiples of it, modulo 1, lie far from each other (the golden ratio).
const STEP = 0.618034;

/** What a fortnight of daily snapshots takes on disk: everything in the repository's folder. */
export async function measureDailies(bench: Bench, signal: AbortSignal): Promise<Findings> {
  const { place, filled, say } = bench;
  const repository = await freshFolder(place, "repository-dailies");
  const sizeOf = async (): Promise<number> => {
    const { stdout } = await run("du", ["-sb", repository], place.env, signal);
    return Number.parseInt(stdout, 10);
  };
  await takeSnapshot(place, repository, signal);
  const full = await sizeOf();
  await using session = await openSession(place, DATABASE, signal);
  for (let day = 2; day <= DAYS; day++) {
    await changeRows(session, filled, CHANGED_EACH, (day * STEP) % 1);
    // As autovacuum would in a night: the room of old versions is used again.
    await session.query("vacuum");
    await takeSnapshot(place, repository, signal);
  }
  const all = await sizeOf();
  await freshFolder(place, "repository-dailies");
  say(`dailies: ${megabytes(full)} after the first day, ${megabytes(all)} after ${DAYS}`);
  return { dailies: { value: all / full, detail: `${megabytes(all)} to ${megabytes(full)}` } };
}
