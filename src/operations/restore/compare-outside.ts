import {
  compareDefinitions,
  type Definitions,
  splitDefinitions,
} from "../../engines/snapshot/definitions.ts";
import { runTool } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { type ConnectionSettings, toolEnvironment } from "../../postgres/connection.ts";
import { listExtensions } from "../../postgres/extensions.ts";
import { fingerprintTables } from "../../postgres/fingerprint.ts";
import { readRelationRoots } from "../../postgres/relation-roots.ts";
import { quoteName, type Session } from "../../postgres/session.ts";
import { outsideArgs } from "./outside.ts";

/**
 * Every difference, outside the given schemas, between the live database and its copy: rows and digests of all tables,
 * sequences, large objects, extensions with versions, and all definitions. Empty when they are equal.
 */
export async function compareOutside(
  runtime: Runtime,
  client: PostgresClient,
  live: { session: Session; snapshot: string },
  copy: Session,
  inside: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const before = await readOutside(live.session, inside);
  const after = await readOutside(copy, inside);
  const { onlyFirst, onlySecond, changed } = compareDefinitions(
    await readDefinitions(
      runtime,
      client,
      live.session.settings,
      [`--snapshot=${live.snapshot}`, ...outsideArgs(inside)],
      signal,
    ),
    await readDefinitions(runtime, client, copy.settings, outsideArgs(inside), signal),
  );
  return [
    ...differences(before, after),
    ...onlyFirst.map((name) => `${name}${MISSING}`),
    ...changed.map((name) => `${name}${CHANGED}`),
    ...onlySecond.map((name) => `${name}${ADDED}`),
  ];
}

const MISSING = ": not carried over";
const CHANGED = ": not the same in the copy";
const ADDED = ": only in the copy";

function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const problems: string[] = [];
  for (const [name, value] of before) {
    const other = after.get(name);
    if (other === undefined) problems.push(`${name}${MISSING}`);
    else if (other !== value) problems.push(`${name}${CHANGED}`);
  }
  for (const name of after.keys()) if (!before.has(name)) problems.push(`${name}${ADDED}`);
  return problems;
}

async function readOutside(session: Session, inside: readonly string[]): Promise<Map<string, string>> {
  const facts = new Map<string, string>();
  for (const [name, { rows, digest }] of await readRows(session, inside)) {
    facts.set(`rows of ${name}`, `${rows} ${digest}`);
  }
  const sequences = await session.query<{ name: string; value: string | null }>(
    `select pg_catalog.quote_ident(schemaname) || '.' || pg_catalog.quote_ident(sequencename) as name, last_value::text as value
       from pg_catalog.pg_sequences where not schemaname = any ($1)`,
    [inside],
  );
  for (const { name, value } of sequences) facts.set(`value of sequence ${name}`, value ?? "not called");
  for (const extension of await listExtensions(session)) {
    facts.set(`extension ${extension.name}`, `${extension.version} in ${extension.schema}`);
  }
  facts.set("large objects", await digestLargeObjects(session));
  return facts;
}

/** By the quoted name of each table; partitions are summed up in the table at their top. */
async function readRows(
  session: Session,
  inside: readonly string[],
): Promise<Map<string, { rows: number; digest: bigint }>> {
  const roots = await readRelationRoots(session);
  const sums = new Map<string, { rows: number; digest: bigint }>();
  for (const table of await fingerprintTables(session, "not n.nspname = any ($1)", [inside])) {
    const name = quoteName(table.schema, table.name);
    const root = roots.get(name) ?? name;
    const sum = sums.get(root) ?? { rows: 0, digest: 0n };
    sums.set(root, { rows: sum.rows + table.rows, digest: sum.digest + BigInt(table.digest) });
  }
  return sums;
}

async function digestLargeObjects(session: Session): Promise<string> {
  const [objects] = await session.query<{ count: string }>(
    "select count(*) as count from pg_catalog.pg_largeobject_metadata",
  );
  // Their contents are not for every role to read; whether there are any is.
  if (objects === undefined || objects.count === "0") return "none";
  const [pages] = await session.query<{ digest: string | null }>(
    `select sum(pg_catalog.hashtextextended(loid || ' ' || pageno || ' ' || pg_catalog.md5(data), 0)::numeric)::text as digest
       from pg_catalog.pg_largeobject`,
  );
  return `${objects.count} ${pages?.digest ?? "empty"}`;
}

async function readDefinitions(
  runtime: Runtime,
  client: PostgresClient,
  settings: ConnectionSettings,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Definitions> {
  const text = await runTool(
    runtime,
    {
      program: clientProgram(client, "pg_dump"),
      args: ["--schema-only", "--no-password", ...args],
      env: toolEnvironment(runtime, settings),
      output: async (stdout) => {
        const chunks: Buffer[] = [];
        for await (const chunk of stdout as AsyncIterable<Buffer>) chunks.push(chunk);
        return Buffer.concat(chunks).toString("utf8");
      },
    },
    signal,
  );
  return splitDefinitions(text);
}
