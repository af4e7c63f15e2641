import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { formatLocalTime } from "../../lib/local-time.ts";
import { counted } from "../../lib/text.ts";
import { databaseExists } from "../../postgres/admin.ts";
import type { PostgresClient } from "../../postgres/clients.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import {
  applyProperties,
  compareProperties,
  type Properties,
  readProperties,
} from "../../postgres/properties.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { carryOver } from "./carry-over.ts";
import { exchangeDatabases } from "./exchange.ts";
import { freeName } from "./names.ts";
import { compareOutside } from "./compare-outside.ts";
import { readDrift, readLargeObjectDrift } from "./drift.ts";
import { holdOutside } from "./hold-outside.ts";
import { listUncarriable } from "./outside.ts";
import { createTemporaryDatabase } from "./temporary-database.ts";

export interface SwapCall {
  readonly client: PostgresClient;
  readonly admin: Session;
  /** The live database. */
  readonly live: ConnectionSettings;
  /** The schemas that come from the backup; null: all of the database does. */
  readonly inside: readonly string[] | null;
  /** What replaces it, for the record: a backup's id. */
  readonly by: string;
  readonly timeZone: string;
  readonly keepReplacedMs: number;
  readonly lockTimeoutMs: number;
  /** Brings the backup's part into the copy and compares its rows. */
  readonly fill: (copy: ConnectionSettings) => Promise<void>;
}

export interface SwapResult {
  /** The name under which the replaced database stays. */
  readonly before: string;
  readonly dropAfter: Date;
  /** Sessions of others in the replaced database that had to be ended. */
  readonly endedSessions: number;
}

/**
 * What can be seen of a swap before anything is made or stopped: that there is a database to replace, and that all of it
 * outside the given schemas can be carried over. Fails with `swap_refused`.
 */
export async function requireSwappable(
  runtime: Runtime,
  { admin, live, inside }: Pick<SwapCall, "admin" | "live" | "inside">,
  signal: AbortSignal,
): Promise<void> {
  if (!(await databaseExists(admin, live.database))) throw nothingToReplace(live.database);
  await using session = await connect(runtime, live, signal);
  await requireCarriable(session, inside ?? []);
}

/**
 * Restores beside the live database, checks, and swaps by name. What the backup does not hold (other schemas,
 * extensions, owner, encoding, locale, settings, grants) is carried over from the live database and compared; any
 * difference is `swap_refused` with the list. Until the last transaction the live database is only read.
 */
export async function swapDatabase(
  runtime: Runtime,
  call: SwapCall,
  signal: AbortSignal,
): Promise<SwapResult> {
  const { admin, live } = call;
  const properties = await readProperties(admin, live.database);
  if (properties === null) throw nothingToReplace(live.database);
  await using copy = await createTemporaryDatabase(runtime, admin, live.database, properties);
  const watcher = await connect(runtime, live, signal);
  try {
    const lookOutside =
      call.inside === null
        ? await fillWhole(call, watcher, copy.settings)
        : await fillBeside(runtime, call, call.inside, watcher, copy.settings, signal);
    await requireSameProperties(call, copy.name, properties);
    const lastLook = async (): Promise<void> => {
      await lookOutside();
      const now = await readProperties(admin, live.database);
      if (now === null || compareProperties(properties, now).length > 0) throw drifted(live.database);
    };
    const at = runtime.clock.now();
    const before = await freeName(admin, live.database, `_before_${formatLocalTime(at, call.timeZone)}`);
    const dropAfter = new Date(at.getTime() + call.keepReplacedMs);
    const endedSessions = await exchangeDatabases(
      runtime,
      {
        server: admin.settings,
        live: live.database,
        replaced: {
          aside: before,
          marker: (xid) => ({
            program: "handled",
            purpose: "replaced",
            name: live.database,
            at: at.toISOString(),
            dropAfter: dropAfter.toISOString(),
            by: call.by,
            xid,
            comment: properties.comment,
            undone: false,
          }),
          watcher: { session: watcher, lastLook },
        },
        replacement: copy.name,
        comment: properties.comment,
      },
      signal,
    );
    copy.keep();
    // Told at once: should what follows fail, this has happened all the same.
    runtime.reporter.note(`swapped: the database that was in place is ${before} now`);
    return { before, dropAfter, endedSessions };
  } finally {
    await watcher[Symbol.asyncDispose]();
  }
}

type LastLook = () => Promise<void>;

