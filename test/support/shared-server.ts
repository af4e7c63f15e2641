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
/** Settled when nobody asks any more: one connection does one thing after the other. */
let free = Promise.resolve();

/**
 * Runs one statement on the shared server, on a connection that the test file keeps: a new one takes server and client ten
 * times as long as what is asked. For what leaves nothing behind in its session.
 */
export async function askServer<Row extends object = Record<string, unknown>>(
  sql: string,
  params: readonly unknown[] = [],
): Promise<Row[]> {
  const answer = free.then(async () => {
    kept ??= open();
    const { rows } = await (await kept).query<Row>(sql, [...params]);
    return rows;
  });
  free = answer.then(
    () => undefined,
    () => undefined,
  );
  return await answer;
}

async function open(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: clusterUrl() });
  // Somebody ended it: the next statement opens another one.
  client.on("error", () => void (kept = undefined));
  try {
    await client.connect();
  } catch (error) {
    // So does the next one where the server let nobody in for a moment.
    kept = undefined;
    throw error;
  }
  return client;
}
