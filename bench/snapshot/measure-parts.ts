import { type Bench, createDatabase, dropDatabase, freshFolder, openSession } from "./bench.ts";
import { mostMemory, took } from "./figures.ts";
import type { Findings } from "./goals.ts";
import { checkRepository, restoreSnapshot, takeSnapshot } from "./handled.ts";
import type { Change } from "../../scripts/build-program.ts";
import { fillMany, publishManyParts } from "./many-parts.ts";

// Tables are cut into ranges of one block, so that a gigabyte has as many ranges and parts as terabytes have.
const tinyRanges: Change = (path, source) =>
  path.endsWith("/engines/snapshot/tables.ts")
    ? source.replace(/const RANGE_BLOCKS = \d+;/, "const RANGE_BLOCKS = 1;")
    : source;
const MANY = "many";
const INTO = "many_restored";

/** Memory of a snapshot that reuses very many parts, of looking at the repository, and of restoring them. */
export async function measureParts(bench: Bench, signal: AbortSignal): Promise<Findings> {
  const { place, options, say } = bench;
  const repository = await freshFolder(place, "repository-parts");
  await using _ = {
    [Symbol.asyncDispose]: async () => {
      await freshFolder(place, "repository-parts");
      // Also after an interruption, which ends what the signal governs.
      const after = new AbortController().signal;
      for (const name of [MANY, INTO]) await dropDatabase(place, name, after);
    },
  };
  await createDatabase(place, MANY, signal);
  {
    await using session = await openSession(place, MANY, signal);
    await fillMany(session, options.parts);
    await takeSnapshot(place, repository, signal, { database: MANY });
    await publishManyParts(place, session, repository, MANY, signal);
  }
  say(`a snapshot of ${options.parts} parts is made up`);
  const program = await place.variant("program-tiny-ranges", tinyRanges);
  const taken = await takeSnapshot(place, repository, signal, { database: MANY, program });
  const { read, reused } = taken.parts;
  say(`the next one took ${took(taken)}, ${reused} parts reused, ${read} read`);
  if (reused !== options.parts) throw new Error(`${reused} of ${options.parts} parts were reused`);
  const checked = await checkRepository(place, repository, MANY, signal);
  say(`looking at all of it took ${took(checked)}`);
  const restored = await restoreSnapshot(place, repository, INTO, signal, { database: MANY });
  say(`its restore took ${took(restored)}`);
  return {
    backupMemoryParts: mostMemory([taken], `${reused} parts reused`),
    checkMemoryParts: mostMemory([checked], `${reused} parts looked at`),
    restoreMemoryParts: mostMemory([restored], `${reused} parts loaded`),
  };
}
