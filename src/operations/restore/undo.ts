import { AppError } from "../../errors.ts";
import { formatLocalTime } from "../../lib/local-time.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { connectBeside, databaseExists } from "../../postgres/admin.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { isHeartbeat } from "../../postgres/heartbeat.ts";
import { listMarked, type Marker } from "../../postgres/marker.ts";
import { readProperties } from "../../postgres/properties.ts";
import { connect, quoteName, type Session } from "../../postgres/session.ts";
import { listRelations } from "../../postgres/catalog.ts";
import type { ApplicationCommands } from "../application.ts";
import { exchangeDatabases } from "./exchange.ts";
import { freeName } from "./names.ts";
import { whileStopped } from "./while-stopped.ts";

export interface UndoRequest {
  /** The database that was replaced. */
  readonly connection: ConnectionSettings;
  readonly application: ApplicationCommands | null;
  readonly timeZone: string;
  readonly keepReplacedMs: number;
  readonly dryRun: boolean;
  readonly confirm: (preview: UndoPreview) => Promise<void>;
}

interface LaterWrites {
  readonly schema: string;
  readonly name: string;
  /** Rows inserted or updated since the swap that are still there. Deleted rows leave no trace to count. */
  readonly rows: number;
}

export interface UndoPreview {
  readonly database: string;
  /** The replaced database that comes back. */
  readonly before: string;
  readonly swappedAt: Date;
  /** What replaced it. */
  readonly by: string;
  /** What was written to the present database since the swap, and would be set aside with it. */
  readonly laterWrites: readonly LaterWrites[];
}

export interface UndoReport {
  readonly preview: UndoPreview;
  /** False after a dry run. */
  readonly done: boolean;
  /** The name under which the database that was in place stays; null where there was none. */
  readonly undone: string | null;
  /** Sessions of others in the database that was in place that had to be ended. */
  readonly endedSessions: number;
}

/** Puts the database that the last swap replaced back in its place. The one that was there is kept under another name. */
export async function undoSwap(
  runtime: Runtime,
  request: UndoRequest,
  signal: AbortSignal,
): Promise<UndoReport> {
  const live = request.connection.database;
  await using admin = await connectBeside(runtime, request.connection, [live], signal);
  const { database: before, marker } = await findReplaced(admin, live);
  const preview: UndoPreview = {
    database: live,
    before,
    swappedAt: new Date(marker.at),
    by: marker.by,
    laterWrites: (await databaseExists(admin, live))
      ? await laterWrites(runtime, request, marker.xid, signal)
      : [],
  };
  if (request.dryRun) return { preview, done: false, undone: null, endedSessions: 0 };
  await request.confirm(preview);
  const exchange = () => putBack(runtime, request, admin, before, marker, signal);
  const result =
    request.application === null
      ? await exchange()
      : await whileStopped(
          runtime,
          request.application,
          { work: exchange, done: `${before} is in place again`, hint: null },
          signal,
        );
  return { preview, done: true, ...result };
}

type Replaced = Extract<Marker, { purpose: "replaced" }>;

async function findReplaced(admin: Session, live: string): Promise<{ database: string; marker: Replaced }> {
  const replaced = (await listMarked(admin)).flatMap(({ database, marker }) =>
    marker.purpose === "replaced" && marker.name === live && !marker.undone ? [{ database, marker }] : [],
  );
  const newest = replaced.toSorted((a, b) => (a.marker.at < b.marker.at ? 1 : -1))[0];
  if (newest !== undefined) return newest;
  throw new AppError(
    "backup_missing",
    `undo the swap of ${live}: the server keeps no database that a swap replaced`,
    {
      hint: "replaced databases are named NAME_before_<time> and are dropped when their lifetime is over",
    },
  );
}

async function laterWrites(
  runtime: Runtime,
  request: UndoRequest,
  swapXid: string,
  signal: AbortSignal,
): Promise<LaterWrites[]> {
  await using session = await connect(runtime, request.connection, signal);
  const found: LaterWrites[] = [];
  for (const { schema, name, kind } of await listRelations(session, null)) {
    if (kind !== "table" || isHeartbeat({ schema, name })) continue;
    // Rows younger than the swap's transaction. Ages compare 32-bit ids the right way round; frozen rows are old.
    const [row] = await session.query<{ rows: string }>(
      `select count(*) as rows from only ${quoteName(schema, name)} t
        where pg_catalog.age(t.xmin) between 0 and pg_catalog.age((($1::numeric % 4294967296)::text)::xid)`,
      [swapXid],
    );
    if (Number(row?.rows) > 0) found.push({ schema, name, rows: Number(row?.rows) });
  }
  return found;
}

async function putBack(
  runtime: Runtime,
  request: UndoRequest,
  admin: Session,
  before: string,
  marker: Replaced,
  signal: AbortSignal,
): Promise<Pick<UndoReport, "undone" | "endedSessions">> {
  const live = request.connection.database;
  const present = await readProperties(admin, live);
  const at = runtime.clock.now();
  const aside = await freeName(admin, live, `_undone_${formatLocalTime(at, request.timeZone)}`);
  const endedSessions = await exchangeDatabases(
    runtime,
    {
      server: admin.settings,
      live,
      replaced:
        present === null
          ? null
          : {
              aside,
              marker: (xid) => ({
                program: "handled",
                purpose: "replaced",
                name: live,
                at: at.toISOString(),
                dropAfter: new Date(at.getTime() + request.keepReplacedMs).toISOString(),
                by: `undo of ${marker.by}`,
                xid,
                comment: present.comment,
                undone: true,
              }),
              watcher: null,
            },
      replacement: before,
      comment: marker.comment,
    },
    signal,
  );
  return { undone: present === null ? null : aside, endedSessions };
}
