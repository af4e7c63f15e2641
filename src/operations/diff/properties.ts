import { compareDefinitions, type DefinitionDifferences } from "../../engines/snapshot/definitions.ts";
import { type Extension, listExtensions } from "../../postgres/extensions.ts";
import { type Properties, readProperties } from "../../postgres/properties.ts";
import type { Session } from "../../postgres/session.ts";

/** What belongs to the database itself, and stands in no definition within it. */
export interface Belongings {
  readonly database: Properties;
  readonly extensions: readonly Extension[];
}

/** What a live database has of its own. Null when it was dropped or renamed under the session. */
export async function readBelongings(session: Session): Promise<Belongings | null> {
  const database = await readProperties(session, session.settings.database);
  return database === null ? null : { database, extensions: await listExtensions(session) };
}

/** Compares owners, locales, settings, privileges, comments and versions of extensions. Names only: settings may hold secrets. */
export function diffBelongings(first: Belongings, second: Belongings): DefinitionDifferences {
  return compareDefinitions(describe(first), describe(second));
}

function describe({ database, extensions }: Belongings): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const say = (name: string, text: string): void => {
    found.set(name, [...(found.get(name) ?? []), text].toSorted());
  };
  say("DATABASE OWNER", database.owner);
  say("DATABASE ENCODING", database.encoding);
  const { localeProvider, collate, ctype, locale, icuRules } = database;
  say("DATABASE LOCALE", JSON.stringify([localeProvider, collate, ctype, locale, icuRules]));
  say("DATABASE CONNECTION LIMIT", String(database.connectionLimit));
  if (database.comment !== null) say("DATABASE COMMENT", database.comment);
  for (const { role, assignment } of database.settings) {
    const [name = ""] = assignment.split("=", 1);
    say(`DATABASE SETTING ${name}${role === null ? "" : ` OF ROLE ${role}`}`, assignment);
  }
  for (const { grantee, privilege, grantable } of database.grants ?? defaultGrants(database.owner)) {
    say(
      `DATABASE PRIVILEGES OF ${grantee ?? "PUBLIC"}`,
      `${privilege}${grantable ? " with grant option" : ""}`,
    );
  }
  for (const { name, schema, version } of extensions) say(`EXTENSION ${name}`, `${version} in ${schema}`);
  return found;
}

/** What no privileges of its own stand for: `acldefault('d', owner)`. */
function defaultGrants(owner: string): NonNullable<Properties["grants"]> {
  const of = (grantee: string | null, ...privileges: string[]): NonNullable<Properties["grants"]> =>
    privileges.map((privilege) => ({ grantee, privilege, grantable: false }));
  return [...of(null, "CONNECT", "TEMPORARY"), ...of(owner, "CONNECT", "CREATE", "TEMPORARY")];
}
