import { randomBytes } from "node:crypto";
import { messageOf } from "../../errors.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { dropDatabase } from "../../postgres/admin.ts";
import { type ConnectionSettings, withDatabase } from "../../postgres/connection.ts";
import { listMarked, markSql } from "../../postgres/marker.ts";
import { createDatabase, type Properties } from "../../postgres/properties.ts";
import { connect, type Session } from "../../postgres/session.ts";
import { describeHolder, stateOfHolder } from "../../repository/holder.ts";
import { Holder } from "../../repository/manifest.ts";

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
  const name = `handled_restoring_${randomBytes(4).toString("hex")}`;
  await createDatabase(admin, name, properties);
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
        holder: await describeHolder("restore"),
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

const CLEAN_UP_MS = 30_000;

/** On a connection and a signal of its own: those of the restore may be what failed. */
async function dropAfterFailure(runtime: Runtime, settings: ConnectionSettings, name: string): Promise<void> {
  try {
    await using session = await connect(runtime, settings, AbortSignal.timeout(CLEAN_UP_MS));
    await dropDatabase(session, name);
  } catch (error) {
    // The first error is the one to report; this database is recognised and dropped by the next restore.
    runtime.reporter.warn(
      `drop ${name}, the half-made database: ${messageOf(error)}; the next restore drops it`,
    );
  }
}

/** Drops what restores that were killed on this machine left on the server, and says so. */
export async function dropAbandoned(runtime: Runtime, admin: Session): Promise<void> {
  const self = await describeHolder("restore");
  for (const { database, marker } of await listMarked(admin)) {
    // The comment stays when a finished restore could not take it away; only the name says "in the making".
    if (marker.purpose !== "restoring" || !/^handled_restoring_[0-9a-f]{8}$/.test(database)) continue;
    const holder = Holder.safeParse(marker.holder);
    if (!holder.success || (await stateOfHolder(holder.data, self)) !== "dead") continue;
    await dropDatabase(admin, database);
    runtime.reporter.note(
      `dropped ${database}, left behind by a restore of ${marker.target} that was killed`,
    );
  }
}
