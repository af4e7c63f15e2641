import { randomBytes } from "node:crypto";
import pg from "pg";
import type { Runtime } from "../../src/lib/runtime.ts";
import { type Cluster, type ClusterOptions, startCluster } from "../../src/postgres/cluster.ts";
import { type ConnectionSettings, resolveConnection } from "../../src/postgres/connection.ts";
import { quoteIdentifier } from "../../src/postgres/quoting.ts";
import { clusterFolder } from "./cluster-folder.ts";
import { EMPTY_DATABASE } from "./empty-database.ts";
import { testRuntime } from "./runtime.ts";
import { askServer, clusterUrl, urlWithDatabase } from "./shared-server.ts";

/** A database of one test's own, in the cluster that the whole run shares. */
export interface FreshDatabase extends AsyncDisposable {
  readonly name: string;
  readonly url: string;
  readonly settings: ConnectionSettings;
  /** Runs SQL (several statements too, without params) on a connection of its own; the last one's rows. */
  query<Row extends object = Record<string, unknown>>(
    sql: string,
    params?: readonly unknown[],
  ): Promise<Row[]>;
}

export interface FreshOptions {
  /** Default: a unique one. */
  readonly name?: string;
  /** A database to copy; nobody may be connected to it. */
  readonly template?: string;
  /** A superuser URL of another cluster than the shared one. */
  readonly cluster?: string;
  /** SQL to fill it with. */
  readonly sql?: string;
}

/** Creates a database; disposing drops it, whoever is connected. */
export async function freshDatabase(options: FreshOptions = {}): Promise<FreshDatabase> {
  const server = options.cluster ?? clusterUrl();
  const ask = async (sql: string): Promise<void> => {
    await (options.cluster === undefined ? askServer(sql) : runSql(options.cluster, sql));
  };
  const name = options.name ?? uniqueName();
  const url = urlWithDatabase(server, name);
  const quoted = quoteIdentifier(name);
  const template = options.template ?? (options.cluster === undefined ? EMPTY_DATABASE : "template0");
  // Copying the files takes a fraction of writing each of their pages to the log.
  await ask(`CREATE DATABASE ${quoted} TEMPLATE ${quoteIdentifier(template)} STRATEGY file_copy`);
  const drop = async (): Promise<void> => await ask(`DROP DATABASE IF EXISTS ${quoted} WITH (FORCE)`);
  try {
    const runtime: Runtime = testRuntime();
    const settings = await resolveConnection(runtime, url, new AbortController().signal);
    if (options.sql !== undefined) await runSql(url, options.sql);
    return {
      name,
      url,
      settings,
      query: async (sql, params) => await runSql(url, sql, params),
      [Symbol.asyncDispose]: drop,
    };
  } catch (error) {
    await drop();
    throw error;
  }
}

/** A cluster of one test's own: for stopping, other passwords, certificates. Takes about two seconds. */
export async function freshCluster(options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const folder = options.folder ?? (await clusterFolder());
  const all = { fast: true, ...options, folder };
  return await startCluster(testRuntime(), all, new AbortController().signal);
}

export { clusterUrl } from "./shared-server.ts";
export { temporaryFolder } from "./temporary-folder.ts";

/** Runs SQL by URL on a connection of its own and returns the last statement's rows. */
export async function runSql<Row extends object = Record<string, unknown>>(
  url: string,
  sql: string,
  params?: readonly unknown[],
): Promise<Row[]> {
  const client = new pg.Client(clientConfig(url));
  // A query says itself that its connection broke. A server that goes down after it takes nothing from its answer, but
  // without a listener it would end the whole run of the tests.
  client.on("error", () => undefined);
  await client.connect();
  try {
    const result: pg.QueryResult<Row> | pg.QueryResult<Row>[] = await client.query<Row>(
      sql,
      params === undefined ? undefined : [...params],
    );
    return (Array.isArray(result) ? (result as pg.QueryResult<Row>[]).at(-1) : result)?.rows ?? [];
  } finally {
    await client.end();
  }
}

/** The driver leaves some percent-encoded characters of a name as they are; here they are decoded. */
export function clientConfig(url: string): pg.ClientConfig {
  // A socket's folder as host makes it no URL for anybody but PostgreSQL.
  if (!URL.canParse(url) || new URL(url).search !== "") return { connectionString: url };
  const { hostname, port, username, password, pathname } = new URL(url);
  return {
    host: hostname,
    port: Number(port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: decodeURIComponent(pathname.slice(1)),
  };
}

export function uniqueName(prefix = "t"): string {
  return `${prefix}_${randomBytes(6).toString("hex")}`;
}
