import { AppError, isAppError } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import type { ConnectionSettings } from "./connection.ts";
import { connect, isSqlState, quoteIdentifier, type Session } from "./session.ts";

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

/**
 * Drops roles that `ensureRoles` created, on a session of its own: that of what failed may be why it failed. One that
 * something depends on by now stays. Never throws: returns what could not be done, in words.
 */
export async function dropRoles(
  runtime: Runtime,
  server: ConnectionSettings,
  created: readonly string[],
): Promise<string[]> {
  if (created.length === 0) return [];
  const problems: string[] = [];
  try {
    await using session = await connect(runtime, server, AbortSignal.timeout(CLEAN_UP_MS));
    for (const role of created) {
      const problem = await dropRole(session, role);
      if (problem !== undefined) problems.push(problem);
    }
  } catch (error) {
    if (!isAppError(error)) throw error;
    problems.push(`roles made for this stay, ${created.join(", ")}: ${error.message}`);
  }
  return problems;
}

const CLEAN_UP_MS = 30_000;

async function dropRole(session: Session, role: string): Promise<string | undefined> {
  try {
    await session.query(`drop role if exists ${quoteIdentifier(role)}`);
    return undefined;
  } catch (error) {
    if (isSqlState(error, DEPENDENT_OBJECTS)) return `the role ${role} stays: something depends on it by now`;
    if (!isAppError(error) || error.code === "database_unreachable") throw error;
    return `drop the role ${role}, which was made for this: ${error.message}`;
  }
}

const DEPENDENT_OBJECTS = "2BP01";
const DUPLICATE_OBJECT = "42710";
const UNIQUE_VIOLATION = "23505";
