import pg from "pg";

/** A database like template0, of the shared server: what tests' databases are copied from. */
export const EMPTY_DATABASE = "handled_test_empty";

/**
 * Makes it. The server keeps what every new connection needs of the catalog in a file of the database, which the first
 * connection writes; that is copied along, or the first one of each test would have to work it out anew.
 * @param server a superuser's URL
 */
export async function makeEmptyDatabase(server: string): Promise<void> {
  const url = new URL(server);
  const run = async (sql: string): Promise<void> => {
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    await client.query(sql);
    await client.end();
  };
  await run(`create database ${EMPTY_DATABASE} template template0`);
  url.pathname = `/${EMPTY_DATABASE}`;
  await run("select");
}
