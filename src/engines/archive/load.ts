import { PassThrough, type Readable, type Writable } from "node:stream";
import type { Runtime } from "../../lib/runtime.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect } from "../../postgres/session.ts";
import { readDumpText, type StoredArchive } from "./dump-text.ts";
import type { DumpFacts } from "./inspect-dump.ts";
import { Omissions, readRoleLimits } from "./leave-out.ts";
import { LoadGuard } from "./load-guard.ts";
import { progressTeller } from "./progress.ts";
import { runPsql } from "./run-psql.ts";
import { requireWhole } from "./whole-dump.ts";

export interface LoadTarget {
  readonly client: PostgresClient;
  /** The target database; `options` may carry server settings for the load. */
  readonly settings: ConnectionSettings;
  /** All or nothing, for a database that was there before. */
  readonly singleTransaction: boolean;
  /** Statements to run when the text has come to its end. */
  readonly afterwards?: readonly string[] | undefined;
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
  return await loadText(
    runtime,
    request,
    (output) => readDumpText(runtime, request, { output }, signal),
    signal,
  );
}

/**
 * Loads text into a database. `read` hands the text to the function it is given, and fails when whatever made the text
 * fails. In a single transaction the COMMIT goes to psql only after `read` succeeded and the dump's end marker was seen:
 * at the mere end of its input psql would commit half a dump.
 */
export async function loadText(
  runtime: Runtime,
  target: LoadTarget,
  read: (output: (text: Readable) => Promise<void>) => Promise<void>,
  signal: AbortSignal,
): Promise<LoadResult> {
  const { client, settings, singleTransaction, afterwards = [], totalBytes, totalTables } = target;
  const omissions = await omissionsFor(runtime, settings, singleTransaction, signal);
  const tell = progressTeller(runtime, { phase: "restore", totalBytes, totalTables });
  const guard = new LoadGuard(omissions, client);
  const sql = new PassThrough();
  const loaded = settled(runPsql(runtime, { client, settings, sql }, signal));
  try {
    // On the dump's first line, so that psql's line numbers stay those of the dump.
    if (singleTransaction) await write(sql, "BEGIN;");
    await read(async (text) => {
      // When psql fails while the text is slow to come, nobody would notice before its next chunk.
      void loaded.then(() => text.destroy());
      for await (const chunk of text as AsyncIterable<Buffer>) {
        for (const piece of guard.pass(chunk)) await write(sql, piece);
        tell(guard.progress);
      }
    });
    const { rest, facts } = guard.end();
    requireWhole(facts);
    await write(sql, rest);
    for (const statement of afterwards) await write(sql, `\n${statement}`);
    if (singleTransaction) await write(sql, "\nCOMMIT;\n");
    sql.end();
    const outcome = await loaded;
    if (outcome !== undefined) throw outcome.error;
    return { facts, leftOut: omissions.list() };
  } catch (error) {
    // Already closed: psql broke first, and that our text had nowhere to go was only the consequence.
    const psqlFirst = sql.destroyed;
    sql.destroy(error instanceof Error ? error : new Error(String(error)));
    const outcome = await loaded;
    signal.throwIfAborted();
    throw psqlFirst && outcome !== undefined ? outcome.error : error;
  }
}

/** The failure of work that goes on meanwhile; undefined once it succeeded. */
function settled(work: Promise<void>): Promise<{ readonly error: unknown } | undefined> {
  return work.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
}

/** Resolves when the stream can take more, and rejects once it is closed: nobody reads it then. */
function write(stream: Writable, piece: Buffer | string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = (): void => {
      stream.off("drain", onDrain);
      reject(Object.assign(new Error("the reader of a stream has gone"), { code: "EPIPE" }));
    };
    const onDrain = (): void => {
      stream.off("close", onClose);
      resolve();
    };
    if (stream.destroyed) onClose();
    else if (stream.write(piece)) resolve();
    // Not the callback of `write`: it never comes for the chunk that was under way when the stream was closed.
    else stream.once("drain", onDrain).once("close", onClose);
  });
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
