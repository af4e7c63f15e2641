import { AppError, inOperation } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, isSqlState, type Session } from "../../postgres/session.ts";
import type { LoadScript, ScriptEntry } from "./load-script.ts";

/** A connection that loads, with everything set that makes loading fast and right. */
export interface LoadSession {
  readonly session: Session;
  /** Restores one entry of the definitions. */
  readonly restore: (entry: ScriptEntry) => Promise<void>;
}

// An index of up to some 250 MB is sorted without a temporary file; more brought nothing.
const SORT_BYTES = 256 * 1024 * 1024;

/**
 * Opens connections; fewer than asked for, with a warning, where the server has no more to give.
 * @param first an open session of the same database that is to be one of them
 */
export async function openLoadSessions(
  runtime: Runtime,
  call: {
    readonly settings: ConnectionSettings;
    readonly script: LoadScript;
    readonly lanes: number;
    readonly first: Session;
    /** Whether nothing counts before a later commit, so that these need not wait for the disk. */
    readonly lazy: boolean;
    readonly owned: AsyncDisposableStack;
  },
  signal: AbortSignal,
): Promise<LoadSession[]> {
  const { settings, script, lanes, first, lazy, owned } = call;
  const sessions = [first];
  while (sessions.length < lanes) {
    try {
      sessions.push(owned.use(await connect(runtime, settings, signal)));
    } catch (error) {
      if (!isSqlState(error, TOO_MANY_CONNECTIONS)) throw error;
      runtime.reporter.warn(`the server has no more connections: loading with ${sessions.length}`);
      break;
    }
  }
  const sortBytes = await sortBytesFor(first, sessions.length);
  const made: LoadSession[] = [];
  for (const session of sessions) {
    // That commit takes all before it along.
    if (lazy) await session.query("set synchronous_commit = off");
    made.push(await prepare(session, script, sortBytes));
  }
  return made;
}

const TOO_MANY_CONNECTIONS = "53300";

/** What each of so many connections may sort with, in bytes; never less than the server gives anybody. */
async function sortBytesFor(session: Session, lanes: number): Promise<number> {
  const [row] = await session.query<{ given: string; memory: string }>(
    `select pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) as given,
            pg_catalog.pg_size_bytes(pg_catalog.current_setting('effective_cache_size')) as memory`,
  );
  if (row === undefined) throw new AppError("unexpected", "read the server's memory settings: no row");
  // The only setting that says what the machine has. All connections together may take half of it.
  const share = Math.floor(Number(row.memory) / 2 / lanes);
  return Math.max(Number(row.given), Math.min(SORT_BYTES, share));
}

async function prepare(session: Session, script: LoadScript, sortBytes: number): Promise<LoadSession> {
  for (const statement of script.preamble) await session.query(statement);
  await session.query(`set maintenance_work_mem = '${Math.floor(sortBytes / 1024)}kB'`);
  // Several indexes are made at once: their helpers would only take the processors from each other.
  await session.query("set max_parallel_maintenance_workers = 0");
  const inForce = new Set<string>();
  return {
    session,
    restore: async ({ line, settings, statements }) => {
      try {
        if (settings.some((setting) => !inForce.has(setting))) {
          for (const setting of settings) await session.query(setting);
          inForce.clear();
          for (const setting of settings) inForce.add(setting);
        }
        for (const statement of statements) await session.query(statement);
      } catch (error) {
        throw inOperation(`restore ${line.replace(/^\d+; \d+ \d+ /, "")}`, error);
      }
    },
  };
}
