import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { listContents, loadEntries, type TocEntry } from "../../engines/archive/table-of-contents.ts";
import { runTool } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { type ConnectionSettings, toolEnvironment } from "../../postgres/connection.ts";
import { createExtensions, listExtensions } from "../../postgres/extensions.ts";
import { pipeDump } from "../../postgres/pipe.ts";
import { connect, quoteName, type Session } from "../../postgres/session.ts";
import { listDependents, outsideArgs } from "./outside.ts";

export interface CarryOver {
  readonly client: PostgresClient;
  /** A session in the live database inside a transaction that has exported `snapshot`. */
  readonly live: Session;
  readonly snapshot: string;
  readonly copy: ConnectionSettings;
  /** The schemas that do not come from the live database. */
  readonly inside: readonly string[];
  /** Brings those schemas into the copy. */
  readonly fillInside: () => Promise<void>;
}

/**
 * Builds a copy of a database in which chosen schemas come from elsewhere and everything else from the live database,
 * in the order in which things need each other: what stands outside by itself, with its rows (foreign keys of the inside
 * may point there); the inside; what outside needs the inside (views over its tables); then outside's indexes, foreign
 * keys and triggers.
 */
export async function carryOver(runtime: Runtime, call: CarryOver, signal: AbortSignal): Promise<void> {
  const { client, live, copy, inside } = call;
  const outside = [`--snapshot=${call.snapshot}`, ...outsideArgs(inside)];
  const folder = await mkdtemp(join(runtime.env["TMPDIR"] ?? "/tmp", "handled-swap-"));
  try {
    const before = join(folder, "pre-data");
    const after = join(folder, "post-data");
    await dumpSection(runtime, call, "pre-data", before, outside, signal);
    await dumpSection(runtime, call, "post-data", after, outside, signal);
    const entries = await listContents(runtime, { client, path: before }, signal);
    // An extension that lives in one of the schemas inside comes with them.
    const insideExtensions = await extensionOids(live, inside);
    const { schemas, alone, dependent } = arrange(
      entries.filter((entry) => entry.type !== "EXTENSION" || !insideExtensions.has(entry.oid)),
      await listDependents(live, inside),
    );
    const load = async (path: string, chosen: readonly TocEntry[]): Promise<void> => {
      const leftOut = await loadEntries(runtime, { client, path, entries: chosen, settings: copy }, signal);
      for (const omission of leftOut) runtime.reporter.note(`left out of the copy: ${omission}`);
    };
    await load(before, schemas);
    await sameExtensions(runtime, call, signal);
    await load(before, alone);
    const late = await tableNames(live, dependent);
    const dataArgs = ["--section=data", ...outside];
    await pipeDump(
      runtime,
      { client, from: live.settings, to: copy, dumpArgs: [...dataArgs, ...late.map((table) => `--exclude-table=${table}`)] },
      signal,
    );
    await call.fillInside();
    await load(before, dependent);
    if (late.length > 0) {
      const lateArgs = ["--section=data", `--snapshot=${call.snapshot}`, ...late.map((table) => `--table=${table}`)];
      await pipeDump(runtime, { client, from: live.settings, to: copy, dumpArgs: lateArgs }, signal);
    }
    await load(after, await listContents(runtime, { client, path: after }, signal));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The oids of extensions that live in any of the schemas. */
async function extensionOids(live: Session, schemas: readonly string[]): Promise<Set<number>> {
  const rows = await live.query<{ oid: number }>(
    `select e.oid::int8::float8 as oid from pg_catalog.pg_extension e
       join pg_catalog.pg_namespace n on n.oid = e.extnamespace where n.nspname = any ($1)`,
    [schemas],
  );
  return new Set(rows.map((row) => row.oid));
}

/** The quoted names of the tables among the entries. */
async function tableNames(live: Session, entries: readonly TocEntry[]): Promise<string[]> {
  const rows = await live.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name from pg_catalog.pg_class c
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = any ($1::oid[])`,
    [entries.filter((entry) => entry.type === "TABLE").map((entry) => entry.oid)],
  );
  return rows.map((row) => quoteName(row.schema, row.name));
}

async function dumpSection(
  runtime: Runtime,
  call: CarryOver,
  section: "pre-data" | "post-data",
  path: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  await runTool(
    runtime,
    {
      program: clientProgram(call.client, "pg_dump"),
      args: ["--format=custom", `--section=${section}`, `--file=${path}`, "--no-password", ...args],
      env: toolEnvironment(runtime, call.live.settings),
      output: async (stdout) => {
        for await (const _ of stdout) continue;
      },
    },
    signal,
  );
}

/** Extensions in the version that the live database has; a dump would create each in the newest one offered. */
async function sameExtensions(runtime: Runtime, call: CarryOver, signal: AbortSignal): Promise<void> {
  const extensions = (await listExtensions(call.live)).filter(({ schema }) => !call.inside.includes(schema));
  await using session = await connect(runtime, call.copy, signal);
  for (const note of await createExtensions(session, extensions)) runtime.reporter.warn(note);
}

interface Arrangement {
  readonly schemas: readonly TocEntry[];
  readonly alone: readonly TocEntry[];
  readonly dependent: readonly TocEntry[];
}

// These name their object only by text; once everything is there, they can all come.
const ABOUT_OTHERS = new Set(["ACL", "COMMENT", "SECURITY LABEL", "DEFAULT ACL"]);

function arrange(entries: readonly TocEntry[], dependents: ReadonlySet<string>): Arrangement {
  const schemas: TocEntry[] = [];
  const alone: TocEntry[] = [];
  const dependent: TocEntry[] = [];
  for (const entry of entries) {
    if (entry.type === "SCHEMA") schemas.push(entry);
    else if (ABOUT_OTHERS.has(entry.type)) dependent.push(entry);
    else if (dependents.has(`${entry.catalogOid} ${entry.oid}`)) dependent.push(entry);
    else alone.push(entry);
  }
  return { schemas, alone, dependent };
}
