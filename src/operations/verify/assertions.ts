import type { Assertion } from "../../config/assertions.ts";
import { AppError, isAppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted, formatCount, formatDuration } from "../../lib/text.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connect, isSqlState, type Session } from "../../postgres/session.ts";
import type { AssertionResult } from "../../repository/asserted.ts";

/** Enough to tell two rows from a whole table that was selected by mistake. */
const MOST_ROWS = 1000;
// pg_type.dat: `bool`.
const BOOLEAN = 16;
// A query that not even the server can stop must not keep the check for ever.
const GRACE_MS = 30_000;

/**
 * Asks a restored copy each query, in a read-only transaction and on a connection of its own. All are asked, whatever the others
 * gave. Throws only where the server cannot be reached, or is lost.
 */
export async function askAssertions(
  runtime: Runtime,
  settings: ConnectionSettings,
  assertions: readonly Assertion[],
  signal: AbortSignal,
): Promise<AssertionResult[]> {
  const results: AssertionResult[] = [];
  for (const assertion of assertions) {
    const { name = null, expect } = assertion;
    const started = runtime.clock.monotonic();
    const answer = await ask(runtime, settings, assertion, signal);
    const ms = Math.round(runtime.clock.monotonic() - started);
    results.push({ name, sql: runtime.secrets.redact(expect), ...answer, ms });
  }
  return results;
}

type Answer = Pick<AssertionResult, "outcome" | "reason">;

async function ask(
  runtime: Runtime,
  settings: ConnectionSettings,
  { expect, timeout }: Assertion,
  signal: AbortSignal,
): Promise<Answer> {
  const late = `no answer within ${formatDuration(timeout)}`;
  const deadline = AbortSignal.timeout(Math.min(timeout + GRACE_MS, 2 ** 31 - 1));
  try {
    await using session = await connect(runtime, settings, AbortSignal.any([signal, deadline]));
    return await askOnce(session, expect, timeout);
  } catch (error) {
    signal.throwIfAborted();
    if (deadline.aborted || isSqlState(error, "57014")) return { outcome: "timed out", reason: late };
    // The server answered: what it says is about the query, or about what is in the copy.
    if (isAppError(error) && error.details["sqlState"] !== undefined)
      return { outcome: "error", reason: error.message.replace(/^sql [A-Z ]*: /, "") };
    throw error;
  }
}

async function askOnce(session: Session, sql: string, timeoutMs: number): Promise<Answer> {
  await session.query("begin isolation level repeatable read read only");
  // What a user of psql would have, who names tables without their schema.
  await session.query("reset search_path");
  await session.query(`set local statement_timeout = ${Math.ceil(timeoutMs)}`);
  // A cursor takes queries alone, and hands out no more rows than it is asked for.
  await session.query(`declare handled_assertion no scroll cursor for ${sql}`);
  const { columns, rows } = await session.table(`fetch ${MOST_ROWS} from handled_assertion`);
  const [column] = columns;
  if (column === undefined || columns.length > 1)
    return { outcome: "not boolean", reason: `it gives ${counted(columns.length, "column")} instead of one` };
  if (column.type !== BOOLEAN) {
    const type = await typeName(session, column.type);
    return { outcome: "not boolean", reason: `its column is of the type ${type}, not boolean` };
  }
  if (rows.length > 1) {
    const many = rows.length === MOST_ROWS ? `${formatCount(MOST_ROWS)} rows or more` : `${rows.length} rows`;
    return { outcome: "several rows", reason: `it gives ${many} instead of one` };
  }
  const [row] = rows;
  if (row === undefined) return { outcome: "no row", reason: "it gives no row" };
  const [value] = row;
  if (value === true) return { outcome: "true", reason: null };
  if (value === false) return { outcome: "false", reason: "it is false" };
  if (value === null) return { outcome: "null", reason: "it is null, neither true nor false" };
  throw new AppError("unexpected", "ask an assertion: a boolean that is none");
}

async function typeName(session: Session, type: number): Promise<string> {
  const [row] = await session.query<{ name: string }>(
    "select pg_catalog.format_type($1::pg_catalog.oid, null) as name",
    [type],
  );
  return row?.name ?? String(type);
}

const SQL_SHOWN = 80;

/** How messages call one: by its name, or else by its SQL. */
export function nameOfAssertion({
  name,
  sql,
}: {
  readonly name: string | null;
  readonly sql: string;
}): string {
  if (name !== null) return `"${name}"`;
  const line = sql.replaceAll(/\s+/g, " ");
  return `\`${line.length > SQL_SHOWN ? `${line.slice(0, SQL_SHOWN)}…` : line}\``;
}
