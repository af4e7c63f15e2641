import { pipeline } from "node:stream/promises";
import type pg from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { sendCancel } from "./cancel-request.ts";
import { type ConnectionSettings, type Host, describeHost, pinnedTo } from "./connection.ts";
import { CopyOut } from "./copy-out.ts";
import { type OpenClient, openClient } from "./open-client.ts";
import { queryError } from "./sql-state.ts";

export { isSqlState } from "./sql-state.ts";
export { quoteIdentifier, quoteLiteral, quoteName } from "./quoting.ts";

// A server that hangs must not keep us from ending; it notices the closed socket by itself.
const END_TIMEOUT_MS = 2000;

/**
 * Reads what a session must know, and frees it from what databases and roles are set to for the sake of applications:
 * limits would end a long backup, and a `search_path` may put anybody's `count()` before the server's. What the
 * connection string itself asks for stays. Nothing is set behind a pooler, where other clients would inherit it.
 */
const START_SQL = `
  select pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as version,
         pg_catalog.pg_backend_pid() as pid, pg_catalog.pg_is_in_recovery() as recovery,
         pg_catalog.current_setting('transaction_read_only') operator(pg_catalog.=) 'on' as "readOnly",
         (select pg_catalog.count(pg_catalog.set_config(s.name, w.value, false))
            from pg_catalog.pg_settings s
            join (values ('search_path', ''), ('statement_timeout', '0'), ('transaction_timeout', '0'),
                         ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'),
                         -- The driver reads dates in this form only.
                         ('DateStyle', 'ISO'),
                         -- Queries on the catalogues look costly to the planner, and compiling them takes longer than they do.
                         ('jit', 'off')) as w(name, value)
              on s.name operator(pg_catalog.=) w.name
           where s.source operator(pg_catalog.<>) 'client' and pg_catalog.pg_backend_pid() operator(pg_catalog.=) $1::pg_catalog.int4)`;

interface ServerState {
  readonly version: number;
  readonly pid: number;
  readonly recovery: boolean;
  readonly readOnly: boolean;
}

/** What a statement gave. */
export interface ResultTable {
  /** Names, and the types' object ids. */
  readonly columns: readonly { readonly name: string; readonly type: number }[];
  readonly rows: readonly (readonly unknown[])[];
}

