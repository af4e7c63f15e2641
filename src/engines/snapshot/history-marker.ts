import { randomBytes } from "node:crypto";
import { isAppError } from "../../errors.ts";
import { quoteLiteral, type Session } from "../../postgres/session.ts";

/** Transactions of the role's own, empty, and how each ended: `1` committed, `0` rolled back. */
export interface HistoryMarker {
  readonly xids: string[];
  readonly bits: string;
}

const BITS = 64;

/**
 * Guard G1 of `docs/design/snapshot-engine.md`: leaves a mark in the server's history of transactions that a later
 * snapshot can look for. Ends 64 empty transactions, each by commit or rollback as a random bit says; a history that was
 * rewound and went another way agrees with all of them once in 2^64. Needs no privilege but to connect, and 64
 * transaction ids. The session must not be in a transaction. Returns why not, in words, where the server cannot do it:
 * it is a standby, or lacks PL/pgSQL.
 */
export async function writeMarker(session: Session): Promise<HistoryMarker | string> {
  const bits = BigInt(`0x${randomBytes(BITS / 8).toString("hex")}`)
    .toString(2)
    .padStart(BITS, "0");
  let xids: string[] | null | undefined;
  try {
    await session.query(
      `do $$ declare x xid8[] := '{}';
       begin
         for i in 1..${BITS} loop
           x := x || pg_catalog.pg_current_xact_id();
           if pg_catalog.substr(${quoteLiteral(bits)}, i, 1) = '1' then commit; else rollback; end if;
         end loop;
         perform pg_catalog.set_config('handled.marker', x::text, false);
       end $$`,
    );
    // Nothing, or those of an earlier marker, behind a pooler that asks another connection.
    const [row] = await session.query<{ xids: string[] | null }>(
      "select pg_catalog.current_setting('handled.marker', true)::text[] as xids",
    );
    xids = row?.xids;
  } catch (error) {
    if (!isAppError(error, "query_failed") && !isAppError(error, "privilege_missing")) throw error;
    return `the server takes no marker: ${error.message}`;
  }
  return xids?.length === BITS ? { xids, bits } : "the server lost the marker";
}

/**
 * Whether the session's server has the marker in its history. False also when that cannot be told any more, for the
 * server forgets how old transactions ended. The session must be in a transaction, which stays usable.
 */
export async function hasMarker(session: Session, { xids, bits }: HistoryMarker): Promise<boolean> {
  await session.query("savepoint marker");
  try {
    const [row] = await session.query<{ same: boolean | null }>(
      `select pg_catalog.bool_and(coalesce(pg_catalog.pg_xact_status(u.x), 'gone')
                = case pg_catalog.substr($2::text, u.i::int, 1) when '1' then 'committed' else 'aborted' end) as same
         from pg_catalog.unnest($1::text[]::xid8[]) with ordinality u(x, i)`,
      [xids, bits],
    );
    await session.query("release savepoint marker");
    return row?.same === true;
  } catch (error) {
    // "transaction ID … is in the future": this history has not come so far.
    if (!isAppError(error, "query_failed")) throw error;
    await session.query("rollback to savepoint marker");
    return false;
  }
}
