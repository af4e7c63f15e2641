import { listExtensions } from "../postgres/extensions.ts";
import { readEncoding } from "../postgres/server.ts";
import type { Session } from "../postgres/session.ts";

/**
 * Extensions that a dump of chosen schemas takes along (`pg_dump -e`): those that live in these schemas or in
 * `public`. The ones in other schemas are created by the restore, for the dump could not create their schema.
 */
export async function extensionsIn(session: Session, schemas: readonly string[] | null): Promise<string[]> {
  if (schemas === null) return [];
  const extensions = await listExtensions(session);
  return extensions
    .filter((extension) => schemas.includes(extension.schema) || extension.schema === "public")
    .map((extension) => extension.name);
}

/**
 * The encoding that definitions are dumped in: one for all databases, so that their texts can be compared and written beside
 * others, whatever a role or the environment asks for. Undefined, for the database's own, in SQL_ASCII: there bytes stand
 * for nothing, and a dump that called them UTF-8 could not be restored.
 */
export async function definitionsEncoding(session: Session): Promise<"UTF8" | undefined> {
  return (await readEncoding(session)) === "SQL_ASCII" ? undefined : "UTF8";
}

/**
 * The encoding that a whole dump is made in; undefined for the database's own. `pg_dump` takes its arguments to be in the
 * dump's encoding, and ours are UTF-8: where that makes a difference the dump is made in UTF-8.
 */
export async function encodingFor(session: Session, names: readonly string[]): Promise<"UTF8" | undefined> {
  if (names.every((name) => /^[\x20-\x7e]*$/.test(name))) return undefined;
  return await definitionsEncoding(session);
}
