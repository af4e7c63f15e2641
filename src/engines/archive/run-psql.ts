import type { Readable } from "node:stream";
import { AppError, type ErrorCode, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { clientProgram, type PostgresClient } from "../../postgres/clients.ts";
import { type ConnectionSettings, toolEnvironment } from "../../postgres/connection.ts";
import { LABEL_PROVIDER_HINT, lacksLabelProvider } from "../../postgres/sql-state.ts";
import { explainLostServer } from "./lost-server.ts";
import { runBetween } from "./pipe.ts";

// psql's exit codes (its manual, "Exit Status"): the connection could not be made or was lost; a statement failed.
const CONNECTION_LOST = 2;
const SCRIPT_FAILED = 3;

/**
 * Runs SQL through `psql` and stops at the first error, which becomes ours: by its SQLSTATE `space_missing`,
 * `privilege_missing`, `database_unreachable` or `query_failed`, with the line of the text and the table where psql
 * says them. `login_refused` and `database_unreachable` when there is no connection.
 */
export async function runPsql(
  runtime: Runtime,
  { client, settings, sql }: { client: PostgresClient; settings: ConnectionSettings; sql: Readable },
  signal: AbortSignal,
): Promise<void> {
  const reader = new ErrorReader();
  const call = {
    program: clientProgram(client, "psql"),
    args: [
      "--no-psqlrc",
      "--quiet",
      "--no-password",
      "--set=ON_ERROR_STOP=1",
      // The only way to make psql print the SQLSTATE together with the message.
      "--set=VERBOSITY=verbose",
      "--file=-",
    ],
    env: toolEnvironment(runtime, settings),
    input: sql,
    onLine: (line: string): boolean => reader.read(line),
    // The results of setval() and the like.
    output: drain,
  };
  try {
    await runBetween(runtime, call, signal);
  } catch (error) {
    if (!isAppError(error, "tool_failed") || error.details["tool"] !== "psql") throw error;
    throw await explain(runtime, settings, { error, found: reader.found }, signal);
  }
}

/** What psql's exit code and its last SQLSTATE say together. */
async function explain(
  runtime: Runtime,
  settings: ConnectionSettings,
  { error, found }: { error: AppError; found: SqlError | undefined },
  signal: AbortSignal,
): Promise<AppError> {
  const { exitCode } = error.details;
  if (exitCode === SCRIPT_FAILED && found !== undefined) return sqlError(runtime, found, error);
  if (exitCode !== CONNECTION_LOST) return error;
  if (found !== undefined && codeOf(found.sqlState) === "database_unreachable")
    return sqlError(runtime, found, error);
  const explained = await explainLostServer(runtime, settings, error, signal);
  if (explained !== error) return explained;
  // The server answers again, so it was restarted, or the network failed for a moment.
  return new AppError("database_unreachable", `load the archive: the connection was lost: ${error.message}`, {
    cause: error,
    details: error.details,
    hint: "check the server's log, then restore again",
  });
}

async function drain(stream: Readable): Promise<void> {
  for await (const _ of stream) continue;
}

interface SqlError {
  readonly line: number;
  readonly sqlState: string;
  readonly message: string;
  /** `COPY orders, line 7`; what psql says after it may be a row's data. */
  place?: string;
  table?: string;
  /** The server's function that failed. */
  routine?: string;
}

// `psql:<stdin>:31: ERROR:  23505: duplicate key …`. The server words the severity in its own language.
const MAIN_LINE = /^psql:<stdin>:(\d+): \S+: {2}([0-9A-Z]{5}): (.*)$/;
const CONTEXT_LINE = /^CONTEXT: {2}(COPY .+?, line \d+)/;
const TABLE_LINE = /^TABLE NAME: {2}(.+)$/;
const LOCATION_LINE = /^LOCATION: {2}(\w+), /;

/** Picks the last error out of what psql prints. */
class ErrorReader {
  found: SqlError | undefined;
  /** The line before belonged to a notice or warning. */
  #inNotice = false;

  /** Always false: the lines stay available for the tool's own error text. */
  read(line: string): boolean {
    const [, number, sqlState, message] = MAIN_LINE.exec(line) ?? [];
    if (number !== undefined && sqlState !== undefined && message !== undefined) {
      // Classes 00, 01 and 02 are success, warning and no data.
      this.#inNotice = /^0[012]/.test(sqlState);
      if (!this.#inNotice) this.found = { line: Number(number), sqlState, message };
    } else if (this.found !== undefined && !this.#inNotice) {
      const place = CONTEXT_LINE.exec(line)?.[1];
      const table = TABLE_LINE.exec(line)?.[1];
      if (place !== undefined) this.found.place = place;
      const routine = LOCATION_LINE.exec(line)?.[1];
      if (table !== undefined) this.found.table = table;
      if (routine !== undefined) this.found.routine = routine;
    }
    return false;
  }
}

function sqlError(runtime: Runtime, found: SqlError, cause: AppError): AppError {
  const { line, sqlState, place, table, routine } = found;
  const message = runtime.secrets.redact(found.message);
  const where = place === undefined ? "" : ` (${runtime.secrets.redact(place)})`;
  const lacksLabels = lacksLabelProvider(sqlState, routine);
  return new AppError(
    lacksLabels ? "client_missing" : codeOf(sqlState),
    `load the archive: line ${line}: ${message}${where}`,
    {
      cause,
      hint: lacksLabels ? LABEL_PROVIDER_HINT : HINTS[sqlState],
      details: { sqlState, line, ...(table === undefined ? {} : { table }) },
    },
  );
}

function codeOf(sqlState: string): ErrorCode {
  if (sqlState === "53100") return "space_missing";
  if (sqlState === "42501") return "privilege_missing";
  if (sqlState === "55P03") return "lock_timeout";
  const lost = sqlState.startsWith("08") || ["57P01", "57P02", "57P03", "57P05"].includes(sqlState);
  return lost ? "database_unreachable" : "query_failed";
}

const HINTS: Readonly<Record<string, string>> = {
  "53100": "free some disk space on the server",
  "42501": "connect as a role that may create these objects, or as the owner",
  "42704": "what the dump refers to (often a role or an extension) must exist on this server first",
  "57P01": "the server was shut down: start it and restore again",
};
