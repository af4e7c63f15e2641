import { join } from "node:path";
import { listContents, loadEntries, type TocEntry } from "../../engines/archive/table-of-contents.ts";
import { runForText } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { type ConnectionSettings, toolEnvironment } from "../../postgres/connection.ts";
import { createExtensions, listExtensions } from "../../postgres/extensions.ts";
import { pipeDump } from "../../engines/archive/pipe-dump.ts";
import { connect, quoteName, type Session } from "../../postgres/session.ts";
import { makeTemporaryFolder } from "../../repository/temporary-folder.ts";
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
  await using folder = await makeTemporaryFolder(runtime, "swap");
  const carrier = new Carrier(runtime, call, join(folder.path, "outside"), signal);
  // An extension that lives in one of the schemas inside comes with them.
  const extensions = await extensionOids(live, inside);
  const entries = (await carrier.dumpDefinitions()).filter(
    ({ type, oid }) => type !== "EXTENSION" || !extensions.has(oid),
  );
  const steps = arrange(entries, await listDependents(live, inside));
  const late = await relationNames(live, steps.dependentPre);

  await carrier.load(steps.schemas);
  await carrier.sameExtensions();
  await carrier.load(steps.pre);
  await carrier.copyRows([...outsideArgs(inside), ...late.map((name) => `--exclude-table=${name}`)]);
  await carrier.load(steps.post);
  await call.fillInside();
  await carrier.load(steps.dependentPre);
  if (late.length > 0) await carrier.copyRows(late.map((name) => `--table=${name}`));
  await carrier.load(steps.dependentPost);
}

/** The steps of a carry-over, each from the live database into the copy. */
class Carrier {
  readonly #runtime: Runtime;
  readonly #call: CarryOver;
  /** Where the definitions of everything outside are kept meanwhile. */
  readonly #path: string;
  readonly #signal: AbortSignal;

  constructor(runtime: Runtime, call: CarryOver, path: string, signal: AbortSignal) {
    this.#runtime = runtime;
    this.#call = call;
    this.#path = path;
    this.#signal = signal;
  }

  async dumpDefinitions(): Promise<TocEntry[]> {
    const { client, live, snapshot, inside } = this.#call;
    const path = this.#path;
    const sections = ["--section=pre-data", "--section=post-data"];
    const args = [
      "--format=custom",
      ...sections,
      `--file=${path}`,
      "--no-password",
      `--snapshot=${snapshot}`,
    ];
    await runForText(
      this.#runtime,
      {
        program: clientProgram(client, "pg_dump"),
        args: [...args, ...outsideArgs(inside)],
        env: toolEnvironment(this.#runtime, live.settings),
      },
      this.#signal,
    );
    return await listContents(this.#runtime, { client, path }, this.#signal);
  }

  async load(entries: readonly TocEntry[]): Promise<void> {
    const { client, copy } = this.#call;
    const request = { client, path: this.#path, entries, settings: copy };
    this.#tell(await loadEntries(this.#runtime, request, this.#signal));
  }

  /** @param which arguments of `pg_dump` that choose tables and sequences */
  async copyRows(which: readonly string[]): Promise<void> {
    const { client, live, copy, snapshot } = this.#call;
    const dumpArgs = ["--section=data", `--snapshot=${snapshot}`, ...which];
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

/** The quoted names of the tables and sequences among the entries: those that have contents to be copied. */
async function relationNames(live: Session, entries: readonly TocEntry[]): Promise<string[]> {
  const oids = entries.filter(({ type }) => type === "TABLE" || type === "SEQUENCE").map(({ oid }) => oid);
  const rows = await live.query<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name from pg_catalog.pg_class c
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = any ($1::oid[])`,
    [oids],
  );
  return rows.map((row) => quoteName(row.schema, row.name));
}

interface Arrangement {
  readonly schemas: readonly TocEntry[];
  readonly pre: readonly TocEntry[];
  readonly post: readonly TocEntry[];
  /** What needs the inside. */
  readonly dependentPre: readonly TocEntry[];
  readonly dependentPost: readonly TocEntry[];
}

// Four that name their object only by text, and event triggers, which would fire meanwhile: they come at the end.
const LAST = new Set(["ACL", "COMMENT", "SECURITY LABEL", "DEFAULT ACL", "EVENT TRIGGER"]);

/** @param dependents keys of `listDependents` */
function arrange(entries: readonly TocEntry[], dependents: ReadonlySet<string>): Arrangement {
  const dependent = withNeeding(
    entries,
    entries.filter(({ catalogOid, oid, type }) => LAST.has(type) || dependents.has(`${catalogOid} ${oid}`)),
  );
  const isSchema = ({ type }: TocEntry): boolean => type === "SCHEMA";
  const others = entries.filter((entry) => !isSchema(entry));
  const pick = (section: TocEntry["section"], late: boolean): TocEntry[] =>
    others.filter((entry) => entry.section === section && dependent.has(entry.id) === late);
  return {
    schemas: entries.filter(isSchema),
    pre: pick("pre-data", false),
    post: pick("post-data", false),
    dependentPre: pick("pre-data", true),
    dependentPost: pick("post-data", true),
  };
}

/**
 * The numbers of some entries and of all that need them. The catalogue knows what needs the inside; the archive knows of
 * entries that have no object of their own in the catalogue: attached partitions, refreshed views, owned sequences.
 */
function withNeeding(entries: readonly TocEntry[], first: readonly TocEntry[]): Set<number> {
  const needing = new Map<number, number[]>();
  for (const { id, needs } of entries) {
    for (const need of needs) needing.set(need, [...(needing.get(need) ?? []), id]);
  }
  const found = new Set<number>();
  const open = first.map(({ id }) => id);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (found.has(id)) continue;
    found.add(id);
    open.push(...(needing.get(id) ?? []));
  }
  return found;
}
