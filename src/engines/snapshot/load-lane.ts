import { AppError, inOperation } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, type Session } from "../../postgres/session.ts";
import type { LoadScript, ScriptEntry } from "./load-script.ts";
import { type PartPlace, type PartSource, textOf } from "./load-text.ts";
import { connectInThread } from "./load-thread.ts";

/** A connection that rows can be loaded through. */
export interface LaneConnection {
  /** Null where it is in a thread. */
  readonly session: Session | null;
  /** Runs statements, one after the other. */
  run(statements: readonly string[]): Promise<void>;
  /** Runs a `COPY … FROM STDIN` with the text of the parts that the source gives. */
  copyIn(sql: string, source: PartSource): Promise<void>;
}

/** The same with everything set that makes loading fast and right. */
export interface LoadLane extends LaneConnection {
  /** Restores one entry of the definitions. */
  restore(entry: ScriptEntry): Promise<void>;
}

export interface LaneSettings {
  readonly settings: ConnectionSettings;
  readonly script: LoadScript;
  readonly place: PartPlace;
  /** How many work at the same time. */
  readonly lanes: number;
  /** Whether all belongs to one transaction, and its commit has to wait for the disk. */
  readonly atomic: boolean;
}

// An index of up to some 250 MB is sorted without a temporary file; more brought nothing.
const SORT_BYTES = 256 * 1024 * 1024;
// Starting a thread takes about as long as loading this many bytes of rows.
const WORTH_A_THREAD = 8 * 1024 * 1024;

/** Makes an open session one that loads. */
export async function sessionLane(
  session: Session,
  call: LaneSettings,
  signal: AbortSignal,
): Promise<LoadLane> {
  const connection: LaneConnection = {
    session,
    run: async (statements) => {
      for (const statement of statements) await session.query(statement);
    },
    copyIn: (sql, source) => session.copyIn(sql, textOf(call.place, source, signal)),
  };
  return await prepare(connection, call, await sortBytesFor(session, call.lanes));
}

/**
 * Opens the lanes that work in parallel: in threads where the rows are worth it, else beside the first. Fewer than asked
 * for, with a warning, where the server has no more connections to give.
 * @param rowBytes of COPY text to load
 */
export async function openLanes(
  runtime: Runtime,
  call: LaneSettings & {
    readonly first: LoadLane & { readonly session: Session };
    readonly rowBytes: number;
  },
  owned: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<readonly LoadLane[]> {
  const { settings, place, first, lanes: wanted } = call;
  if (call.atomic) return [first];
  const inThreads = call.rowBytes >= WORTH_A_THREAD;
  const lanes: LoadLane[] = inThreads ? [] : [first];
  const sortBytes = await sortBytesFor(first.session, wanted);
  const open = async (): Promise<LoadLane> => {
    if (!inThreads)
      return await sessionLane(owned.use(await connect(runtime, settings, signal)), call, signal);
    const location = { storageLocation: place.storage.place, database: place.database };
    return await prepare(
      owned.use(await connectInThread(runtime, { settings, ...location }, signal)),
      call,
      sortBytes,
    );
  };
  const missing = Array.from({ length: wanted - lanes.length }, open);
  for (const opening of await Promise.allSettled(missing)) {
    if (opening.status === "fulfilled") lanes.push(opening.value);
    else if (!isRefused(opening.reason)) throw opening.reason;
  }
  if (lanes.length < wanted) {
    runtime.reporter.warn(`the server has no more connections: loading with ${Math.max(lanes.length, 1)}`);
  }
  return lanes.length === 0 ? [first] : lanes;
}

function isRefused(error: unknown): boolean {
  return error instanceof AppError && error.details["sqlState"] === TOO_MANY_CONNECTIONS;
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

async function prepare(
  connection: LaneConnection,
  { script, atomic }: LaneSettings,
  sortBytes: number,
): Promise<LoadLane> {
  await connection.run([
    ...script.preamble,
    `set maintenance_work_mem = '${Math.floor(sortBytes / 1024)}kB'`,
    // Several indexes are made at once: their helpers would only take the processors from each other.
    "set max_parallel_maintenance_workers = 0",
    // Nothing counts before a later commit elsewhere, which takes all before it along.
    ...(atomic ? [] : ["set synchronous_commit = off"]),
  ]);
  let inForce: readonly string[] = [];
  return {
    session: connection.session,
    run: (statements) => connection.run(statements),
    copyIn: (sql, source) => connection.copyIn(sql, source),
    restore: async ({ line, settings, statements }) => {
      const changed = settings.filter((setting) => !inForce.includes(setting));
      inForce = settings;
      try {
        await connection.run([...changed, ...statements]);
      } catch (error) {
        throw inOperation(`restore ${line.replace(/^\d+; \d+ \d+ /, "")}`, error);
      }
    },
  };
}
