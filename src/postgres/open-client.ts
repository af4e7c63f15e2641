import type { Socket } from "node:net";
import pg from "pg";
import { AppError, errorCode } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { type ConnectionSettings, type Host, describeHost } from "./connection.ts";
import { ReadSocket } from "./read-socket.ts";
import { connectError, isSqlState } from "./sql-state.ts";
import { type TlsChoice, tlsChoices } from "./tls.ts";

// A firewall forgets idle connections, and a control session may stay idle while hours of data flow elsewhere.
const KEEP_ALIVE_MS = 60_000;

/** A logged-in client with the socket it runs on; whoever has it must end it. */
export interface OpenClient {
  readonly client: pg.Client;
  readonly socket: Socket;
  /** What broke the connection, once it is broken. */
  readonly lost: () => unknown;
}

/**
 * Logs in on one host, with and without TLS as `sslmode` says. Fails with `database_unreachable`, `login_refused`,
 * `privilege_missing`, `usage`, or the signal's reason.
 */
export async function openClient(
  runtime: Runtime,
  settings: ConnectionSettings,
  host: Host,
  signal: AbortSignal,
): Promise<OpenClient> {
  const [first = false, second] = await tlsChoices(settings, host);
  const attempt = await tryClient(settings, host, first, signal);
  if (!("error" in attempt)) return attempt;
  if (second !== undefined && attempt.mayDiffer) {
    const other = await tryClient(settings, host, second, signal);
    if (!("error" in other)) return other;
    // That the server has no TLS is no news when the clear way was tried too.
    if (!attempt.tlsMissing && !other.tlsMissing)
      throw both(runtime, settings, host, attempt.error, other.error);
    throw connectError(runtime, settings, host, other.tlsMissing ? attempt.error : other.error);
  }
  throw connectError(runtime, settings, host, attempt.error);
}

interface Failure {
  readonly error: unknown;
  /** Trying with TLS instead of without, or the reverse, may have another result. */
  readonly mayDiffer: boolean;
  readonly tlsMissing: boolean;
}

async function tryClient(
  settings: ConnectionSettings,
  host: Host,
  tls: TlsChoice,
  signal: AbortSignal,
): Promise<OpenClient | Failure> {
  signal.throwIfAborted();
  const socket = new ReadSocket();
  // The server answers a wish for TLS with one byte: S or N. The driver tells them apart in words only.
  let tlsAnswer: string | undefined;
  if (tls !== false)
    socket.once("data", (bytes: Buffer) => (tlsAnswer = bytes.subarray(0, 1).toString("latin1")));
  const client = new pg.Client({
    host: host.host,
    port: host.port,
    user: settings.user,
    database: settings.database,
    // A function, because the driver would take an empty value from the process's own environment.
    password: () => knownPassword(host),
    ssl: tls,
    // Otherwise the driver would read these from the process's own environment.
    sslnegotiation: "postgres",
    application_name: "handled",
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    stream: () => socket,
    ...(settings.options === undefined ? {} : { options: settings.options }),
  });
  let lost: unknown;
  // Without a listener a connection that breaks while idle would end the whole process.
  client.on("error", (error) => (lost ??= error));
  client.on("end", () => (lost ??= new Error("the server ended the connection")));

  const onAbort = (): void => void socket.destroy(signal.reason as Error);
  signal.addEventListener("abort", onAbort, { once: true });
  const timer = startTimer(settings, host, socket);
  try {
    await client.connect();
    return { client, socket, lost: () => lost };
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    // Broken handshakes and untrusted certificates have a code; what the driver refuses in a login has none.
    const tlsBroken = tlsAnswer === "N" || (tlsAnswer === "S" && isSystemError(error));
    return {
      error: tlsAnswer === "N" ? withoutTls(settings, host, error) : error,
      mayDiffer: tlsBroken || isSqlState(error, "28000"),
      tlsMissing: tlsAnswer === "N",
    };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

function isSystemError(error: unknown): boolean {
  return (
    !(error instanceof pg.DatabaseError) && !(error instanceof AppError) && errorCode(error) !== undefined
  );
}

/** Neither way worked, each for a reason of its own. */
function both(
  runtime: Runtime,
  settings: ConnectionSettings,
  host: Host,
  first: unknown,
  second: unknown,
): AppError {
  const one = connectError(runtime, settings, host, first);
  const other = connectError(runtime, settings, host, second);
  if (one.message === other.message) return other;
  return new AppError(other.code, `${one.message}; then: ${other.message}`, {
    hint: one.hint,
    cause: second,
    details: other.details,
  });
}

function knownPassword(host: Host): string {
  if (host.password !== undefined) return host.password;
  throw new AppError(
    "login_refused",
    `connect to ${describeHost(host)}: the server asks for a password, none is known`,
    {
      hint: "put it in ~/.pgpass (chmod 600), in PGPASSWORD, or percent-encoded in the URL",
    },
  );
}

function startTimer(settings: ConnectionSettings, host: Host, socket: Socket): NodeJS.Timeout | undefined {
  if (settings.connectTimeout === 0) return undefined;
  const timeout = new AppError(
    "database_unreachable",
    `connect to ${describeHost(host)}: no answer within ${settings.connectTimeout} s`,
    { hint: "check host, port and firewall; `connect_timeout` sets the limit" },
  );
  return setTimeout(() => socket.destroy(timeout), settings.connectTimeout * 1000);
}

function withoutTls(settings: ConnectionSettings, host: Host, cause: unknown): AppError {
  return new AppError("database_unreachable", `connect to ${describeHost(host)}: the server has no TLS`, {
    cause,
    hint: `sslmode is ${settings.sslMode}: use \`sslmode=prefer\` if the network is trusted, or switch TLS on`,
  });
}
