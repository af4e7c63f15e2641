import { errorCode } from "../errors.ts";
import type { Session } from "./session.ts";

export interface ServerFacts {
  /** `15.18 (Debian 15.18-0+deb12u1)`. */
  readonly version: string;
  /** `server_version_num`: 150018. */
  readonly versionNumber: number;
  /** Null where the role may not ask. */
  readonly systemIdentifier: string | null;
  /** The one it writes; of a standby the one of its last checkpoint. Null where the role may not ask. */
  readonly timeline: number | null;
  readonly database: string;
}

/** What identifies the server behind a session. Must not run inside a transaction: a refusal would end it. */
export async function readServerFacts(session: Session): Promise<ServerFacts> {
  const [row] = await session.query<{ version: string; database: string }>(
    "select pg_catalog.current_setting('server_version') as version, pg_catalog.current_database() as database",
  );
  const control = await readControl(session);
  return {
    version: row?.version ?? "",
    versionNumber: session.serverVersion,
    systemIdentifier: control?.system ?? null,
    timeline: (await readWrittenTimeline(session)) ?? control?.timeline ?? null,
    database: row?.database ?? "",
  };
}

/** The database's encoding by PostgreSQL's name: `UTF8`, `LATIN1`, `SQL_ASCII`. */
export async function readEncoding(session: Session): Promise<string> {
  const [row] = await session.query<{ encoding: string }>(
    "select pg_catalog.current_setting('server_encoding') as encoding",
  );
  return row?.encoding ?? "";
}

async function readControl(session: Session): Promise<{ system: string; timeline: number } | undefined> {
  try {
    const [row] = await session.query<{ system: string; timeline: number }>(
      `select s.system_identifier::text as system, c.timeline_id as timeline
         from pg_catalog.pg_control_system() s, pg_catalog.pg_control_checkpoint() c`,
    );
    return row;
  } catch (error) {
    // Some services revoke these functions; the backup is as good without them.
    if (errorCode(error) === "privilege_missing") return undefined;
    throw error;
  }
}

/**
 * The timeline that a server writes: pg_control has that of its last checkpoint, which may be minutes away when it has taken over. It is the
 * first eight digits of a log file's name (XLogFileName in src/include/access/xlog_internal.h). Undefined of a standby, and where
 * the server does not tell.
 */
async function readWrittenTimeline(session: Session): Promise<number | undefined> {
  try {
    const [row] = await session.query<{ file: string }>(
      `select pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()) as file where not pg_catalog.pg_is_in_recovery()`,
    );
    return row === undefined ? undefined : Number.parseInt(row.file.slice(0, 8), 16);
  } catch (error) {
    // Services whose log is not PostgreSQL's own refuse it in their own ways.
    if (["privilege_missing", "query_failed"].includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
}