async function fillWhole(call: SwapCall, watcher: Session, copy: ConnectionSettings): Promise<LastLook> {
  await requireCarriable(watcher, []);
  await call.fill(copy);
  return () => Promise.resolve();
}

async function fillBeside(
  runtime: Runtime,
  call: SwapCall,
  inside: readonly string[],
  watcher: Session,
  copy: ConnectionSettings,
  signal: AbortSignal,
): Promise<LastLook> {
  await requireCarriable(watcher, inside);
  // The watcher sees its snapshot only; this one sees what is now.
  await using observer = await connect(runtime, call.live, signal);
  const snapshot = await holdOutside(watcher, observer, inside, call.lockTimeoutMs);
  const drift = await readDrift(observer, inside);
  const largeObjects = await largeObjectDrift(observer);
  await carryOver(
    runtime,
    {
      client: call.client,
      live: watcher,
      snapshot,
      copy,
      inside,
      fillInside: () => call.fill(copy),
    },
    signal,
  );
  await using session = await connect(runtime, copy, signal);
  const problems = await compareOutside(
    runtime,
    call.client,
    { session: watcher, snapshot },
    session,
    inside,
    signal,
  );
  if (problems.length > 0) throw notCarried(call.live.database, problems);
  runtime.reporter.note("everything outside the backup's schemas was carried over and compared");
  const held = largeObjects !== null && (await lockLargeObjects(watcher));
  if ((await largeObjectDrift(observer)) !== largeObjects) throw drifted(call.live.database);
  return async () => {
    // The transaction's snapshot is old by now. Its locks have done their work: nobody but us is connected any more.
    await watcher.query("commit");
    if ((await readDrift(watcher, inside)) !== drift) throw drifted(call.live.database);
    if (!held && (await largeObjectDrift(watcher)) !== largeObjects) throw drifted(call.live.database);
  };
}

/** Null when there are none. */
async function largeObjectDrift(session: Session): Promise<string | null> {
  const some = await session.query("select from pg_catalog.pg_largeobject_metadata limit 1");
  return some.length === 0 ? null : await readLargeObjectDrift(session);
}

/**
 * Keeps large objects as they are; false when the role may not. Not to be called earlier: their readers, `pg_dump` among
 * them, take a lock that this one excludes.
 */
async function lockLargeObjects(watcher: Session): Promise<boolean> {
  const [row] = await watcher.query<{ may: boolean }>(
    "select pg_catalog.has_table_privilege('pg_catalog.pg_largeobject', 'UPDATE, DELETE, TRUNCATE') as may",
  );
  if (row?.may !== true) return false;
  await watcher.query("lock table pg_catalog.pg_largeobject in share mode");
  return true;
}

function drifted(database: string): AppError {
  return new AppError(
    "swap_refused",
    `swap ${database}: it was changed outside the backup's schemas meanwhile`,
    {
      hint: "stop what writes to it, then run the command again; nothing was changed",
    },
  );
}

function nothingToReplace(database: string): AppError {
  return new AppError("swap_refused", `swap ${database}: there is no such database to replace`, {
    hint: `restore it with \`--new-database ${database}\``,
  });
}

async function requireCarriable(live: Session, inside: readonly string[]): Promise<void> {
  const problems = await listUncarriable(live, inside);
  if (problems.length === 0) return;
  throw new AppError(
    "swap_refused",
    `swap ${live.settings.database}: ${counted(problems.length, "thing")} cannot be carried over: ${problems.join(", ")}`,
    { hint: "restore into a new database (`--new-database`) and move these by hand", details: { problems } },
  );
}

function notCarried(database: string, problems: readonly string[]): AppError {
  return new AppError(
    "swap_refused",
    `swap ${database}: the copy differs outside the backup's schemas: ${problems.slice(0, 10).join("; ")}${problems.length > 10 ? `; and ${problems.length - 10} more` : ""}`,
    {
      hint: "nothing was changed; restore into a new database (`--new-database`) instead",
      details: { problems },
    },
  );
}

async function requireSameProperties(call: SwapCall, copy: string, properties: Properties): Promise<void> {
  const { admin, live } = call;
  // The comment is given in the last transaction: until then it marks the copy as unfinished.
  const { comment: _, ...rest } = properties;
  await applyProperties(admin, copy, { ...rest, comment: null });
  const after = await readProperties(admin, copy);
  const problems =
    after === null ? ["the copy is gone"] : compareProperties({ ...rest, comment: after.comment }, after);
  if (problems.length > 0) throw notCarried(live.database, problems);
}
