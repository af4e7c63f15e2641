import pg from "pg";
import { AppError, type ErrorCode, errorCode, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { type ConnectionSettings, type Host, describeHost } from "./connection.ts";

/** True when the error, or one it was caused by, is the server's with this SQLSTATE. */
export function isSqlState(error: unknown, state: string): boolean {
  return serverError(error)?.code === state;
}

/** The server's own error inside one of ours; undefined when the server said nothing. */
function serverError(error: unknown): pg.DatabaseError | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    if (current instanceof pg.DatabaseError) return current;
  }
  return undefined;
}

/** Why a connection could not be made, as `database_unreachable`, `login_refused` or `privilege_missing`. */
export function connectError(
  runtime: Runtime,
  settings: ConnectionSettings,
  host: Host,
  cause: unknown,
): AppError {
  if (cause instanceof AppError) return cause;
  const where = `connect to ${describeHost(host)}`;
  const server = serverError(cause);
  if (server !== undefined) {
    const { code, hint } = refusal(server.code ?? "", settings, host);
    return new AppError(code, `${where}: ${runtime.secrets.redact(server.message)}`, {
      hint,
      cause,
      details: { sqlState: server.code },
    });
  }
  const code = errorCode(cause) ?? "";
  const { reason, hint } = SOCKET_REASONS[code] ?? tlsReason(code, cause);
  return new AppError("database_unreachable", `${where}: ${runtime.secrets.redact(reason)}`, {
    hint,
    cause,
    details: code === "" ? {} : { errno: code },
  });
}

/** A failed statement as an error of ours. `lost` is what ended the connection, if it has ended. */
export function queryError(
  runtime: Runtime,
  operation: string,
  host: Host,
  cause: unknown,
  lost: unknown,
): AppError {
  const server = serverError(cause) ?? serverError(lost);
  const sqlState = server?.code ?? "";
  const connectionLost = lost !== undefined || isConnectionLoss(sqlState);
  if (server === undefined && !connectionLost) {
    return new AppError("unexpected", `${operation}: ${runtime.secrets.redact(messageOf(cause))}`, { cause });
  }
  const reason = runtime.secrets.redact(server?.message ?? socketReason(lost));
  if (connectionLost) {
    return new AppError(
      "database_unreachable",
      `${operation}: connection to ${describeHost(host)} lost: ${reason}`,
      {
        cause,
        hint: "check the server's log, then run the command again",
        details: sqlState === "" ? {} : { sqlState },
      },
    );
  }
  if (lacksLabelProvider(sqlState, server?.routine)) {
    return new AppError("client_missing", `${operation}: ${reason}`, {
      cause,
      hint: LABEL_PROVIDER_HINT,
      details: { sqlState },
    });
  }
  return new AppError(QUERY_CODES[sqlState] ?? "query_failed", `${operation}: ${reason}`, {
    cause,
    hint: server?.hint === undefined ? undefined : runtime.secrets.redact(server.hint),
    details: { sqlState },
  });
}

const QUERY_CODES: Readonly<Record<string, ErrorCode>> = {
  "42501": "privilege_missing",
  "53100": "space_missing",
  "55P03": "lock_timeout",
};

/**
 * Whether the server lacks the module that security labels belong to. To leave them out could open what they close.
 * @param routine the server's function that failed (seclabel.c): the SQLSTATE alone stands for any wrong value
 */
export function lacksLabelProvider(sqlState: string, routine: string | undefined): boolean {
  return sqlState === "22023" && routine === "ExecSecLabelStmt";
}

export const LABEL_PROVIDER_HINT =
  "security labels need the module that made them: load it on the server (`shared_preload_libraries`), or use one that has it";

function isConnectionLoss(sqlState: string): boolean {
  return sqlState.startsWith("08") || ["57P01", "57P02", "57P03", "57P05"].includes(sqlState);
}

function refusal(
  sqlState: string,
  settings: ConnectionSettings,
  host: Host,
): { code: ErrorCode; hint: string | undefined } {
  switch (sqlState) {
    case "28P01":
      return {
        code: "login_refused",
        hint: "check user and password; in a URL the characters `@ : / ? %` of a password are percent-encoded",
      };
    case "28000":
      return {
        code: "login_refused",
        hint: `check the user name, and that the server's pg_hba.conf lets it in from here (sslmode is ${settings.sslMode})`,
      };
    case "3D000":
      return { code: "login_refused", hint: "check the name of the database" };
    case "42501":
      return {
        code: "privilege_missing",
        hint: "the role needs the CONNECT privilege on the database: `GRANT CONNECT ON DATABASE … TO …`",
      };
    case "55000":
      return { code: "login_refused", hint: "the database lets nobody connect at the moment" };
    case "53300":
      return {
        code: "database_unreachable",
        hint: "too many connections: end some, or raise max_connections",
      };
    case "57P03":
      return {
        code: "database_unreachable",
        hint: "the server is starting or stopping: try again in a moment",
      };
    default:
      return {
        code: sqlState.startsWith("28") ? "login_refused" : "database_unreachable",
        hint: `check that a PostgreSQL server answers on ${describeHost(host)}`,
      };
  }
}

interface Reason {
  readonly reason: string;
  readonly hint?: string;
}

const SOCKET_REASONS: Readonly<Record<string, Reason>> = {
  ECONNREFUSED: {
    reason: "connection refused",
    hint: "check that the server runs and listens there, and the firewall",
  },
  ENOTFOUND: { reason: "unknown host name", hint: "check the spelling of the host name" },
  EAI_AGAIN: {
    reason: "the host name cannot be looked up",
    hint: "check the host name and this machine's name servers",
  },
  ETIMEDOUT: { reason: "no answer", hint: "check host, port and firewall" },
  EHOSTUNREACH: { reason: "no route to the host", hint: "check this machine's network" },
  ENETUNREACH: { reason: "no route to the network", hint: "check this machine's network" },
  ECONNRESET: {
    reason: "the server ended the connection",
    hint: "check that a PostgreSQL server answers there",
  },
  EPIPE: { reason: "the server ended the connection", hint: "check that a PostgreSQL server answers there" },
  ENOENT: { reason: "no Unix socket there", hint: "check that the server runs, or name a host" },
  EACCES: { reason: "no permission for the Unix socket", hint: "run as another user, or name a host" },
};

function socketReason(error: unknown): string {
  return SOCKET_REASONS[errorCode(error) ?? ""]?.reason ?? messageOf(error);
}

function tlsReason(code: string, cause: unknown): Reason {
  const reason = messageOf(cause) || code || "unknown reason";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return {
      reason: "the server's certificate is for another host name",
      hint: "connect by the name in the certificate",
    };
  }
  if (/CERT|SIGNATURE|ISSUER|CA_/.test(code)) {
    return {
      reason: `the server's certificate is not trusted (${code})`,
      hint: "name the authority's certificate with sslrootcert, or the system's with `sslrootcert=system`",
    };
  }
  return { reason, hint: "check that a PostgreSQL server answers there, and its TLS settings" };
}
