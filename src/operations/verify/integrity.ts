import type { DumpFacts } from "../../engines/archive/inspect-dump.ts";
import { readBack } from "../../engines/archive/read-back.ts";
import { isLargeObjects } from "../../engines/snapshot/large-objects.ts";
import { checkStored } from "../../engines/snapshot/check-stored.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted, formatCount } from "../../lib/text.ts";
import { chooseClient, findClients, parseVersion, type PostgresClient } from "../../postgres/clients.ts";
import { quoteName } from "../../postgres/quoting.ts";
import { readContent, readTables } from "../../repository/backups.ts";
import type {
  ArchiveIndex,
  ArchiveTable,
  BackupIndex,
  SnapshotIndex,
  SnapshotTable,
  TableLine,
} from "../../repository/manifest.ts";
import type { PartListHeader } from "../../repository/part-list-lines.ts";
import type { ProofProblem } from "../../repository/proof-file.ts";
import { contentKey } from "../../repository/layout.ts";
import type { Repository } from "../../repository/repository.ts";
import { compareStored } from "../../repository/sealing/stored-object.ts";
import { damageOf, type Findings, isDamage } from "./findings.ts";

export interface StoredBackup<Index extends BackupIndex = BackupIndex> {
  readonly repository: Repository;
  readonly index: Index;
}

/**
 * Reads everything an archive consists of, and compares it with its manifest. Returns what its text says; undefined when
 * it cannot be read, or no key opens it, and it was compared as it lies there.
 */
export async function checkArchive(
  runtime: Runtime,
  { repository, index }: StoredBackup<ArchiveIndex>,
  findings: Findings,
  signal: AbortSignal,
): Promise<DumpFacts | undefined> {
  const { archive } = index;
  const tables = await attempt(findings, "tables", () => readTables(repository, index, signal), signal);
  await checkContent({ repository, index }, findings, signal);
  // The index, which was read to come here, and the three.
  setObjects(findings, 4, archive.size + index.tables.size + index.content.size);
  if (!findings.opened) {
    const wanted = { key: archive.key, what: `the archive ${archive.key}`, ref: archive };
    await attempt(
      findings,
      "archive",
      () => compareStored(repository.storage, wanted, LENIENT, signal),
      signal,
    );
    return undefined;
  }
  const client = await clientOf(runtime, index, signal);
  const facts = await attempt(
    findings,
    "archive",
    () =>
      readBack(
        runtime,
        {
          open: (openSignal) => repository.storage.open(archive.key, openSignal),
          format: archive.format,
          compression: archive.compression,
          client,
          expected: { size: archive.size, sha256: archive.sha256 },
        },
        signal,
      ),
    signal,
  );
  if (facts === undefined || tables === undefined) return facts;
  findings.problems.push(...differencesOf(facts, tables));
  setTotals(findings, tables);
  return facts;
}

/**
 * Reads everything a snapshot consists of, and compares it with its manifest. Returns the first line of each part list by
 * the list's name; undefined when the tables cannot be read.
 * @param threads that read parts; 0: only what names them, for a restore that follows reads them anyway
 */
export async function checkSnapshot(
  runtime: Runtime,
  { repository, index }: StoredBackup<SnapshotIndex>,
  threads: number,
  findings: Findings,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, PartListHeader> | undefined> {
  const { database } = index;
  const tables = await attempt(findings, "tables", () => readTables(repository, index, signal), signal);
  await checkContent({ repository, index }, findings, signal);
  const manifestBytes = index.tables.size + index.content.size;
  setObjects(findings, 3, manifestBytes);
  if (tables === undefined) return undefined;
  const stored = await checkStored(runtime, { repository, database, tables }, threads, signal);
  setObjects(findings, 3 + stored.objects, manifestBytes + stored.storedBytes);
  findings.problems.push(...totalsProblems(index, tables), ...stored.damage);
  if (findings.opened) setTotals(findings, tables);
  return stored.headers;
}

// To fewer keys than the repository names: it is right where it lies.
const LENIENT = { sealedToAll: false };

/** Where no key opens it, it is compared as it lies there. */
async function checkContent(
  { repository, index }: StoredBackup,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const { id, database, content: ref } = index;
  const wanted = { key: contentKey(database, id), what: `the content of ${id}`, ref };
  const check = async (): Promise<void> => {
    if (findings.opened) await readContent(repository, index, signal);
    else await compareStored(repository.storage, wanted, LENIENT, signal);
  };
  await attempt(findings, "content", check, signal);
}

/** The programs that can read what those that made the backup wrote. */
export async function clientOf(
  runtime: Runtime,
  index: BackupIndex,
  signal: AbortSignal,
  serverVersion = index.server.versionNumber,
): Promise<PostgresClient> {
  const clients = await findClients(runtime, signal);
  return chooseClient(clients, Math.max(serverVersion, parseVersion(index.client) ?? 0));
}

async function attempt<T>(
  findings: Findings,
  object: ProofProblem["object"],
  read: () => Promise<T>,
  signal: AbortSignal,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    signal.throwIfAborted();
    if (!isDamage(error)) throw error;
    findings.problems.push(damageOf(object, error));
    return undefined;
  }
}

function differencesOf(facts: DumpFacts, tables: readonly ArchiveTable[]): ProofProblem[] {
  const dumped = new Map(facts.tables.map((table) => [quoteName(table.schema, table.name), table.rows]));
  return tables.flatMap(({ schema, name, rows }): ProofProblem[] => {
    const found = dumped.get(quoteName(schema, name)) ?? null;
    if (found === rows) return [];
    const have = found === null ? "it has no rows" : `it has ${counted(found, "row")}`;
    const reason = `read the archive: ${have} of this table, the manifest says ${formatCount(rows ?? 0)}`;
    return [{ object: "archive", table: `${schema}.${name}`, part: null, reason }];
  });
}

function totalsProblems(index: SnapshotIndex, tables: readonly SnapshotTable[]): ProofProblem[] {
  const rows = sumRows(tables);
  if (rows === index.totals.rows) return [];
  const reason = `the tables have ${counted(rows, "row")} together, the index says ${formatCount(index.totals.rows)}`;
  return [{ object: "tables", table: null, part: null, reason }];
}

const sumRows = (tables: readonly TableLine[]): number =>
  tables.reduce((sum, table) => sum + (table.rows ?? 0), 0);

function setObjects({ compared }: Findings, objects: number, bytes: number): void {
  compared.objects = objects;
  compared.storedBytes = bytes;
}

/** What was compared with what is stored; a restore sets what was compared with what came of it. */
function setTotals({ compared }: Findings, tables: readonly TableLine[]): void {
  compared.tables = tables.filter((table) => table.rows !== null && !isLargeObjects(table)).length;
  compared.rows = sumRows(tables);
  compared.bytes = tables.reduce((sum, { bytes }) => sum + bytes, 0);
}
