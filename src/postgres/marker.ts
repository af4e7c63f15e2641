import { z } from "zod";
import { quoteIdentifier, quoteLiteral, type Session } from "./session.ts";

/**
 * What Handled writes as the comment of a database that it made or set aside, so that the server itself tells what the
 * database is, whoever looks and whatever else was lost.
 */
const Marker = z.discriminatedUnion("purpose", [
  z.strictObject({
    program: z.literal("handled"),
    purpose: z.literal("restoring"),
    /** For whom it is being made. */
    target: z.string(),
    /** The process that makes it, as leases name it: tells a crashed restore from a running one. */
    holder: z.record(z.string(), z.unknown()),
    startedAt: z.iso.datetime(),
  }),
  z.strictObject({
    program: z.literal("handled"),
    purpose: z.literal("replaced"),
    /** The name it had, and gets back by `--undo`. */
    name: z.string(),
    at: z.iso.datetime(),
    /** After this time `handled prune` removes it. */
    dropAfter: z.iso.datetime(),
    /** What replaced it. */
    by: z.string(),
    /** The transaction that swapped (xid8): rows of the new database as young as this were written afterwards. */
    xid: z.string(),
    /** Its own comment, given back by `--undo`. */
    comment: z.string().nullable(),
    /** True for what an `--undo` set aside: a further undo does not bring it back. */
    undone: z.boolean(),
  }),
]);
export type Marker = z.infer<typeof Marker>;

/** The marker in a database's comment, or null when the comment is none of ours. */
export function parseMarker(comment: string | null): Marker | null {
  if (comment === null || !comment.startsWith("{")) return null;
  let value: unknown;
  try {
    value = JSON.parse(comment);
  } catch {
    return null; // somebody's comment that begins with a brace
  }
  const parsed = Marker.safeParse(value);
  return parsed.success ? parsed.data : null;
}

export interface MarkedDatabase {
  readonly database: string;
  readonly marker: Marker;
  /** Bytes on the server's disk; null where the role may not ask. */
  readonly bytes: number | null;
}

/** Every database of the server that carries a marker, oldest name first. */
export async function listMarked(session: Session): Promise<MarkedDatabase[]> {
  const rows = await session.query<{ database: string; comment: string | null; bytes: string | null }>(
    `select d.datname as database, pg_catalog.shobj_description(d.oid, 'pg_database') as comment,
            case when pg_catalog.has_database_privilege(d.oid, 'CONNECT') then pg_catalog.pg_database_size(d.oid) end as bytes
       from pg_catalog.pg_database d
      where pg_catalog.shobj_description(d.oid, 'pg_database') like '{%' order by 1`,
  );
  return rows.flatMap(({ database, comment, bytes }) => {
    const marker = parseMarker(comment);
    return marker === null ? [] : [{ database, marker, bytes: bytes === null ? null : Number(bytes) }];
  });
}

/** The SQL that marks a database; part of a larger transaction where that matters. */
export function markSql(database: string, marker: Marker): string {
  return commentSql(database, JSON.stringify(marker));
}

export function commentSql(database: string, comment: string | null): string {
  const value = comment === null ? "null" : quoteLiteral(comment);
  return `comment on database ${quoteIdentifier(database)} is ${value}`;
}
