import { randomBytes } from "node:crypto";
import { chown, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { AppError, inOperation, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import {
  type Place,
  dataFolder,
  findServerPrograms,
  isServing,
  requirePid,
  runServerTool,
  startServer,
  stopServer,
  writeOwned,
} from "./cluster-control.ts";
import { freePort, isFree } from "./free-port.ts";
import { serverUser } from "./server-user.ts";

// Another program may take a port between our look and the server's start.
const PORT_TRIES = 10;
// `sun_path` holds 108 bytes with its end mark; `.s.PGSQL.65535` is the longest name in the folder.
const LONGEST_SOCKET_FOLDER = 107 - "/.s.PGSQL.65535".length;

export interface ClusterOptions {
  /** Where the cluster lives; created when missing. It must be reachable for the server's user: not below `/root`. */
  readonly folder: string;
  /** Further lines of postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default `postgres`. */
  readonly superuser?: string;
  /** The superuser's password; made up when `auth` asks for one and none is given. */
  readonly password?: string;
  /** `trust` lets every local program in; `scram-sha-256` asks for the password. Default: by `password`. */
  readonly auth?: "trust" | "scram-sha-256";
  /** No fsync: faster, and lost when the machine stops. */
  readonly fast?: boolean;
  /** Replaces the lines of pg_hba.conf. */
  readonly hba?: readonly string[];
  /** Files put into the data folder before the start (certificates), readable by the server alone. */
  readonly files?: Readonly<Record<string, string>>;
  /** Major version of the server programs; default the newest installed. */
  readonly major?: number;
  /** Folder of the server programs; default: where they are installed. */
  readonly programs?: string;
  /**
   * Puts a data folder in place (a base backup, say) instead of `initdb`. Its roles are those of `superuser` and `password`, and its
   * files belong to the server's user.
   */
  readonly fill?: (place: Place) => Promise<void>;
  /** Leave the server and its folder alone on dispose. */
  readonly keepRunning?: boolean;
}

/** A PostgreSQL server of our own on 127.0.0.1. Disposing stops it at once and removes its folder. */
export interface Cluster extends AsyncDisposable {
  readonly folder: string;
  readonly port: number;
  /** Folder of the Unix socket; undefined when the path is too long for one. */
  readonly socketFolder: string | undefined;
  readonly superuser: string;
  readonly password: string | undefined;
  /** Process id of the server; changes when it is started anew. */
  readonly pid: number;
  /** Connection URL of the superuser, with the password; default database `postgres`. */
  url(database?: string): string;
  stop(mode?: "fast" | "immediate"): Promise<void>;
  start(): Promise<void>;
}

/**
 * Makes and starts a cluster and returns once it accepts connections; a failure removes what was made. When we are
 * root the server runs as `postgres` (or `nobody`), because it refuses root. Fails with `client_missing` when no
 * server programs are installed, with `target_exists` when the folder is not empty, else with `tool_failed` and the end of
 * the server's log.
 */
export async function startCluster(
  runtime: Runtime,
  options: ClusterOptions,
  signal: AbortSignal,
): Promise<Cluster> {
  const programs = options.programs ?? (await findServerPrograms(runtime, options.major, signal));
  const user = await serverUser();
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  // A failure removes the folder, so it must hold nothing of anybody else's.
  if ((await readdir(options.folder)).length > 0) {
    throw new AppError(
      "target_exists",
      `start a PostgreSQL server in ${options.folder}: the folder is not empty`,
    );
  }
  if (user !== undefined) await chown(options.folder, user.uid, user.gid);
  const place: Place = { runtime, programs, user, folder: options.folder };
  try {
    const password = await initialise(place, options, signal);
    const port = await startOnFreePort(place, options);
    signal.throwIfAborted();
    return await runningCluster(place, options, password, port);
  } catch (error) {
    await stopServer(place, "immediate");
    await rm(options.folder, { recursive: true, force: true });
    signal.throwIfAborted();
    throw inOperation(`start a PostgreSQL server in ${options.folder}`, error);
  }
}

/**
 * Stops the server that a run which was killed left in a folder of `startCluster`. Returns false when none runs there.
 * The folder stays. A process that merely inherited the number of a dead server is left alone.
 */
export async function stopStaleCluster(
  runtime: Runtime,
  folder: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (!(await isServing(folder))) return false;
  const programs = await findServerPrograms(runtime, undefined, signal);
  await stopServer({ runtime, programs, user: await serverUser(), folder }, "immediate");
  return true;
}

async function runningCluster(
  place: Place,
  options: ClusterOptions,
  password: string | undefined,
  port: number,
): Promise<Cluster> {
  const { folder } = place;
  const superuser = options.superuser ?? "postgres";
  let pid = await requirePid(folder);
  const login = `${encodeURIComponent(superuser)}${password === undefined ? "" : `:${encodeURIComponent(password)}`}`;
  return {
    folder,
    port,
    superuser,
    password,
    socketFolder: socketFolder(folder),
    get pid() {
      return pid;
    },
    url: (database = "postgres") => `postgresql://${login}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    stop: async (mode = "fast") => await stopServer(place, mode),
    start: async () => {
      await startServer(place);
      pid = await requirePid(folder);
    },
    [Symbol.asyncDispose]: async () => {
      if (options.keepRunning === true) return;
      await stopServer(place, "immediate");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function initialise(
  place: Place,
  options: ClusterOptions,
  signal: AbortSignal,
): Promise<string | undefined> {
  const auth = options.auth ?? (options.password === undefined ? "trust" : "scram-sha-256");
  const password = options.password ?? (auth === "trust" ? undefined : randomBytes(18).toString("base64url"));
  place.runtime.secrets.add(password);
  await (options.fill === undefined
    ? makeDataFolder(place, options, auth, password, signal)
    : options.fill(place));
  for (const [name, content] of Object.entries(options.files ?? {})) {
    await writeOwned(place, join(dataFolder(place.folder), name), content);
  }
  if (options.hba !== undefined) {
    await writeOwned(place, join(dataFolder(place.folder), "pg_hba.conf"), `${options.hba.join("\n")}\n`);
  }
  return password;
}

async function makeDataFolder(
  place: Place,
  options: ClusterOptions,
  auth: string,
  password: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const passwordFile = join(place.folder, "password");
  const args = [
    "--username",
    options.superuser ?? "postgres",
    "--auth",
    auth,
    "--encoding",
    "UTF8",
    "--locale",
    "C",
  ];
  args.push("--no-sync", "--no-instructions", "--pgdata", dataFolder(place.folder));
  if (password !== undefined) {
    // A file, because arguments can be read by every user of the machine.
    await writeOwned(place, passwordFile, `${password}\n`);
    args.push("--pwfile", passwordFile);
  }
  await runInitdb(place, args, signal);
  await rm(passwordFile, { force: true });
}

async function runInitdb(place: Place, args: readonly string[], signal: AbortSignal): Promise<void> {
  try {
    await runServerTool(place, "initdb", args, signal);
  } catch (error) {
    if (!isAppError(error, "tool_failed") || place.user === undefined) throw error;
    throw new AppError(error.code, error.message, {
      cause: error,
      details: error.details,
      hint: "as root we run servers as another user: choose a folder that others can reach, such as one in /tmp",
    });
  }
}

async function startOnFreePort(place: Place, options: ClusterOptions): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    await writeSettings(place, options, port);
    try {
      await startServer(place);
      return port;
    } catch (error) {
      if (!isAppError(error, "tool_failed") || tries >= PORT_TRIES || (await isFree(port))) throw error;
    }
  }
}

async function writeSettings(place: Place, options: ClusterOptions, port: number): Promise<void> {
  const all: Record<string, string> = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: socketFolder(place.folder) ?? "",
    ...(options.fast === true ? { fsync: "off", synchronous_commit: "off", full_page_writes: "off" } : {}),
    ...options.settings,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  // The file that ALTER SYSTEM writes: it is read last, so it wins over postgresql.conf.
  await writeOwned(place, join(dataFolder(place.folder), "postgresql.auto.conf"), lines.join(""));
}

function socketFolder(folder: string): string | undefined {
  return Buffer.byteLength(folder) <= LONGEST_SOCKET_FOLDER ? folder : undefined;
}
