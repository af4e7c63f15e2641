import pg from "pg";

/** Holds a table so that nobody can even read it, until it is disposed. */
export async function lockTable(url: string, table: string): Promise<{ pid: string } & AsyncDisposable> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`begin; lock table ${table} in access exclusive mode`);
  const { rows } = await client.query<{ pid: string }>("select pg_backend_pid()::text as pid");
  return { pid: rows[0]?.pid ?? "", [Symbol.asyncDispose]: async () => await client.end() };
}
