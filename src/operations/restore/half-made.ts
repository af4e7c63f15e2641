import { formatBytes, formatDuration } from "../../lib/text.ts";
import { parseMarker } from "../../postgres/marker.ts";
import { quoteIdentifier, type Session } from "../../postgres/session.ts";
import { describeHolder, type HolderState, stateOfHolder } from "../../repository/holder.ts";
import { isMakerGone } from "../../repository/maker.ts";
import { Holder } from "../../repository/manifest.ts";

/** A database that a restore is making, or was making when it was killed. */
export interface HalfMade {
  readonly database: string;
  /** The name it is made for, and since when; null where its maker was killed before it could write that down. */
  readonly target: string | null;
  readonly startedAt: Date | null;
  /** Who makes it; null where that is not written down. */
  readonly holder: Holder | null;
  /** Whether that process lives. */
  readonly maker: HolderState;
  /** Bytes on the server's disk; null where the role may not ask. */
  readonly bytes: number | null;
}

const PREFIX = "handled_restoring_1a2b3c4d_";

/** All there are on the session's server, by name. */
export async function listHalfMade(session: Session): Promise<HalfMade[]> {
  const self = await describeHolder("restore");
  // The comment stays when a finished restore could not take it away; only the name says "in the making".
  const found = await session.query<{ database: string; comment: string | null; bytes: string | null }>(
    `select d.datname as database, pg_catalog.shobj_description(d.oid, 'pg_database') as comment,
            case when pg_catalog.has_database_privilege(d.oid, 'CONNECT') then pg_catalog.pg_database_size(d.oid) end as bytes
       from pg_catalog.pg_database d where d.datname ~ '^handled_restoring_[0-9a-f]{8}(_|$)' order by 1`,
  );
  return await Promise.all(
    found.map(async ({ database, comment, bytes }): Promise<HalfMade> => {
      const marker = parseMarker(comment);
      const made = marker?.purpose === "restoring" ? marker : null;
      const holder = Holder.safeParse(made?.holder).data ?? null;
      return {
        database,
        target: made?.target ?? null,
        startedAt: made === null ? null : new Date(made.startedAt),
        holder,
        maker: await makerOf(database, holder, self),
        bytes: bytes === null ? null : Number(bytes),
      };
    }),
  );
}

async function makerOf(database: string, holder: Holder | null, self: Holder): Promise<HolderState> {
  if (holder !== null) return await stateOfHolder(holder, self);
  return (await isMakerGone(database.slice(PREFIX.length))) ? "dead" : "unknown";
}

/** What is to be said of one whose maker is not known to live, and what to do about it. */
export function describeHalfMade(
  { database, target, startedAt, maker, bytes }: HalfMade,
  now: Date,
): { readonly message: string; readonly hint: string } {
  const size = bytes === null ? "" : ` (${formatBytes(bytes)})`;
  const made = target === null ? "" : ` of ${target}`;
  const since =
    startedAt === null
      ? ""
      : `, begun ${formatDuration(Math.max(0, now.getTime() - startedAt.getTime()))} ago`;
  const drop = `\`drop database ${quoteIdentifier(database)}\``;
  const why =
    maker === "dead"
      ? "the restore that made it was killed"
      : target === null
        ? "its maker is unknown"
        : "its restore runs on another machine, or was killed";
  return {
    message: `half-made database ${database}${size}${made}${since}: ${why}`,
    hint:
      maker === "dead"
        ? `the next \`handled restore\` from this machine onto that server drops it; ${drop} does at once`
        : `if no restore is running, ${drop}; a restore on the machine that made it drops it too`,
  };
}
