import { totalmem } from "node:os";
import { join } from "node:path";
import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { findInstallations, majorOf, type PostgresClient } from "../../postgres/clients.ts";
import { type Cluster, startCluster } from "../../postgres/cluster.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { makeServerFolder, removeServerFolder } from "../server-folder.ts";

/** A server made for one check. Disposing stops it and removes all of it. */
export interface ThrowAwayServer extends AsyncDisposable {
  /** Its superuser, in the database `postgres`. */
  readonly settings: ConnectionSettings;
  /** Its folder, for what is to go with it, also when this process is killed. Others may look into it. */
  readonly folder: string;
}

/**
 * Starts a server of the major version that the backup was taken from, or else of the lowest higher one that is installed,
 * with settings under which nothing survives a power cut and everything is fast. Fails with `client_missing`, naming the
 * package, when none is installed.
 * @param sourceVersion `server_version_num` of the backup's server
 * @param tables that will be in it
 */
export async function startThrowAway(
  runtime: Runtime,
  { sourceVersion, tables }: { readonly sourceVersion: number; readonly tables: number },
  signal: AbortSignal,
): Promise<ThrowAwayServer> {
  const programs = chooseServer(await findInstallations(runtime, "initdb", signal), sourceVersion);
  const folder = await makeServerFolder(runtime, "verify", signal);
  const remove = async (): Promise<void> =>
    await removeServerFolder(runtime, folder, AbortSignal.timeout(CLEAN_UP_MS));
  try {
    const cluster = await startCluster(
      runtime,
      {
        folder: join(folder, "server"),
        major: majorOf(programs.version),
        fast: true,
        auth: "scram-sha-256",
        settings: settingsFor(tables),
      },
      signal,
    );
    return { settings: connectionOf(cluster), folder, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

const CLEAN_UP_MS = 60_000;

function chooseServer(installed: readonly PostgresClient[], sourceVersion: number): PostgresClient {
  const wanted = majorOf(sourceVersion);
  const [chosen] = installed
    .filter(({ version }) => majorOf(version) >= wanted)
    .toSorted((a, b) => majorOf(a.version) - majorOf(b.version) || b.version - a.version);
  if (chosen !== undefined) return chosen;
  throw new AppError(
    "client_missing",
    `start a throw-away server: PostgreSQL ${wanted} or newer is not installed here`,
    {
      hint: `\`apt-get install postgresql-${wanted}\`, or \`--to postgresql://…\`, a server to restore on`,
      details: { wanted, installed: installed.map(({ label }) => label) },
    },
  );
}

const MEBIBYTE = 1024 * 1024;

/** PostgreSQL manual, "Non-Durable Settings" and "Populating a Database". */
function settingsFor(tables: number): Record<string, string> {
  // What is loaded is read once more, to be compared; beyond a gigabyte the system's own cache does as well.
  const buffers = Math.min(1024, Math.max(128, Math.round(totalmem() / 8 / MEBIBYTE)));
  return {
    // With these two, what fills a new table is not logged at all.
    wal_level: "minimal",
    max_wal_senders: "0",
    max_wal_size: "4GB",
    checkpoint_timeout: "1d",
    autovacuum: "off",
    shared_buffers: `${buffers}MB`,
    // `pg_dump` holds a lock on every table at once.
    max_locks_per_transaction: String(128 + Math.ceil(tables / 16)),
    log_min_messages: "fatal",
  };
}

/** Nothing of the caller's environment, which is about other servers, has a say. */
function connectionOf(cluster: Cluster): ConnectionSettings {
  return {
    hosts: [{ host: cluster.socketFolder ?? "127.0.0.1", port: cluster.port, password: cluster.password }],
    user: cluster.superuser,
    database: "postgres",
    sslMode: "disable",
    sslRootCert: undefined,
    sslCert: undefined,
    sslKey: undefined,
    options: undefined,
    connectTimeout: 10,
    targetSessionAttrs: "any",
  };
}
