import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { messageOf } from "../errors.ts";

/** The program that serves it: `node PROGRAM FILE PORT VARIABLE=TABLE…`, where FILE is its `.env`. */
export const SHOP_API = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./shop-api-main.ts" : "./shop-api-main.js", import.meta.url),
);

// A server that is gone must not keep who asks for health waiting.
const PATIENCE_MS = 2000;

/** What a small application works on: names of environment variables that hold connection URLs, with a table in each database. */
export type ApiDatabases = Readonly<Record<string, string>>;

/**
 * The application of the demo and of drills: an HTTP API as teams have them. It takes the URLs of its databases from the
 * environment once, at its start, and keeps its connections. `GET /health` answers 200 with
 * `{ VARIABLE: { database, rows } }`, or 503 with `{ problem }` where a database does not answer. Disposing ends it.
 * @param port on 127.0.0.1
 */
export function serveApi(env: NodeJS.ProcessEnv, databases: ApiDatabases, port: number): AsyncDisposable {
  const pools = Object.entries(databases).map(([variable, table]) => {
    const pool = new pg.Pool({
      connectionString: env[variable],
      max: 2,
      connectionTimeoutMillis: PATIENCE_MS,
      query_timeout: PATIENCE_MS,
    });
    // A connection that breaks while nobody uses it; the next request makes another one.
    pool.on("error", () => undefined);
    return { variable, table, pool };
  });
  const health = async (): Promise<object> => {
    const answers = pools.map(async ({ variable, table, pool }) => {
      const { rows } = await pool.query<{ database: string; rows: number }>(
        `select current_database() as database, count(*)::int as rows from ${table}`,
      );
      return [variable, rows[0]] as const;
    });
    return Object.fromEntries(await Promise.all(answers));
  };
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.url !== "/health") return void response.writeHead(404).end();
    const [status, body] = await health().then(
      (found) => [200, found] as const,
      (error: unknown) => [503, { problem: messageOf(error) }] as const,
    );
    response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
  };
  const server = createServer((request, response) => void answer(request, response)).listen(
    port,
    "127.0.0.1",
  );
  return {
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      await Promise.all(pools.map(async ({ pool }) => await pool.end()));
    },
  };
}