/** One connection to one server. Statements run one after the other, in the order of the calls. */
export class Session implements AsyncDisposable {
  /** Pinned to the host that answered, so that tools reach the very same server. */
  readonly settings: ConnectionSettings;
  /** Process id of the server's side, as the server itself says. */
  readonly backendPid: number;
  /** `server_version_num`, such as 150018. */
  readonly serverVersion: number;
  readonly #runtime: Runtime;
  readonly #host: Host;
  readonly #open: OpenClient;
  readonly #signal: AbortSignal;
  readonly #onAbort: () => void;
  #last: Promise<unknown> = Promise.resolve();
  #cancelling: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    runtime: Runtime,
    settings: ConnectionSettings,
    host: Host,
    open: OpenClient,
    state: ServerState,
    signal: AbortSignal,
  ) {
    this.settings = pinnedTo(settings, host);
    this.backendPid = state.pid;
    this.serverVersion = state.version;
    this.#runtime = runtime;
    this.#host = host;
    this.#open = open;
    this.#signal = signal;
    this.#onAbort = () => {
      // Closing the socket alone would leave a long statement running on the server.
      this.#cancelling = sendCancel(host, open.client);
      open.socket.destroy();
    };
    signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /**
   * Runs one statement and returns its rows; `bigint` and `numeric` come as strings. Fails with the code its SQLSTATE
   * stands for (`privilege_missing`, `lock_timeout`, `space_missing`, `database_unreachable`, else `query_failed`
   * with `details.sqlState`), or with the signal's reason when aborted.
   */
  async query<Row extends object>(sql: string, params: readonly unknown[] = []): Promise<Row[]> {
    const run = this.#last.then(() => this.#run<Row>(sql, params));
    // The caller gets the failure; the next statement only waits for this one's end.
    this.#last = run.catch(() => undefined);
    return await run;
  }

  /** Runs one statement and returns its columns and rows as they came, also where columns share a name. Fails like `query`. */
  async table(sql: string): Promise<ResultTable> {
    const run = this.#last.then(() =>
      this.#observed(sql, async () => {
        const query: pg.QueryArrayConfig & { queryMode: "extended" } = {
          text: sql,
          rowMode: "array",
          queryMode: "extended",
        };
        const { fields, rows } = await this.#open.client.query<unknown[]>(query);
        return { columns: fields.map(({ name, dataTypeID }) => ({ name, type: dataTypeID })), rows };
      }),
    );
    this.#last = run.catch(() => undefined);
    return await run;
  }

  /**
   * Runs a `COPY … TO STDOUT` and gives its text to `take`, chunk by chunk, waiting where it returns a promise; then the chunk's memory is used again. Fails
   * like `query`, or with what `take` threw; then the session is of no more use.
   */
  async copyOut(sql: string, take: (chunk: Buffer) => void | Promise<void>): Promise<void> {
    const run = this.#last.then(() =>
      this.#observed(sql, async () => {
        await this.#open.client.query(new CopyOut(sql, take)).done;
      }),
    );
    this.#last = run.catch(() => undefined);
    await run;
  }

  /** Runs a `COPY … FROM STDIN` with the text that `source` gives. When `source` fails, nothing of it is kept. */
  async copyIn(sql: string, source: AsyncIterable<Uint8Array>): Promise<void> {
    const run = this.#last.then(() =>
      this.#observed(sql, () => pipeline(source, this.#open.client.query(copyFrom(sql)))),
    );
    this.#last = run.catch(() => undefined);
    await run;
  }

  /** False behind a pooler, which hands statements to changing servers and makes snapshots and locks unreliable. */
  async isDirect(): Promise<boolean> {
    const [row] = await this.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    return row !== undefined && row.pid === announcedPid(this.#open.client);
  }

  /** Asks the server to stop the running statement, if any: that then fails with `query_failed` (SQLSTATE 57014). */
  async cancel(): Promise<void> {
    await sendCancel(this.#host, this.#open.client);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
    await endClient(this.#open);
    await this.#cancelling;
  }

  async #run<Row extends object>(sql: string, params: readonly unknown[]): Promise<Row[]> {
    return await this.#observed(sql, () => runStatement<Row>(this.#open.client, sql, params));
  }

  async #observed<T>(sql: string, work: () => Promise<T>): Promise<T> {
    this.#signal.throwIfAborted();
    const operation = describeStatement(sql);
    if (this.#closed) throw new AppError("unexpected", `${operation}: the session is closed`);
    this.#runtime.observer("before", operation);
    try {
      const result = await work();
      this.#runtime.observer("after", operation);
      return result;
    } catch (cause) {
      this.#signal.throwIfAborted();
      if (cause instanceof AppError) throw cause;
      throw queryError(this.#runtime, operation, this.#host, cause, this.#open.lost());
    }
  }
}

/**
 * Connects to the first host that answers and plays the role asked for by `targetSessionAttrs`. Aborting the signal
 * ends the connection, also later. Fails with `database_unreachable`, `login_refused`, `privilege_missing`, `usage`.
 */
export async function connect(
  runtime: Runtime,
  settings: ConnectionSettings,
  signal: AbortSignal,
): Promise<Session> {
  runtime.observer("before", "sql connect");
  const failures: AppError[] = [];
  // `prefer-standby` is a first round for standbys and a second for anybody.
  const rounds: ConnectionSettings["targetSessionAttrs"][] =
    settings.targetSessionAttrs === "prefer-standby" ? ["standby", "any"] : [settings.targetSessionAttrs];
  for (const wanted of rounds) {
    for (const host of settings.hosts) {
      try {
        const session = await connectHost(runtime, settings, host, wanted, signal);
        runtime.observer("after", "sql connect");
        return session;
      } catch (error) {
        // Like libpq: a server that refuses the login speaks for all of them.
        if (!isAppError(error, "database_unreachable")) throw error;
        failures.push(error);
      }
    }
  }
  throw combine(failures.slice(-settings.hosts.length));
}

async function connectHost(
  runtime: Runtime,
  settings: ConnectionSettings,
  host: Host,
  wanted: ConnectionSettings["targetSessionAttrs"],
  signal: AbortSignal,
): Promise<Session> {
  const open = await openClient(runtime, settings, host, signal);
  try {
    const state = await readState(runtime, host, open, signal);
    const reason = unsuitable(wanted, state);
    if (reason !== undefined) {
      throw new AppError("database_unreachable", `connect to ${describeHost(host)}: the server ${reason}`, {
        hint: `target_session_attrs is ${settings.targetSessionAttrs}: name the host of such a server too`,
      });
    }
    return new Session(runtime, settings, host, open, state, signal);
  } catch (error) {
    await endClient(open);
    throw error;
  }
}

async function readState(
  runtime: Runtime,
  host: Host,
  open: OpenClient,
  signal: AbortSignal,
): Promise<ServerState> {
  const onAbort = (): void => void open.socket.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const [state] = await runStatement<ServerState>(open.client, START_SQL, [announcedPid(open.client) ?? 0]);
    signal.throwIfAborted();
    if (state === undefined) throw new AppError("unexpected", "read the server's state: no row");
    return state;
  } catch (cause) {
    signal.throwIfAborted();
    throw queryError(runtime, "read the server's state", host, cause, open.lost());
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Why a server does not have the role asked for; undefined when it has. */
function unsuitable(
  wanted: ConnectionSettings["targetSessionAttrs"],
  state: ServerState,
): string | undefined {
  switch (wanted) {
    case "any":
    case "prefer-standby":
      return undefined;
    case "primary":
      return state.recovery ? "is a standby" : undefined;
    case "standby":
      return state.recovery ? undefined : "is no standby";
    case "read-write":
      return state.recovery || state.readOnly ? "is read-only" : undefined;
    case "read-only":
      return state.recovery || state.readOnly ? undefined : "is writable";
  }
}

/** The extended protocol: the server then refuses a second statement smuggled into the text. */
async function runStatement<Row extends object>(
  client: pg.Client,
  text: string,
  params: readonly unknown[],
): Promise<Row[]> {
  const query: pg.QueryConfig & { queryMode: "extended" } = {
    text,
    values: [...params],
    queryMode: "extended",
  };
  const { rows } = await client.query<Row>(query);
  return rows;
}

function combine(failures: readonly AppError[]): AppError {
  const [first, ...others] = failures;
  if (first === undefined) return new AppError("unexpected", "connect: no host is given");
  if (others.length === 0) return first;
  return new AppError("database_unreachable", failures.map((failure) => failure.message).join("; "), {
    hint: first.hint,
    cause: first,
  });
}

/** `sql ` and the leading key words, for observers and messages: never a name or a value of the user's. */
function describeStatement(sql: string): string {
  const words =
    /^\s*([A-Z]+(?:\s+[A-Z]+){0,2})\b/.exec(sql)?.[1] ?? /^\s*([a-z]+)/i.exec(sql)?.[1] ?? "statement";
  return `sql ${words.replaceAll(/\s+/g, " ").toUpperCase()}`;
}

function announcedPid(client: pg.Client): number | undefined {
  const { processID } = client as pg.Client & { processID?: number | null };
  return processID ?? undefined;
}

async function endClient(open: OpenClient): Promise<void> {
  if (open.socket.destroyed) return;
  const timer = setTimeout(() => open.socket.destroy(), END_TIMEOUT_MS);
  try {
    await open.client.end();
  } finally {
    clearTimeout(timer);
    open.socket.destroy();
  }
}
