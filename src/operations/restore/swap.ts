import { AppError } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { formatLocalTime } from "../../lib/local-time.ts";
import { counted } from "../../lib/text.ts";
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
import { suffixedName } from "./names.ts";
import { compareOutside, listUncarriable, lockOutside, readDrift } from "./outside.ts";
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
  if (properties === null) {
    throw new AppError("swap_refused", `swap ${live.database}: there is no such database to replace`, {
      hint: `restore it with \`--new-database ${live.database}\``,
    });
  }
  await using copy = await createTemporaryDatabase(runtime, admin, live.database, properties);
  const watcher = await connect(runtime, live, signal);
  try {
    const lastLook =
      call.inside === null
        ? await fillWhole(call, watcher, copy.settings)
        : await fillBeside(runtime, call, call.inside, watcher, copy.settings, signal);
    await requireSameProperties(call, copy.name, properties);
    const at = runtime.clock.now();
    const before = suffixedName(live.database, `_before_${formatLocalTime(at, call.timeZone)}`);
    const dropAfter = new Date(at.getTime() + call.keepReplacedMs);
    await exchangeDatabases(
      runtime,
      {
        server: admin.settings,
        live: live.database,
        replacement: copy.name,
        comment: properties.comment,
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
      signal,
    );
    copy.keep();
    return { before, dropAfter };
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
  await watcher.query("begin isolation level repeatable read");
  await lockOutside(watcher, inside, call.lockTimeoutMs);
  const [exported] = await watcher.query<{ snapshot: string }>(
    "select pg_catalog.pg_export_snapshot() as snapshot",
  );
  const snapshot = exported?.snapshot ?? "";
  const drift = await readDriftNow(runtime, call.live, inside, signal);
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
  return async () => {
    // The transaction's snapshot is old by now, and its locks must hold until the database is nobody's: look from
    // within it at what its snapshot does not hide.
    await watcher.query("commit");
    if ((await readDrift(watcher, inside)) !== drift) {
      throw new AppError(
        "swap_refused",
        `swap ${call.live.database}: it was changed outside the backup's schemas meanwhile`,
        {
          hint: "stop what writes to it, then run the command again; nothing was changed",
        },
      );
    }
  };
}

/** As of now, on a connection of its own: the watcher sees its snapshot only. */
async function readDriftNow(
  runtime: Runtime,
  live: ConnectionSettings,
  inside: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  await using session = await connect(runtime, live, signal);
  return await readDrift(session, inside);
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
