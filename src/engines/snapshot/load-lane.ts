import { AppError, inOperation } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, type Session } from "../../postgres/session.ts";
import type { LoadScript, ScriptEntry } from "./load-script.ts";
import { type PartPlace, type PartSource, textOf } from "./load-text.ts";
import type { LoadThreads } from "./load-thread.ts";

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
  /**
   * Restores one entry of the definitions.
   * @param helpers how many processes of the server may help with it
   */
  restore(entry: ScriptEntry, helpers?: number): Promise<void>;
}

export interface LaneSettings {
  readonly settings: ConnectionSettings;
  readonly script: LoadScript;
  /** Of `fastSettings`. */
  readonly fast: readonly string[];
  readonly place: PartPlace;
  /** How many work at the same time. */
  readonly lanes: number;
  /** Whether all belongs to one transaction, and its commit has to wait for the disk. */
  readonly atomic: boolean;
}

// An index of up to some 250 MB is sorted without a temporary file; more brought nothing.
const SORT_BYTES = 256 * 1024 * 1024;
// Starting the first thread takes about as long as loading this many bytes of rows.
export const WORTH_A_THREAD = 8 * 1024 * 1024;

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
  return await prepare(connection, call);
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
    readonly threads: LoadThreads;
  },
  owned: AsyncDisposableStack,
  signal: AbortSignal,
): Promise<readonly LoadLane[]> {
  const { settings, place, first, threads, lanes: wanted } = call;
  if (call.atomic) return [first];
  const inThreads = call.rowBytes >= WORTH_A_THREAD;
  const lanes: LoadLane[] = inThreads ? [] : [first];
  const open = async (): Promise<LoadLane> => {
    if (!inThreads)
      return await sessionLane(owned.use(await connect(runtime, settings, signal)), call, signal);
    const location = { storageLocation: place.storage.location, database: place.database };
    const { others } = place.storage;
    return await prepare(await threads.connect({ settings, ...location }, others?.fellBack), call);
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

/**
 * Statements that make each of so many connections fast, read from one that has not run them yet.
 *
 * Sorting: never with less than the server gives anybody. Long values: compressed with lz4 where the server can and nobody has
 * set anything else for it or for the column; pglz, which is what a server does when nobody says, takes half of the time that
 * loading `jsonb` takes.
 */
export async function fastSettings(session: Session, lanes: number): Promise<readonly string[]> {
  const [row] = await session.query<{ given: string; memory: string; lz4: boolean }>(
    `select pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem')) as given,
            pg_catalog.pg_size_bytes(pg_catalog.current_setting('effective_cache_size')) as memory,
            exists (select from pg_catalog.pg_settings
                     where name = 'default_toast_compression' and source = 'default' and 'lz4' = any (enumvals)) as lz4`,
  );
  if (row === undefined) throw new AppError("unexpected", "read the server's settings: no row");
  // The only setting that says what the machine has. All connections together may take half of it.
  const share = Math.floor(Number(row.memory) / 2 / lanes);
  const sortBytes = Math.max(Number(row.given), Math.min(SORT_BYTES, share));
  return [
    `set maintenance_work_mem = '${Math.floor(sortBytes / 1024)}kB'`,
    ...(row.lz4 ? ["set default_toast_compression = 'lz4'"] : []),
  ];
}

async function prepare(
  connection: LaneConnection,
  { script, fast, atomic }: LaneSettings,
): Promise<LoadLane> {
  await connection.run([
    ...script.preamble,
    ...fast,
    // Nothing counts before a later commit elsewhere, which takes all before it along.
    ...(atomic ? [] : ["set synchronous_commit = off"]),
  ]);
  let inForce: readonly string[] = [];
  return {
    session: connection.session,
    run: (statements) => connection.run(statements),
    copyIn: (sql, source) => connection.copyIn(sql, source),
    restore: async ({ line, settings: own, statements }, helpers = 0) => {
      // Several indexes are made at once: helpers of each would only take the processors from the others.
      const settings = [...own, `set max_parallel_maintenance_workers = ${helpers}`];
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
