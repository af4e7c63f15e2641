import { once } from "node:events";
import { PassThrough } from "node:stream";
import { SET_COPY_SETTINGS } from "../../engines/snapshot/session-settings.ts";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { connectBeside } from "../../postgres/admin.ts";
import { chooseClient, findClients } from "../../postgres/clients.ts";
import { dropRoles, ensureRoles } from "../../postgres/roles.ts";
import { readEncoding } from "../../postgres/server.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { fillDatabase } from "../restore/fill.ts";
import { checkSource } from "../restore/plan.ts";
import { requireServerSpace } from "../restore/server-space.ts";
import type { ArchiveSource } from "../restore/source.ts";
import { createTemporaryDatabase, dropAbandoned } from "../restore/temporary-database.ts";
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
  const { settings: live } = writer;
  await using admin = await connectBeside(runtime, live, [live.database], signal);
  const client = chooseClient(await findClients(runtime, signal), admin.serverVersion);
  const whole = { schemas: [], tables: [] };
  const checked = await checkSource(runtime, source, whole, client, signal);
  await dropAbandoned(runtime, admin, signal);
  const stored = source.manifest?.index.totals.serverBytes ?? checked.facts.bytes;
  await requireServerSpace(admin, { stored, copies: 1, copied: null });
  const made = await ensureRoles(admin, checked.facts.roles);
  try {
    const properties = source.manifest?.content.database ?? null;
    await using scratch = await createTemporaryDatabase(runtime, admin, database, properties);
    const target = { client, settings: scratch.settings, singleTransaction: false, lanes, statistics: false };
    await fillDatabase(runtime, checked, target, signal);
    await using from = await connect(runtime, scratch.settings, signal);
    await from.query("begin read only");
    await from.query(SET_COPY_SETTINGS);
    const staged: Staged[] = [];
    for (const [number, table] of tables.entries())
      staged.push(await stageTable(from, writer, table, number));
    await from.query("commit");
    return staged;
  } finally {
    // Of a scratch database nothing stays, and so do not the roles that were made for it.
    for (const problem of await dropRoles(runtime, admin.settings, made)) runtime.reporter.warn(problem);
  }
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
