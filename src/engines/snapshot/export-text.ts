import { writeFile } from "node:fs/promises";
import { runTool } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { quoteLiteral, quoteName } from "../../postgres/quoting.ts";
import type { SnapshotContent, SnapshotTable } from "../../repository/manifest.ts";
import { Omissions } from "../archive/leave-out.ts";
import { openRows, type StoredRows } from "./export-rows.ts";
import { describeLargeObjectsText, fillLargeObjectsText } from "./export-large-objects.ts";
import { isLargeObjects } from "./large-objects.ts";
import { readScript, type ScriptEntry } from "./load-script.ts";
import { orderEntries } from "./restore-order.ts";
import { collectBytes, withTemporaryFile } from "./schema.ts";

export interface ExportText extends StoredRows {
  readonly tables: readonly SnapshotTable[];
  readonly content: SnapshotContent;
  /** Makes text of the definitions. */
  readonly client: PostgresClient;
}

/**
 * A snapshot as the text of a plain dump, which `psql` restores: definitions as `pg_restore` words them, rows in COPY
 * blocks, sequences, large objects. Every part is checked while it flows, and a difference is `backup_damaged`; the text
 * ends with pg_dump's end marker, so one that was cut short is seen to be.
 */
export async function* exportText(
  runtime: Runtime,
  request: ExportText,
  signal: AbortSignal,
): AsyncGenerator<Buffer | string> {
  const { client, content, tables } = request;
  const pieces = await withTemporaryFile(runtime, Buffer.from(content.schemaArchive, "base64"), (path) =>
    definitionTexts(runtime, { client, path }, signal),
  );
  yield pieces.before;
  yield ROWS_HEAD;
  for (const table of tables) {
    if (table.partList !== null && !isLargeObjects(table)) yield* tableText(request, table, signal);
  }
  const objects = tables.filter(isLargeObjects);
  yield* fillLargeObjectsText(request, objects, signal);
  for (const { schema, name, value, called } of content.sequences) {
    yield `SELECT pg_catalog.setval(${quoteLiteral(quoteName(schema, name))}, ${value}, ${called});\n`;
  }
  yield* describeLargeObjectsText(request, objects, signal);
  yield pieces.after;
  const filled = new Set(
    tables.filter(({ rows }) => rows === null).map((view) => quoteName(view.schema, view.name)),
  );
  // In the order in which they were made, for each was made after those it reads.
  yield `\nSET client_encoding = 'UTF8';\n`;
  for (const view of pieces.created) if (filled.has(view)) yield `REFRESH MATERIALIZED VIEW ${view};\n`;
  yield pieces.last;
}

// What the text of rows and names is written in, whatever the definitions are in; a block says itself what its rows are.
const ROWS_HEAD = `
SET client_encoding = 'UTF8';
SET lc_monetary = 'C';
SET intervalstyle = 'postgres';
`;

interface DefinitionTexts {
  /** What rows need; what comes after them; and what comes last of all, with the end marker. */
  readonly before: Buffer;
  readonly after: Buffer;
  readonly last: Buffer;
  /** Quoted names of tables and materialized views, in the order in which they are made. */
  readonly created: readonly string[];
}

async function definitionTexts(
  runtime: Runtime,
  { client, path }: { client: PostgresClient; path: string },
  signal: AbortSignal,
): Promise<DefinitionTexts> {
  const { entries } = await readScript(runtime, { client, path, omissions: NOTHING_LEFT_OUT() }, signal);
  const order = orderEntries(entries);
  const textOf = async (chosen: readonly ScriptEntry[]): Promise<Buffer> => {
    const list = `${path}.list`;
    await writeFile(list, chosen.map(({ line }) => `${line}\n`).join(""), { mode: 0o600 });
    const args = [`--use-list=${list}`, "--file=-", path];
    const program = clientProgram(client, "pg_restore");
    return await runTool(runtime, { program, args, env: runtime.env, output: collectBytes }, signal);
  };
  return {
    before: await textOf(order.before),
    after: await textOf([...order.parallel, ...order.after]),
    last: await textOf(order.last),
    created: entries.flatMap(({ creates }) =>
      creates === null ? [] : quoteName(creates.schema, creates.name),
    ),
  };
}

/** Whoever restores the text decides what to do without. */
function NOTHING_LEFT_OUT(): Omissions {
  const none = new Set<string>();
  return new Omissions({ otherRoles: none, otherExtensions: none, givenSchemas: none }, false);
}

/** One table's COPY block, announced as `pg_dump` does it: readers of dumps tell partitions apart by that. */
async function* tableText(
  request: ExportText,
  table: SnapshotTable,
  signal: AbortSignal,
): AsyncGenerator<Buffer | string> {
  const rows = await openRows(request, table, signal);
  if (rows === undefined) return;
  const { copy } = rows.header;
  yield `\n--\n-- Data for Name: ${oneLine(table.name)}; Type: TABLE DATA; Schema: ${oneLine(table.schema)}; Owner: -\n--\n\n`;
  if (!isOwnCopy(copy, table)) yield "-- load via partition root \n\n";
  yield `${copy};\n`;
  yield* rows.text;
  yield "\\.\n\n";
}

/** Whether a COPY statement loads the table itself and not one that its rows find their place from. */
function isOwnCopy(copy: string, { schema, name }: { schema: string; name: string }): boolean {
  const own = `COPY ${quoteName(schema, name)}`;
  return copy.startsWith(`${own} (`) || copy.startsWith(`${own} FROM STDIN`);
}

/** A name within a comment, as `pg_dump` writes it: a line break would end the comment. */
export function oneLine(name: string): string {
  return name.replaceAll(/[\r\n]/g, " ");
}
