import { execFile } from "node:child_process";
import { chown, readFile, realpath, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import {
  dataFolder,
  findServerPrograms,
  type Place,
  runServerTool,
  startServer,
  stopServer,
  writeOwned,
} from "../../src/postgres/cluster-control.ts";
import { serverUser } from "../../src/postgres/server-user.ts";
import { clusterFolder } from "../support/cluster-folder.ts";
import { keptPort } from "../support/kept-port.ts";
import { freshCluster, runSql } from "../support/postgres.ts";
import { noAbort, testRuntime } from "../support/runtime.ts";

const signal = noAbort();
type Settings = Readonly<Record<string, string>>;

/** A server whose data folder a test takes away, puts back and copies. Disposing ends it and removes its folder. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  query<Row extends object = Record<string, unknown>>(sql: string): Promise<Row[]>;
  stop(mode?: "fast" | "immediate"): Promise<void>;
  /** @param settings further lines of its configuration, from now on */
  start(settings?: Settings): Promise<void>;
  /** Copies the data folder of the stopped server to a path where nothing is. */
  save(path: string): Promise<void>;
  /** Puts such a copy in the place of the data folder. */
  putBack(path: string): Promise<void>;
  /** Writes a file in the data folder. */
  write(file: string, content: string): Promise<void>;
  /** Runs one of the server's programs on the data folder. */
  tool(name: string, ...args: string[]): Promise<void>;
}

const SETTINGS = {
  autovacuum: "off",
  shared_buffers: "16MB",
  max_wal_size: "128MB",
  log_min_messages: "fatal",
  // Nothing but what a test does writes to the log.
  bgwriter_lru_maxpages: "0",
};

export async function startOwn(settings: Settings = {}): Promise<Server> {
  const cluster = await freshCluster({ settings: { ...SETTINGS, ...settings } });
  return await serverIn(cluster.folder, cluster.port);
}

/** Starts a standby of a running server from a copy of its data folder. */
export async function startStandby(copy: string, primary: Server): Promise<Server> {
  const folder = await clusterFolder();
  const user = await serverUser();
  if (user !== undefined) await chown(folder, user.uid, user.gid);
  const port = await keptPort();
  const server = await serverIn(folder, port);
  await server.putBack(copy);
  await server.write("standby.signal", "");
  await server.start({
    port: String(port),
    unix_socket_directories: "",
    primary_conninfo: `host=127.0.0.1 port=${new URL(primary.url).port} user=postgres`,
  });
  return server;
}

async function serverIn(folder: string, port: number): Promise<Server> {
  const runtime = testRuntime();
  // Where they really are: beside a link to one of them the others may be missing.
  const initdb = await realpath(join(await findServerPrograms(runtime, undefined, signal), "initdb"));
  const programs = dirname(initdb);
  const place: Place = { runtime, programs, user: await serverUser(), folder };
  const data = dataFolder(folder);
  const url = `postgresql://postgres@127.0.0.1:${port}/postgres`;
  const write = async (file: string, content: string): Promise<void> =>
    await writeOwned(place, join(data, file), content);
  return {
    url,
    query: async (sql) => await runSql(url, sql),
    stop: async (mode = "fast") => await stopServer(place, mode),
    start: async (settings = {}) => {
      const file = "postgresql.auto.conf";
      const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
      await write(file, (await readFile(join(data, file), "utf8")) + lines.join(""));
      await startServer(place);
    },
    save: async (path) => await copyFolder(data, path),
    putBack: async (path) => {
      await rm(data, { recursive: true, force: true });
      await copyFolder(path, data);
    },
    write,
    tool: async (name, ...args) => await runServerTool(place, name, [...args, "--pgdata", data], signal),
    [Symbol.asyncDispose]: async () => {
      await stopServer(place, "immediate");
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** With owners and modes, which the server insists on. */
async function copyFolder(from: string, to: string): Promise<void> {
  await promisify(execFile)("cp", ["-a", "--", from, to]);
}

/** Ends so many transactions that wrote nothing. */
export async function burn(server: Server, count: number): Promise<void> {
  await server.query(
    `do $$ begin for i in 1..${count} loop perform pg_current_xact_id(); commit; end loop; end $$`,
  );
}

/** Burns transaction ids until the next one is this one. */
export async function burnUntil(server: Server, xid: bigint): Promise<void> {
  const next = await nextXid(server);
  if (next > xid) throw new Error(`transaction ${xid} is gone, the next one is ${next}`);
  await burn(server, Number(xid - next));
}

export async function nextXid(server: Server): Promise<bigint> {
  const [row] = await server.query<{ next: string }>(
    "select pg_snapshot_xmax(pg_current_snapshot())::text as next",
  );
  return BigInt(row?.next ?? "0");
}

/** Asks until the answer is yes; a server that is recovering gives none. */
export async function until(server: Server, sql: string): Promise<void> {
  for (;;) {
    try {
      const [row] = await server.query<{ yes: boolean | null }>(`select (${sql}) as yes`);
      if (row?.yes === true) return;
    } catch (error) {
      // Its connections are ended, and new ones refused for a moment.
      if (!(error instanceof Error)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
