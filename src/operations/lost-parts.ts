import { isAppError } from "../errors.ts";
import { partsOf } from "../repository/holdings.ts";
import type { PartName } from "../repository/ids.ts";
import { isUnreadable } from "../repository/listing.ts";
import type { SnapshotIndex } from "../repository/manifest.ts";
import { readTables } from "../repository/manifests.ts";
import { PROBLEMS_KEPT, type ProofProblem } from "../repository/proof-file.ts";
import type { Repository } from "../repository/repository.ts";

export const MISSING = "is not there in the size it was stored with";

/** What is wrong with parts and part lists, in words; undefined where nothing is known to be. */
export interface Lost {
  readonly list: (name: PartName) => string | undefined;
  readonly part: (name: PartName) => string | undefined;
}

/** Tells each part and part list of a snapshot that is lost, with its table. What cannot be read was told when it was read before. */
export async function tellLostOf(
  repository: Repository,
  index: SnapshotIndex,
  lost: Lost,
  tell: (problem: ProofProblem) => void,
  signal: AbortSignal,
): Promise<void> {
  await unlessUnreadable(async () => {
    for (const table of await readTables(repository, index, signal)) {
      const { partList, schema, name } = table;
      if (partList === null) continue;
      const what = { table: `${schema}.${name}` };
      const ofList = lost.list(partList.name);
      if (ofList !== undefined) {
        tell({ object: "part list", ...what, part: partList.name, reason: ofList });
        continue;
      }
      const seen = new Set<string>();
      await unlessUnreadable(async () => {
        for await (const part of partsOf(repository, index, table, signal)) {
          const reason = lost.part(part.name);
          if (reason === undefined || seen.has(part.name)) continue;
          if (seen.size < PROBLEMS_KEPT) seen.add(part.name);
          tell({ object: "part", ...what, part: part.name, reason });
        }
      });
    }
  });
}

async function unlessUnreadable(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!isUnreadable(error) && !isAppError(error, "object_missing")) throw error;
  }
}
