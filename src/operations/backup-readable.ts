import { AppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import {
  listChildrenOutside,
  listRelations,
  listRowSecured,
  listUnreadable,
  requireSchemas,
} from "../postgres/catalog.ts";
import { listUnreadableLargeObjects } from "../postgres/large-objects.ts";
import { quoteIdentifier, type Session } from "../postgres/session.ts";
import { listUnreadableNames } from "../postgres/unreadable-names.ts";

/** Fails unless the schemas exist and the role may read everything in them: a skipped table would be a lie. */
export async function requireReadable(session: Session, schemas: readonly string[] | null): Promise<void> {
  await requireNamesInUtf8(session, schemas);
  if (schemas !== null) await requireSchemas(session, schemas);
  const { user } = session.settings;
  const objects = schemas === null ? await listUnreadableLargeObjects(session) : [];
  const unreadable = [
    ...(await listUnreadable(session, await listRelations(session, schemas), schemas)),
    ...objects.map((oid) => `large object ${oid}`),
  ];
  if (unreadable.length > 0) {
    throw new AppError("privilege_missing", `role ${user} may not read ${someOf(unreadable)}`, {
      hint: `grant it: \`grant usage on schema … to ${quoteIdentifier(user)}; grant select on … to ${quoteIdentifier(user)}\``,
      details: { unreadable },
    });
  }
  const secured = await listRowSecured(session, schemas);
  if (secured.length === 0) return;
  throw new AppError(
    "privilege_missing",
    `row level security hides rows from ${user} in ${someOf(secured)}`,
    {
      hint: `as a superuser: \`alter role ${quoteIdentifier(user)} bypassrls\`; or back up as the tables' owner`,
      details: { secured },
    },
  );
}

/** Names are written into manifests, which are text. */
async function requireNamesInUtf8(session: Session, schemas: readonly string[] | null): Promise<void> {
  const names = await listUnreadableNames(session, schemas);
  if (names.length === 0) return;
  throw new AppError("query_failed", `read names in a database in SQL_ASCII: not UTF-8: ${someOf(names)}`, {
    hint: "rename them (psql with `PGCLIENTENCODING=SQL_ASCII` can); until then take backups with `pg_dump`, which carries any bytes, and restore them with `pg_restore`",
    details: { names },
  });
}

/** A query of the parent shows rows that lie in another schema, and the backup does not have them. */
export async function warnOfChildren(
  runtime: Runtime,
  session: Session,
  schemas: readonly string[],
): Promise<void> {
  const outside = await listChildrenOutside(session, schemas);
  if (outside.length === 0) return;
  runtime.reporter.warn(
    `not in this backup, though tables of the chosen schemas show their rows: ${someOf(outside)}, which lie in other schemas`,
  );
}

function someOf(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return `${names.slice(0, 5).join(", ")}${more}`;
}
