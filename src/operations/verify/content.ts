import { compareTables } from "../../engines/snapshot/compare-content.ts";
import {
  compareDefinitions,
  countDefinitions,
  type Definitions,
  readDefinitions,
} from "../../engines/snapshot/definitions.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { readSequences } from "../../postgres/catalog.ts";
import { majorOf, type PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, quoteName, type Session } from "../../postgres/session.ts";
import type { SnapshotContent, SnapshotIndex, SnapshotTable } from "../../repository/manifest.ts";
import type { PartListHeader } from "../../repository/part-list-lines.ts";
import type { ProofProblem } from "../../repository/proof-file.ts";
import { findWriter, readLiveDefinitions } from "../live-definitions.ts";
import type { Findings } from "./findings.ts";

export interface ContentRequest {
  readonly index: SnapshotIndex;
  readonly tables: readonly SnapshotTable[];
  readonly content: SnapshotContent;
  readonly headers: ReadonlyMap<string, PartListHeader>;
  /** The database that the snapshot was restored into. */
  readonly restored: ConnectionSettings;
  readonly threads: number;
  /** Makes another database of the snapshot's definitions alone, calls `use`, and drops it. */
  readonly withDefinitionsAlone: <T>(use: (settings: ConnectionSettings) => Promise<T>) => Promise<T>;
}

/** Compares a restored snapshot with its manifest: rows and digests of every table, sequences, definitions. */
export async function compareContent(
  runtime: Runtime,
  request: ContentRequest,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  await using session = await connect(runtime, request.restored, signal);
  const sameMajor = majorOf(session.serverVersion) === majorOf(request.index.server.versionNumber);
  await compareRows(runtime, session, { ...request, sameMajor }, findings, signal);
  await compareSequences(session, request, findings);
  const reason = sameMajor ? await whyNotDefinitions(session) : "the server has another major version";
  const client = await findWriter(runtime, request.index, signal);
  if (reason !== undefined || client === undefined) {
    findings.contentComplete = false;
    const missing = `they were written by ${request.index.client}, which is not installed here`;
    findings.notCompared.push({ what: "definitions", reason: reason ?? missing });
    return;
  }
  await compareAllDefinitions(runtime, session, { ...request, client }, findings, signal);
}

async function compareRows(
  runtime: Runtime,
  session: Session,
  { tables, headers, threads, sameMajor }: ContentRequest & { readonly sameMajor: boolean },
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const found = await compareTables(runtime, session, { tables, headers, threads }, signal);
  const { compared } = findings;
  compared.tables = found.tables;
  compared.rows = found.rows;
  compared.bytes = found.bytes;
  compared.digests = found.digests;
  for (const { table, reason, sameCount } of found.differences) {
    if (sameMajor || !sameCount) {
      findings.problems.push({ object: "rows", table, part: null, reason });
      continue;
    }
    compared.digests -= 1;
    const another = "another major version may write its values in another way";
    findings.notCompared.push({ what: `digest of ${table}`, reason: another });
  }
  findings.notCompared.push(...found.notCompared);
  if (found.digests < found.tables) findings.contentComplete = false;
}

async function compareSequences(
  session: Session,
  { index, content }: ContentRequest,
  findings: Findings,
): Promise<void> {
  const there = await readSequences(session, index.schemas);
  const byName = new Map(there.map((one) => [quoteName(one.schema, one.name), one]));
  for (const { schema, name, value, called } of content.sequences) {
    const found = byName.get(quoteName(schema, name));
    findings.compared.sequences += 1;
    if (found?.value === value && found.called === called) continue;
    const say = (at: string, used: boolean): string => `${at}${used ? "" : " (not used yet)"}`;
    const reason =
      found === undefined
        ? `sequence ${schema}.${name} is missing`
        : `sequence ${schema}.${name} is at ${say(found.value, found.called)} instead of ${say(value, called)}`;
    findings.problems.push({ object: "sequence", table: null, part: null, reason });
  }
}

/** Whoever is no superuser may have had to leave owners and comments out. */
async function whyNotDefinitions(session: Session): Promise<string | undefined> {
  const [row] = await session.query<{ superuser: boolean }>(
    "select rolsuper as superuser from pg_catalog.pg_roles where rolname = current_user",
  );
  if (row?.superuser === true) return undefined;
  return `${session.settings.user} is no superuser there, so that owners and comments may have been left out`;
}

const LOCK_TIMEOUT_MS = 30_000;

async function compareAllDefinitions(
  runtime: Runtime,
  session: Session,
  request: ContentRequest & { readonly client: PostgresClient },
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const { index, content, client } = request;
  const dump = async (from: Session): Promise<Definitions> => {
    await from.query("begin isolation level repeatable read read only");
    const [row] = await from.query<{ name: string }>("select pg_catalog.pg_export_snapshot() as name");
    const scope = {
      client,
      snapshot: row?.name ?? "",
      schemas: index.schemas,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
    };
    const definitions = await readLiveDefinitions(runtime, from, scope, signal);
    await from.query("commit");
    return definitions;
  };
  const archive = Buffer.from(content.schemaArchive, "base64");
  const wanted = await readDefinitions(runtime, client, archive, signal);
  const restored = await dump(session);
  findings.compared.definitions = countDefinitions(wanted);
  const problems = definitionProblems(wanted, restored);
  if (problems.length === 0) return;
  // PostgreSQL words some expressions anew when it reads its own wording (`IN` on a varchar, for one), and a child table
  // gets its columns in another order. So they are compared with what the definitions alone become, too.
  const remade = await request.withDefinitionsAlone(async (settings) => {
    await using alone = await connect(runtime, settings, signal);
    return await dump(alone);
  });
  const differing = new Set(definitionProblems(remade, restored).map(({ reason }) => reason));
  findings.problems.push(...problems.filter(({ reason }) => differing.has(reason)));
}

function definitionProblems(wanted: Definitions, restored: Definitions): ProofProblem[] {
  const { onlyFirst, onlySecond, changed } = compareDefinitions(wanted, restored);
  return [
    ...onlyFirst.map((name) => `${name} is missing`),
    ...changed.map((name) => `${name} is defined otherwise`),
    ...onlySecond.map((name) => `${name} is not in the backup`),
  ].map((reason) => ({ object: "definition", table: null, part: null, reason }));
}
