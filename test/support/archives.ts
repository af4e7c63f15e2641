import { readdirSync, readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { type DumpRequest, type DumpResult, dumpArchive } from "../../src/engines/archive/dump.ts";
import type { Runtime } from "../../src/lib/runtime.ts";
import { findClients, type PostgresClient } from "../../src/postgres/clients.ts";
import type { ConnectionSettings } from "../../src/postgres/connection.ts";
import { connect } from "../../src/postgres/session.ts";
import { type FreshDatabase, freshDatabase } from "./postgres.ts";
import { noAbort, testRuntime } from "./runtime.ts";

/** Names that go wrong wherever a quote, a pattern or a line is taken lightly. The last two have 63 bytes. */
export const HARD_NAMES = [
  'we"ird',
  "na.me",
  "Upper lower",
  "a*b?c",
  "x|y+(z)[1]{2}^$\\d",
  "new\nline",
  "; Type: TABLE DATA; Schema: x; Owner: y",
  "naïve – 表 🐘",
  "é".repeat(31) + "x",
  `"${"q".repeat(62)}`,
] as const;

/** Schemas of hard names, each with a table of the same name that holds hard rows; and what else a dump may stumble over. */
export async function hardDatabase(): Promise<FreshDatabase> {
  const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
  const schemas = HARD_NAMES.map(
    (name) => `create schema ${quoted(name)};
      create table ${quoted(name)}.${quoted(name)} (id int primary key, ${quoted(name)} text, raw bytea);
      insert into ${quoted(name)}.${quoted(name)} values
        (1, E'a\\nb\\\\.\\tc\\r', '\\x005c2e0a'), (2, E'\\\\.', null), (3, null, ''), (4, '-- PostgreSQL database dump complete', null),
        (5, E'COPY x FROM stdin;\\n\\\\connect other', null), (6, '', 'x'), (7, repeat('long ', 20000), null);`,
  );
  return await freshDatabase({ sql: [...schemas, EVERYTHING_ELSE].join("\n") });
}

const EVERYTHING_ELSE = `
set check_function_bodies = off;
create schema plain;
create extension pg_trgm schema public;
create table plain.empty (a int);
create table plain.no_columns ();
insert into plain.no_columns default values;
insert into plain.no_columns default values;
create table plain.parted (day date, id bigint generated always as identity) partition by range (day);
create table plain.parted_1 partition of plain.parted for values from ('2024-01-01') to ('2024-07-01');
create table plain.parted_2 partition of plain.parted for values from ('2024-07-01') to ('2025-01-01');
insert into plain.parted (day) select date '2024-01-01' + n from generate_series(0, 365) n where n < 366;
create table plain.child (id int references "na.me"."na.me" (id), word text);
insert into plain.child select 1 + n % 7, md5(n::text) from generate_series(1, 5000) n;
create index on plain.child using gin (word public.gin_trgm_ops);
create materialized view plain.seen as select count(*) as n from plain.child;
create function plain.evil() returns text language plpgsql as $f$
--
-- Data for Name: evil; Type: TABLE DATA; Schema: public; Owner: postgres
--

COPY public.evil (a) FROM stdin;
\\.
\\connect other
$f$;
comment on table plain.child is E'\\n\\\\! touch /nowhere\\n--\\n-- PostgreSQL database dump complete\\n--\\n';
create function plain.atomic() returns int begin atomic select case when true then 1 end; end;
`;

export interface TableContent {
  readonly schema: string;
  readonly name: string;
  readonly rows: number;
  /** Of all rows, in an order of its own. */
  readonly digest: string;
}

/** What every table holds, so that two databases can be compared. */
export async function readTables(database: FreshDatabase): Promise<TableContent[]> {
  const tables = await database.query<{ schema: string; name: string; quoted: string }>(
    `select nspname as schema, relname as name, format('%I.%I', nspname, relname) as quoted
       from pg_class c join pg_namespace n on n.oid = relnamespace
      where relkind = 'r' and nspname !~ '^(pg_|information_schema)' order by 1, 2`,
  );
  const read = tables.map(async ({ schema, name, quoted }) => {
    const [row] = await database.query<{ rows: number; digest: string }>(
      `select count(*)::int as rows, md5(coalesce(string_agg(t::text, '|' order by t::text collate "C"), '')) as digest
         from ${quoted} t`,
    );
    return { schema, name, rows: row?.rows ?? -1, digest: row?.digest ?? "" };
  });
  return await Promise.all(read);
}

/** The newest client programs that are installed, as the shared cluster is of the newest version. */
export async function newestClient(): Promise<PostgresClient> {
  const client = (await findClients(testRuntime(), noAbort())).at(-1);
  if (client === undefined) throw new Error("no client programs are installed");
  return client;
}

export interface MadeArchive {
  readonly bytes: Buffer;
  readonly result: DumpResult;
}

/** Dumps a database into memory, in a snapshot of its own. */
export async function makeArchive(
  settings: ConnectionSettings,
  request: Partial<DumpRequest> & Pick<DumpRequest, "format" | "compression">,
  runtime: Runtime = testRuntime(),
  signal: AbortSignal = noAbort(),
): Promise<MadeArchive> {
  const chunks: Buffer[] = [];
  const result = await inSnapshot(runtime, settings, async (snapshot, pinned) =>
    dumpArchive(
      runtime,
      {
        client: await newestClient(),
        settings: pinned,
        applicationName: "handled",
        snapshot,
        encoding: undefined,
        schemas: null,
        extensions: [],
        lockTimeoutMs: 5000,
        staged: { write: async (chunk) => void chunks.push(Buffer.from(chunk)) },
        ...request,
      },
      signal,
    ),
  );
  return { bytes: Buffer.concat(chunks), result };
}

async function inSnapshot<T>(
  runtime: Runtime,
  settings: ConnectionSettings,
  work: (snapshot: string, pinned: ConnectionSettings) => Promise<T>,
): Promise<T> {
  await using session = await connect(runtime, settings, noAbort());
  await session.query("begin isolation level repeatable read read only");
  const [row] = await session.query<{ snapshot: string }>("select pg_export_snapshot() as snapshot");
  return await work(row?.snapshot ?? "", session.settings);
}

/** Opens bytes as a storage would: anew each time, in chunks. */
export function opens(bytes: Buffer, chunk = 64 * 1024): () => Promise<Readable> {
  const pieces = function* (): Generator<Buffer> {
    for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
  };
  return () => Promise.resolve(Readable.from(pieces(), { objectMode: false }));
}

/** The process id of our child with this name. Without a pause for anybody else: the child cannot go on meanwhile. */
export function childNamed(name: string): number {
  for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const [, command, parent] = /^\d+ \((.*)\) \S (\d+) /s.exec(statOf(pid)) ?? [];
    if (command === name && Number(parent) === process.pid) return Number(pid);
  }
  throw new Error(`no child named ${name}`);
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return ""; // ended meanwhile
  }
}
