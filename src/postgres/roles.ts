import { AppError, isAppError } from "../errors.ts";
import { isSqlState, quoteIdentifier, type Session } from "./session.ts";

/**
 * Makes sure that every named role exists, so that owners and grants of a dump can be given back. Missing ones are
 * created without the right to log in, and returned. Fails with `privilege_missing` where the session's role may not.
 */
export async function ensureRoles(session: Session, names: readonly string[]): Promise<string[]> {
  const present = new Set(
    (await session.query<{ rolname: string }>("select rolname from pg_catalog.pg_roles")).map(
      (row) => row.rolname,
    ),
  );
  const missing = [...new Set(names)].filter((name) => !present.has(name));
  const created: string[] = [];
  for (const name of missing) {
    try {
      await session.query(`create role ${quoteIdentifier(name)} nologin`);
      created.push(name);
    } catch (error) {
      // Somebody else was faster; which of the two depends on how much.
      if (isSqlState(error, DUPLICATE_OBJECT) || isSqlState(error, UNIQUE_VIOLATION)) continue;
      if (!isAppError(error, "privilege_missing")) throw error;
      throw new AppError(
        "privilege_missing",
        `restore: the dump names roles that this server does not have: ${missing.join(", ")}`,
        {
          cause: error,
          hint: missing.map((role) => `\`create role ${quoteIdentifier(role)} nologin\``).join("; "),
        },
      );
    }
  }
  return created;
}

const DUPLICATE_OBJECT = "42710";
const UNIQUE_VIOLATION = "23505";
