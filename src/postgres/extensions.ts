import { quoteIdentifier, quoteLiteral, type Session } from "./session.ts";

export interface Extension {
  readonly name: string;
  readonly schema: string;
  readonly version: string;
}

/** The installed extensions but `plpgsql`, which every database has; those that others need come first. */
export async function listExtensions(session: Session): Promise<Extension[]> {
  return await session.query<{ name: string; schema: string; version: string }>(
    `select e.extname as name, n.nspname as schema, e.extversion as version
       from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
      where e.extname <> 'plpgsql' order by e.oid`,
  );
}

/**
 * Installs extensions with their schemas, in the given order (those that others need first). The recorded version is preferred; where the server no
 * longer offers it, its default one is installed and the difference returned as a sentence.
 */
export async function createExtensions(
  session: Session,
  extensions: readonly Extension[],
): Promise<string[]> {
  const notes: string[] = [];
  for (const { name, schema, version } of extensions) {
    await session.query(`create schema if not exists ${quoteIdentifier(schema)}`);
    const offered = await session.query<{ version: string }>(
      "select version from pg_catalog.pg_available_extension_versions where name = $1",
      [name],
    );
    const exact = offered.some((row) => row.version === version);
    const clause = exact ? ` version ${quoteLiteral(version)}` : "";
    await session.query(
      `create extension if not exists ${quoteIdentifier(name)} with schema ${quoteIdentifier(schema)}${clause}`,
    );
    if (!exact)
      notes.push(`extension ${name}: version ${version} is not offered here, installed the default one`);
  }
  return notes;
}
