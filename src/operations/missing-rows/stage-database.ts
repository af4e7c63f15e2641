import { once } from "node:events";
import { PassThrough } from "node:stream";
import { SET_COPY_SETTINGS } from "../../engines/snapshot/session-settings.ts";
import { AppError } from "../../errors.ts";
import { readEncoding } from "../../postgres/server.ts";
import type { Session } from "../../postgres/session.ts";
import { columnsWith, type LiveTable } from "./live-table.ts";
import { copyIntoStage, finishStage, makeStage, type Staged } from "./stage.ts";

/**
 * Puts all rows that tables have in another database into temporary tables of the writer. The other database is only read.
 * @param fullRead why all of it is read, in words
 */
export async function stageDatabase(
  from: Session,
  writer: Session,
  { tables, fullRead }: { readonly tables: readonly LiveTable[]; readonly fullRead: string },
): Promise<Staged[]> {
  await from.query("begin isolation level repeatable read read only");
  await from.query(SET_COPY_SETTINGS);
  const staged: Staged[] = [];
  for (const [number, live] of tables.entries())
    staged.push({
      ...(await stageTable(from, writer, live, number)),
      parts: { ranges: 1, read: 1, fullRead },
    });
  await from.query("commit");
  return staged;
}

async function stageTable(
  from: Session,
  writer: Session,
  live: LiveTable,
  number: number,
): Promise<Omit<Staged, "parts">> {
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
  const staged = { live, stage, columns, inBackup: count?.rows ?? 0 };
  await finishStage(writer, staged);
  return staged;
}
