import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { listContents, loadEntries, type TocEntry } from "../../engines/archive/table-of-contents.ts";
import { runForText } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { type ConnectionSettings, toolEnvironment } from "../../postgres/connection.ts";
import { createExtensions, listExtensions } from "../../postgres/extensions.ts";
import { pipeDump } from "../../engines/archive/pipe-dump.ts";
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
 * may point there); the inside; then what outside needs the inside (views over its tables, foreign keys to them).
 */
export async function carryOver(runtime: Runtime, call: CarryOver, signal: AbortSignal): Promise<void> {
  const { live, inside } = call;
  const outside = [`--snapshot=${call.snapshot}`, ...outsideArgs(inside)];
  const folder = await mkdtemp(join(runtime.env["TMPDIR"] ?? "/tmp", "handled-swap-"));
  try {
    const carrier = new Carrier(runtime, call, folder, signal);
    const before = await carrier.dumpSection("pre-data", outside);
    const after = await carrier.dumpSection("post-data", outside);
    const dependents = await listDependents(live, inside);
    // An extension that lives in one of the schemas inside comes with them.
    const extensions = await extensionOids(live, inside);
    const pre = arrange(
      before.entries.filter(({ type, oid }) => type !== "EXTENSION" || !extensions.has(oid)),
      dependents,
    );
    const post = arrange(after.entries, dependents);
    const late = await tableNames(live, pre.dependent);

    await carrier.load(before, pre.schemas);
    await carrier.sameExtensions();
    await carrier.load(before, pre.alone);
    await carrier.copyRows([...outside, ...late.map((table) => `--exclude-table=${table}`)]);
    await carrier.load(after, post.alone);
    await call.fillInside();
    await carrier.load(before, pre.dependent);
    if (late.length > 0) {
      await carrier.copyRows([`--snapshot=${call.snapshot}`, ...late.map((table) => `--table=${table}`)]);
    }
    await carrier.load(after, post.dependent);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Section {
  readonly path: string;
  readonly entries: readonly TocEntry[];
}

/** The steps of a carry-over, each from the live database into the copy. */
class Carrier {
  readonly #runtime: Runtime;
  readonly #call: CarryOver;
  readonly #folder: string;
  readonly #signal: AbortSignal;

  constructor(runtime: Runtime, call: CarryOver, folder: string, signal: AbortSignal) {
    this.#runtime = runtime;
    this.#call = call;
    this.#folder = folder;
    this.#signal = signal;
  }

  async dumpSection(section: "pre-data" | "post-data", args: readonly string[]): Promise<Section> {
    const { client, live } = this.#call;
    const path = join(this.#folder, section);
    await runForText(
      this.#runtime,
      {
        program: clientProgram(client, "pg_dump"),
        args: ["--format=custom", `--section=${section}`, `--file=${path}`, "--no-password", ...args],
        env: toolEnvironment(this.#runtime, live.settings),
      },
      this.#signal,
    );
    return { path, entries: await listContents(this.#runtime, { client, path }, this.#signal) };
  }

  async load({ path }: Section, entries: readonly TocEntry[]): Promise<void> {
    const { client, copy } = this.#call;
    this.#tell(await loadEntries(this.#runtime, { client, path, entries, settings: copy }, this.#signal));
  }

  async copyRows(args: readonly string[]): Promise<void> {
    const { client, live, copy } = this.#call;
    const dumpArgs = ["--section=data", ...args];
    this.#tell(
      await pipeDump(this.#runtime, { client, from: live.settings, to: copy, dumpArgs }, this.#signal),
    );
  }

  /** Extensions in the version that the live database has; a dump would create each in the newest one offered. */
  async sameExtensions(): Promise<void> {
    const { live, inside, copy } = this.#call;
    const extensions = (await listExtensions(live)).filter(({ schema }) => !inside.includes(schema));
    await using session = await connect(this.#runtime, copy, this.#signal);
    for (const note of await createExtensions(session, extensions)) this.#runtime.reporter.warn(note);
  }

  /** The comparison at the end decides whether it matters. */
  #tell(leftOut: readonly string[]): void {
    for (const omission of leftOut) this.#runtime.reporter.note(`left out of the copy: ${omission}`);
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

interface Arrangement {
  readonly schemas: readonly TocEntry[];
  readonly alone: readonly TocEntry[];
  readonly dependent: readonly TocEntry[];
}

// Four that name their object only by text, and event triggers, which would fire meanwhile: they come at the end.
const LAST = new Set(["ACL", "COMMENT", "SECURITY LABEL", "DEFAULT ACL", "EVENT TRIGGER"]);

function arrange(entries: readonly TocEntry[], dependents: ReadonlySet<string>): Arrangement {
  const schemas: TocEntry[] = [];
  const alone: TocEntry[] = [];
  const dependent: TocEntry[] = [];
  for (const entry of entries) {
    if (entry.type === "SCHEMA") schemas.push(entry);
    else if (LAST.has(entry.type)) dependent.push(entry);
    else if (dependents.has(`${entry.catalogOid} ${entry.oid}`)) dependent.push(entry);
    else alone.push(entry);
  }
  return { schemas, alone, dependent };
}
