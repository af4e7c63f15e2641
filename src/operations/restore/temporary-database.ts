import { randomBytes } from "node:crypto";
import { isAppError, messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { dropDatabase } from "../../postgres/admin.ts";
import { type ConnectionSettings, withDatabase } from "../../postgres/connection.ts";
import { markSql } from "../../postgres/marker.ts";
import { createDatabase, type Properties } from "../../postgres/properties.ts";
import { connect, isSqlState, quoteIdentifier, quoteName, type Session } from "../../postgres/session.ts";
import { describeHolder } from "../../repository/holder.ts";
import { makerTag } from "../../repository/maker.ts";
import { listHalfMade } from "./half-made.ts";

/**
 * A database in the making: under a name that nobody takes for a real one, and with a comment that says who makes it.
 * Disposing drops it unless `keep` was called, so a failure in mid-restore leaves nothing behind; what a killed
 * process leaves is recognised and dropped by the next restore.
 */
export interface TemporaryDatabase extends AsyncDisposable {
  readonly name: string;
  readonly settings: ConnectionSettings;
  /** It has got its final name: do not drop it any more. */
  keep(): void;
}

/**
 * Creates one beside the others on the session's server.
 * @param target the name it is made for, as its comment tells
 * @param properties encoding and locale; null takes the server's defaults
 */
export async function createTemporaryDatabase(
  runtime: Runtime,
  admin: Session,
  target: string,
  properties: Properties | null,
): Promise<TemporaryDatabase> {
  const holder = await describeHolder("restore");
  const name = await temporaryName();
  await createSimilar(runtime, admin, name, properties);
  let kept = false;
  const dispose = async (): Promise<void> => {
    if (!kept) await dropAfterFailure(runtime, admin.settings, name);
  };
  try {
    await admin.query(
      markSql(name, {
        program: "handled",
        purpose: "restoring",
        target,
        holder,
        startedAt: runtime.clock.now().toISOString(),
      }),
    );
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    name,
    settings: withDatabase(admin.settings, name),
    keep: () => {
      kept = true;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

// What CREATE DATABASE says of a locale, a provider or an option of it that the server does not know: wrong object type,
// invalid parameter value, feature not supported, invalid object definition, syntax error.
const LOCALE_UNKNOWN = ["42809", "22023", "0A000", "42P17", "42601"];

/** On a server that lacks the locale the data is worth more than its sorting order: it gets the one that all servers have. */
async function createSimilar(
  runtime: Runtime,
  admin: Session,
  name: string,
  properties: Properties | null,
): Promise<void> {
  try {
    await createDatabase(admin, name, properties);
  } catch (error) {
    if (properties === null || !LOCALE_UNKNOWN.some((state) => isSqlState(error, state))) throw error;
    const plain = { collate: "C", ctype: "C", localeProvider: "libc", locale: null, icuRules: null };
    await createDatabase(admin, name, { ...properties, ...plain });
    runtime.reporter.warn(
      `the server does not have the locale ${properties.locale ?? properties.collate} (${properties.localeProvider}): the restored database sorts by the locale C`,
    );
  }
}

const CLEAN_UP_MS = 30_000;

/** On a connection and a signal of its own: those of the restore may be what failed. */
async function dropAfterFailure(runtime: Runtime, settings: ConnectionSettings, name: string): Promise<void> {
  const signal = AbortSignal.timeout(CLEAN_UP_MS);
  try {
    await using session = await connect(runtime, settings, signal);
    await makeReady(runtime, withDatabase(settings, name), signal);
    await dropDatabase(session, name);
  } catch (error) {
    // The first error is the one to report; this database is recognised and dropped by the next restore.
    runtime.reporter.warn(
      `drop ${name}, the half-made database: ${messageOf(error)}; the next restore drops it`,
    );
  }
}

// Smaller tables are not worth the time: what is needed is room for a checkpoint.
const LARGE_BYTES = 1024 * 1024;

/**
 * Makes a database ready to go: without its subscriptions, for one that has any cannot be dropped, and without its large
 * tables. `DROP DATABASE` makes a checkpoint before it removes any file, and
 * a checkpoint on a full disk brings the whole server down, the live database with it; a dropped table frees its space
 * at once.
 */
async function makeReady(runtime: Runtime, settings: ConnectionSettings, signal: AbortSignal): Promise<void> {
  try {
    await using session = await connect(runtime, settings, signal);
    // A load that was stopped may not be quite over, and would keep its table from us.
    await session.query(
      `select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
        where datname = pg_catalog.current_database() and pid <> pg_catalog.pg_backend_pid() and usename = current_user`,
    );
    await session.query("set lock_timeout = '5s'");
    await dropSubscriptions(session);
    const tables = await session.query<{ schema: string; name: string }>(
      `select n.nspname as schema, c.relname as name
         from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and n.nspname !~ '^pg_' and pg_catalog.pg_table_size(c.oid) > $1
        order by pg_catalog.pg_table_size(c.oid) desc`,
      [LARGE_BYTES],
    );
    for (const { schema, name } of tables) {
      await session.query(`drop table if exists ${quoteName(schema, name)} cascade`);
    }
  } catch (error) {
    signal.throwIfAborted();
    // Only a precaution: that the database itself is dropped is what counts.
    if (!isAppError(error)) throw error;
  }
}

/** A restored subscription was never connected: what its slot's name stands for at the publisher is the live database's. */
async function dropSubscriptions(session: Session): Promise<void> {
  const found = await session.query<{ name: string }>(
    `select s.subname as name from pg_catalog.pg_subscription s
       join pg_catalog.pg_database d on d.oid = s.subdbid where d.datname = pg_catalog.current_database()`,
  );
  for (const { name } of found) {
    const subscription = `subscription ${quoteIdentifier(name)}`;
    await session.query(`alter ${subscription} disable`);
    await session.query(`alter ${subscription} set (slot_name = none)`);
    await session.query(`drop ${subscription}`);
  }
}

/**
 * `handled_restoring_1a2b3c4d_9f8e7d6c_1234_567890`: random, and who makes it. The comment says more, but comes a moment
 * after the database: a process killed in between must be recognised too.
 */
async function temporaryName(): Promise<string> {
  const [random, maker] = [randomBytes(4).toString("hex"), await makerTag()];
  return `handled_restoring_${random}${maker === "" ? "" : `_${maker}`}`;
}

/** Drops what restores that were killed on this machine left on the server, and says so. */
export async function dropAbandoned(runtime: Runtime, admin: Session, signal: AbortSignal): Promise<void> {
  for (const { database, target, maker } of await listHalfMade(admin)) {
    if (maker !== "dead") continue;
    const made = target === null ? "" : ` of ${target}`;
    try {
      await makeReady(runtime, withDatabase(admin.settings, database), signal);
      await dropDatabase(admin, database);
    } catch (error) {
      if (!isAppError(error, "privilege_missing")) throw error;
      runtime.reporter.warn(`${database} was left behind by a restore that was killed: ${error.message}`);
      continue;
    }
    runtime.reporter.note(`dropped ${database}, left behind by a restore${made} that was killed`);
  }
}
