import type { Readable } from "node:stream";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect } from "../../postgres/session.ts";
import { readDumpText, type StoredArchive } from "./dump-text.ts";
import type { DumpFacts } from "./inspect-dump.ts";
import { Omissions, readRoleLimits } from "./leave-out.ts";
import { LoadGuard } from "./load-guard.ts";
import { through } from "./pipe.ts";
import { progressTeller } from "./progress.ts";
import { runPsql } from "./run-psql.ts";
import { requireWhole } from "./whole-dump.ts";

export interface LoadTarget {
  readonly client: PostgresClient;
  /** The target database; `options` may carry server settings for the load. */
  readonly settings: ConnectionSettings;
  /** All or nothing, for a database that was there before. */
  readonly singleTransaction: boolean;
  /** For the progress only. */
  readonly totalBytes?: number | undefined;
  readonly totalTables?: number | undefined;
}

export type LoadRequest = LoadTarget & StoredArchive;

export interface LoadResult {
  readonly facts: DumpFacts;
  /** What the role may not do and was therefore not asked for, a line for each kind of thing. */
  readonly leftOut: readonly string[];
}

/**
 * Loads an archive into a database and stops at the first SQL error. What only the role's lack of membership forbids
 * (giving objects to other roles, commenting on extensions of others) is left out and told. After a failure the
 * database holds a part, unless it was a single transaction. Errors: those of `runPsql`, `readDumpText`, `requireWhole`
 * and `requireHarmless`.
 */
export async function loadArchive(
  runtime: Runtime,
  request: LoadRequest,
  signal: AbortSignal,
): Promise<LoadResult> {
  const read = (output: (text: Readable) => Promise<LoadResult>): Promise<LoadResult> =>
    readDumpText(runtime, request, { output }, signal);
  return await loadText(runtime, request, read, signal);
}

/** Loads text into a database through a guard; `read` provides the text, and fails when the text does. */
export async function loadText(
  runtime: Runtime,
  target: LoadTarget,
  read: (output: (text: Readable) => Promise<LoadResult>) => Promise<LoadResult>,
  signal: AbortSignal,
): Promise<LoadResult> {
  const { client, settings, singleTransaction, totalBytes, totalTables } = target;
  const omissions = await omissionsFor(runtime, settings, singleTransaction, signal);
  const tell = progressTeller(runtime, { phase: "restore", totalBytes, totalTables });
  const guard = new LoadGuard({
    omissions,
    singleTransaction,
    client,
    told: ({ bytes, tables, table }) => tell({ bytes, tables, table }),
  });
  const result = await read(async (text) => {
    await runPsql(runtime, { client, settings, sql: through(text, guard) }, signal);
    if (guard.facts === undefined)
      throw new AppError("unexpected", "load the archive: its text was not read to the end");
    return { facts: guard.facts, leftOut: omissions.list() };
  });
  // Not earlier: when the text ends too soon because its source failed, that is the error to tell.
  requireWhole(result.facts);
  return result;
}

async function omissionsFor(
  runtime: Runtime,
  settings: ConnectionSettings,
  singleTransaction: boolean,
  signal: AbortSignal,
): Promise<Omissions> {
  await using session = await connect(runtime, settings, signal);
  return new Omissions(await readRoleLimits(session), singleTransaction);
}
