import type { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { lockTimeout } from "./blockers.ts";
import type { Session } from "./session.ts";

// Often enough to keep a promise of seconds, seldom enough to be no load.
const LOOK_EVERY_MS = 1000;

export interface Watched {
  /** Only sessions of this application name are watched: give each run one of its own. */
  readonly applicationName: string;
  /** As a person would call them: `pg_dump`. */
  readonly label: string;
  readonly lockTimeoutMs: number;
}

/**
 * Watches sessions that are not ours but a tool's, until the signal is aborted; then returns undefined. Returns a
 * `lock_timeout` error, naming the blocking session, as soon as one of them has waited too long for one lock. `pg_dump`
 * bounds only its waits for tables: at a sequence, a view or an index it would wait for ever, and it never says for whom.
 */
export async function watchLocks(
  runtime: Runtime,
  session: Session,
  watched: Watched,
  signal: AbortSignal,
): Promise<AppError | undefined> {
  const since = new Map<string, number>();
  while (await pause(runtime, Math.min(LOOK_EVERY_MS, watched.lockTimeoutMs), signal)) {
    const waits = await findWaits(session, watched.applicationName);
    const now = runtime.clock.monotonic();
    for (const [key] of since) if (!waits.has(key)) since.delete(key);
    for (const [key, relation] of waits) {
      const began = since.get(key) ?? now;
      since.set(key, began);
      if (now - began < watched.lockTimeoutMs) continue;
      return await lockTimeout(session, {
        operation: `wait for ${watched.label}`,
        relations: relation === null ? null : [relation],
        waitedMs: watched.lockTimeoutMs,
      });
    }
  }
  return undefined;
}

/** False when the signal was aborted meanwhile. */
async function pause(runtime: Runtime, ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await runtime.clock.wait(ms, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return !signal.aborted;
}

/** Each wait of now, by what makes it this one and no later one; with the oid of the relation, if it is for one. */
async function findWaits(session: Session, applicationName: string): Promise<Map<string, number | null>> {
  const rows = await session.query<{ key: string; relation: string | null }>(
    `select pg_catalog.concat_ws(' ', a.pid, a.query_start, l.locktype, l.relation) as key, l.relation::text as relation
       from pg_catalog.pg_stat_activity a join pg_catalog.pg_locks l on l.pid = a.pid and not l.granted
      where a.application_name = $1`,
    [applicationName],
  );
  return new Map(rows.map(({ key, relation }) => [key, relation === null ? null : Number(relation)]));
}
