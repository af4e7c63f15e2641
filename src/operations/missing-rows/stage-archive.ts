import { once } from "node:events";
import { PassThrough } from "node:stream";
import { SET_COPY_SETTINGS } from "../../engines/snapshot/session-settings.ts";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { readEncoding } from "../../postgres/server.ts";
import type { Session } from "../../postgres/session.ts";
import type { ArchiveSource } from "../restore/source.ts";
import { withScratch } from "../restore/scratch.ts";
import { columnsWith, type LiveTable } from "./live-table.ts";
import { copyIntoStage, finishStage, makeStage, type Staged } from "./stage.ts";

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
  const work = async (from: Session): Promise<Staged[]> => {
    await from.query("begin read only");
    await from.query(SET_COPY_SETTINGS);
    const staged: Staged[] = [];
    for (const [number, table] of tables.entries())
      staged.push(await stageTable(from, writer, table, number));
    await from.query("commit");
    return staged;
  };
  const scratch = { source, database, tables: names, live: writer.settings, lanes };
  return await withScratch(runtime, scratch, work, signal);
}

async function stageTable(from: Session, writer: Session, live: LiveTable, number: number): Promise<Staged> {
  const found = await from.query<{ name: string }>(
    `select a.attname::text as name from pg_catalog.pg_attribute a
       join pg_catalog.pg_class c on c.oid = a.attrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = $1 and c.relname = $2 and c.relkind = 'r'
        and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum`,
    [live.schema, live.name],
  );
  const columns = found.map(({ name }) => name);
  if (columns.length === 0)
    throw new AppError("schema_missing", `bring missing rows back: ${live.quoted} is not in the backup`);
  const stage = await makeStage(writer, live, columns, number);
  const encoding = await readEncoding(from);
  const sql = `copy (select ${columnsWith("t", columns)} from only ${live.quoted} t) to stdout (encoding '${encoding}')`;
  const text = new PassThrough();
  const read = from
    .copyOut(sql, async (chunk) => {
      // The chunk's memory is used again.
      if (!text.write(Buffer.from(chunk))) await once(text, "drain");
    })
    .then(
      () => text.end(),
      (error: Error) => text.destroy(error),
    );
  await copyIntoStage(writer, { live, stage, columns }, encoding, text);
  await read;
  const [count] = await writer.query<{ rows: number }>(`select count(*)::float8 as rows from ${stage}`);
  const fullRead = "an archive can only be restored whole";
  const staged = {
    live,
    stage,
    columns,
    inBackup: count?.rows ?? 0,
    parts: { ranges: 1, read: 1, fullRead },
  };
  await finishStage(writer, staged);
  return staged;
}
