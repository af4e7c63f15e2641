import type { Asserted } from "../../config/assertions.ts";
import type { DumpFacts } from "../../engines/archive/inspect-dump.ts";
import { AppError, isAppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import type { BackupIndex } from "../../repository/manifest.ts";
import type { PartListHeader } from "../../repository/part-list-lines.ts";
import { includesLevel, type ProofLevel, type ProofProblem } from "../../repository/proof-file.ts";
import type { Repository } from "../../repository/repository.ts";
import type { RowComparison } from "../restore/compare-rows.ts";
import { fillDatabase, type FillTarget, loadDatabase } from "../restore/fill.ts";
import { type CheckedSource, checkSource } from "../restore/plan.ts";
import { type BackupSource, backupSource } from "../restore/source.ts";
import { checkAsserted } from "./asserted.ts";
import { type CheckServer, withCheckServer } from "./check-server.ts";
import { compareContent } from "./content.ts";
import { type Findings, isDamage } from "./findings.ts";
import { checkSnapshot, clientOf } from "./integrity.ts";

/** What reading the stored objects told that a restore and its comparison need. */
export interface Sound {
  /** Of an archive. */
  readonly facts: DumpFacts | undefined;
  /** The first lines of a snapshot's part lists. */
  readonly headers: ReadonlyMap<string, PartListHeader>;
}

export interface RestoreToProve {
  readonly repository: Repository;
  readonly index: BackupIndex;
  readonly sound: Sound;
  readonly level: ProofLevel;
  readonly asserted?: Asserted | undefined;
  readonly to: ConnectionSettings | null;
  readonly jobs: number;
}

/**
 * Restores a backup, compares what came of it where `content` is asked for, and throws it away. A restore that fails
 * because of the backup is a finding; anything else that fails is thrown.
 */
export async function proveRestore(
  runtime: Runtime,
  request: RestoreToProve,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  try {
    await restoreAndCompare(runtime, request, findings, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!isVerdict(error)) throw error;
    await explainFailure(runtime, request, error, findings, signal);
  }
}

async function restoreAndCompare(
  runtime: Runtime,
  { repository, index, sound, level, asserted, to, jobs }: RestoreToProve,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  const source = await backupSource(repository, index, signal);
  const { manifest } = source;
  if (manifest === null) throw new AppError("unexpected", "verify: a backup without a manifest");
  const checked = await checkedSource(runtime, source, index, sound, signal);
  const { content } = manifest;
  const { roles } = checked.facts;
  const target = async (server: CheckServer, settings: ConnectionSettings): Promise<FillTarget> => {
    const client = await clientOf(runtime, index, signal, server.admin.serverVersion);
    return { client, settings, singleTransaction: false, lanes: jobs, statistics: false };
  };
  const compare = async (server: CheckServer): Promise<void> => {
    const started = runtime.clock.monotonic();
    await using restored = await server.createDatabase();
    const into = await target(server, restored.settings);
    const { source } = checked;
    // All rows are about to be compared, not only how many there are.
    const more =
      includesLevel(level, "content") && source.kind === "snapshot" ? { ...checked, source } : undefined;
    if (more === undefined) addRows(findings, await fillDatabase(runtime, checked, into, signal));
    else await loadDatabase(runtime, more, into, signal);
    findings.durations.restoreMs = Math.round(runtime.clock.monotonic() - started);
    // The rows of an archive were counted by the restore, and its manifest has nothing more to compare.
    if (more !== undefined) await compareAll(server, more, restored.settings);
    // Last, for the application may change rows.
    if (level === "assertions" && asserted !== undefined)
      await checkAsserted(runtime, restored.settings, asserted, findings, signal);
  };
  const compareAll = async (
    server: CheckServer,
    more: CheckedSnapshot,
    restored: ConnectionSettings,
  ): Promise<void> => {
    const started = runtime.clock.monotonic();
    const request = {
      ...more.source.manifest,
      headers: sound.headers,
      restored,
      threads: jobs,
      withDefinitionsAlone: async <T>(use: (settings: ConnectionSettings) => Promise<T>): Promise<T> => {
        await using alone = await server.createDatabase();
        await loadDatabase(runtime, definitionsOf(more), await target(server, alone.settings), signal);
        return await use(alone.settings);
      },
    };
    await compareContent(runtime, request, findings, signal);
    findings.durations.compareMs = Math.round(runtime.clock.monotonic() - started);
  };
  await withCheckServer(runtime, { index, content, roles, to }, findings, compare, signal);
}

const WHOLE = { schemas: [], tables: [] };

async function checkedSource(
  runtime: Runtime,
  source: BackupSource,
  index: BackupIndex,
  { facts }: Sound,
  signal: AbortSignal,
): Promise<CheckedSource> {
  // An archive was read whole a moment ago.
  if (facts !== undefined && source.manifest !== null) {
    return { source, facts, expected: source.manifest.tables };
  }
  return await checkSource(runtime, source, WHOLE, await clientOf(runtime, index, signal), signal);
}

type CheckedSnapshot = Parameters<typeof loadDatabase>[1];

/** The same snapshot as if it had no rows. */
function definitionsOf(checked: CheckedSnapshot): CheckedSnapshot {
  const { source } = checked;
  const content = { ...source.manifest.content, sequences: [] };
  const manifest = { ...source.manifest, tables: [], content };
  return { ...checked, source: { ...source, manifest }, expected: [] };
}

function addRows({ compared }: Findings, { tables, rows }: RowComparison): void {
  compared.tables = tables;
  compared.rows = rows;
}

// Classes of SQLSTATE that tell of the server and not of what it was given: resources, an operator's interference, the
// system (PostgreSQL manual, "PostgreSQL Error Codes").
const SERVER_TROUBLE = /^(53|57|58|08|XX)/;

/** Whether a failed restore says something about the backup. */
function isVerdict(error: unknown): boolean {
  if (isAppError(error, "query_failed")) return !SERVER_TROUBLE.test(String(error.details["sqlState"]));
  return isDamage(error) || isAppError(error, "rows_differ");
}

async function explainFailure(
  runtime: Runtime,
  { repository, index, jobs }: RestoreToProve,
  error: unknown,
  findings: Findings,
  signal: AbortSignal,
): Promise<void> {
  if (isAppError(error, "rows_differ")) {
    const problems = error.details["problems"] as readonly string[];
    findings.problems.push(...problems.map((reason) => ({ ...ANYWHERE, object: "rows" as const, reason })));
    return;
  }
  // The restore stops at the first damaged part: now all of them are looked for.
  if (isDamage(error) && index.kind === "snapshot") {
    await checkSnapshot(runtime, { repository, index }, jobs, findings, signal);
    if (findings.problems.length > 0) return;
  }
  findings.problems.push({ ...ANYWHERE, object: "restore", reason: messageOf(error) });
}

const ANYWHERE: Pick<ProofProblem, "table" | "part"> = { table: null, part: null };
