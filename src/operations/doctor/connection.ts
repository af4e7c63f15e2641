import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { AppError, errorCode } from "../../errors.ts";
import { runForText } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { chooseClient, majorOf, type PostgresClient } from "../../postgres/clients.ts";
import { describeConnection } from "../../postgres/connection.ts";
import type { Session } from "../../postgres/session.ts";
import { checkClock } from "./clock.ts";
import { type Check, ok, type Outcome, warning } from "./finding.ts";

// Before 16 pg_dump knows only gzip in its custom format.
const ZSTD_SINCE = 16;

/** How one backup of a database is written. */
export interface PlannedBackup {
  /** The entry's name in the strategy; null for one by hand. */
  readonly name: string | null;
  /** Of an archive; undefined means `plain`, and `gzip`. */
  readonly format?: "plain" | "custom" | undefined;
  readonly compression?: "gzip" | "zstd" | undefined;
}

/** What a connected server, and the programs that will talk to it, must be like. */
export function connectionChecks(
  runtime: Runtime,
  session: Session,
  backups: readonly PlannedBackup[],
  clients: readonly PostgresClient[],
  signal: AbortSignal,
): Check[] {
  return [
    { id: "connection", required: true, run: () => describeServer(session) },
    { id: "encryption", required: false, run: () => checkEncryption(session) },
    { id: "direct-connection", required: false, run: () => checkDirect(session) },
    { id: "client", required: true, run: () => checkClient(session, backups, clients) },
    ...zstdChecks(runtime, backups, signal),
    { id: "clock", required: false, run: () => checkClock(runtime, session) },
  ];
}

/** The program is needed for plain archives only; `pg_dump` compresses custom ones itself. */
export function zstdChecks(
  runtime: Runtime,
  backups: readonly PlannedBackup[],
  signal: AbortSignal,
): Check[] {
  if (!backups.some(({ format, compression }) => format !== "custom" && compression === "zstd")) return [];
  const run = async (): Promise<Outcome> => {
    await runForText(runtime, { program: "zstd", args: ["--version"], env: runtime.env }, signal);
    return ok("the program zstd is there");
  };
  return [{ id: "zstd", required: true, run }];
}

async function describeServer(session: Session): Promise<Outcome> {
  const [row] = await session.query<{ version: string }>(
    "select pg_catalog.current_setting('server_version') as version",
  );
  return ok(`connected to ${describeConnection(session.settings)}, PostgreSQL ${row?.version ?? ""}`);
}

async function checkEncryption(session: Session): Promise<Outcome> {
  const [row] = await session.query<{ ssl: boolean; version: string | null }>(
    "select ssl, version from pg_catalog.pg_stat_ssl where pid = pg_catalog.pg_backend_pid()",
  );
  const { sslMode, hosts } = session.settings;
  const host = hosts[0]?.host ?? "";
  if (row?.ssl === true) {
    const checked = sslMode === "verify-full" || sslMode === "verify-ca";
    return ok(
      `encrypted (${row.version ?? "TLS"}${checked ? "" : `; sslmode ${sslMode} does not insist on a known server`})`,
    );
  }
  if (await isOnThisMachine(host)) return ok(`not encrypted, and never leaves this machine (${host})`);
  return warning(
    `the connection to ${host} is not encrypted: password and data can be read on the way`,
    "switch TLS on at the server and add `sslmode=verify-full` to the connection string",
  );
}

/** Whether a host, as connection strings name it, is reached without any network. */
export async function isOnThisMachine(host: string): Promise<boolean> {
  if (host.startsWith("/")) return true;
  const addresses = isIP(host) === 0 ? await lookUp(host) : [host];
  return addresses.length > 0 && addresses.every((address) => /^(127\.|::1$|::ffff:127\.)/i.test(address));
}

async function lookUp(host: string): Promise<string[]> {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    // A name that cannot be looked up is certainly none of this machine's own.
    if (errorCode(error) === undefined) throw error;
    return [];
  }
}

async function checkDirect(session: Session): Promise<Outcome> {
  if (await session.isDirect()) return ok("direct connection, no pooler between");
  return warning(
    "a pooler stands between: it changes servers between statements, and a swap is refused",
    "use the port or host of the server itself; managed services show both",
  );
}

/** Chooses the client as a backup does. Throws `client_missing`. */
function checkClient(
  session: Session,
  backups: readonly PlannedBackup[],
  clients: readonly PostgresClient[],
): Promise<Outcome> {
  const client = chooseClient(clients, session.serverVersion);
  const needsNewer = backups.some(({ format, compression }) => format === "custom" && compression === "zstd");
  if (needsNewer && majorOf(client.version) < ZSTD_SINCE) {
    throw new AppError("client_missing", `write custom archives with zstd: ${client.label} cannot`, {
      hint: `\`apt-get install postgresql-client-${ZSTD_SINCE}\`, or choose gzip`,
    });
  }
  return Promise.resolve(ok(`${client.label} in ${client.folder} is used for this server`));
}
