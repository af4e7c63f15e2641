import type { Runtime } from "../../lib/runtime.ts";
import type { Session } from "../../postgres/session.ts";
import type { ArchiveSource } from "../restore/source.ts";
import { withScratch } from "../restore/scratch.ts";
import type { LiveTable } from "./live-table.ts";
import { stageDatabase } from "./stage-database.ts";
import type { Staged } from "./stage.ts";

/**
 * Puts the rows of an archive's tables into temporary tables. An archive can only be restored whole: it goes into a scratch
 * database beside the live one, which is dropped again.
 */
export async function stageArchive(
  runtime: Runtime,
  call: {
    readonly source: ArchiveSource;
    readonly database: string;
    readonly tables: readonly LiveTable[];
    readonly writer: Session;
    readonly lanes: number;
  },
  signal: AbortSignal,
): Promise<Staged[]> {
  const { source, tables, writer, lanes, database } = call;
  const names = tables.map(({ quoted }) => quoted);
  const fullRead = "an archive can only be restored whole";
  const work = async (from: Session): Promise<Staged[]> =>
    await stageDatabase(from, writer, { tables, fullRead });
  const scratch = { source, database, tables: names, live: writer.settings, lanes };
  return await withScratch(runtime, scratch, work, signal);
}
