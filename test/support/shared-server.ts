import pg from "pg";
import { inject } from "vitest";

/** A superuser's URL of the run's shared server, to one of its databases. */
export function clusterUrl(database = "postgres"): string {
  return urlWithDatabase(inject("clusterUrl"), database);
}

export function urlWithDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(database)}`;
  return changed.href;
}

let kept: Promise<pg.Client> | undefined;

/**
 * Runs one statement on the shared server, on a connection that the test file keeps: a new one takes server and client ten
 * times as long as what is asked. For what leaves nothing behind in its session.
 */
export async function askServer<Row extends object = Record<string, unknown>>(
  sql: string,
  params: readonly unknown[] = [],
): Promise<Row[]> {
  kept ??= open();
  const { rows } = await (await kept).query<Row>(sql, [...params]);
  return rows;
}

async function open(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: clusterUrl() });
  // Somebody ended it: the next statement opens another one.
  client.on("error", () => void (kept = undefined));
  await client.connect();
  return client;
}
