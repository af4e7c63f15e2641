import { AppError } from "../../errors.ts";
import { counted } from "../../lib/text.ts";
import type { Session } from "../../postgres/session.ts";
import type { Statement } from "./inspect-dump.ts";
import type { Token } from "./scan-sql.ts";

/** What the role that loads a dump may not do although the dump's text asks for it. Empty sets: it may do all of it. */
export interface RoleLimits {
  /** Roles it cannot give objects to or act for. */
  readonly otherRoles: ReadonlySet<string>;
  /** Extensions that are there already and belong to others (managed services make some by themselves). */
  readonly otherExtensions: ReadonlySet<string>;
  /** Schemas that every new database has: a dump of just these creates them all the same. */
  readonly givenSchemas: ReadonlySet<string>;
  /** Tablespaces of the server; undefined: nobody knows which it will be. */
  readonly tablespaces?: ReadonlySet<string>;
}

export async function readRoleLimits(session: Session): Promise<RoleLimits> {
  // Since 16 a membership may go without the right to SET ROLE, which is what giving objects away takes.
  const membership = session.serverVersion >= 160_000 ? "SET" : "MEMBER";
  const roles = await session.query<{ name: string }>(
    "select rolname as name from pg_catalog.pg_roles where not pg_has_role(current_user, oid, $1)",
    [membership],
  );
  const extensions = await session.query<{ name: string }>(
    "select extname as name from pg_catalog.pg_extension where not pg_has_role(current_user, extowner, 'USAGE')",
  );
  const schemas = await session.query<{ name: string }>(
    "select nspname as name from pg_catalog.pg_namespace where nspname = 'public'",
  );
  const tablespaces = await session.query<{ name: string }>(
    "select spcname as name from pg_catalog.pg_tablespace",
  );
  return {
    otherRoles: new Set(roles.map((row) => row.name)),
    otherExtensions: new Set(extensions.map((row) => row.name)),
    givenSchemas: new Set(schemas.map((row) => row.name)),
    tablespaces: new Set(tablespaces.map((row) => row.name)),
  };
}

/** First words of the statements that `Omissions` may leave out: those are held back until they have ended. */
export const OMITTABLE: ReadonlySet<string> = new Set([
  "alter",
  "comment",
  "create",
  "set",
  "begin",
  "start",
  "commit",
  "end",
]);

const TRANSACTION_WORDS = new Set(["begin", "start", "commit", "end"]);
const UNDOING_WORDS = new Set(["rollback", "abort"]);

/** Decides statement by statement, and remembers what was left out. */
export class Omissions {
  readonly #limits: RoleLimits;
  readonly #oneTransaction: boolean;
  readonly #counts = new Map<string, number>();
  /** A dump made with `--clean` drops first what it then creates. */
  #drops = false;

  /** @param oneTransaction leave out the dump's own BEGIN and COMMIT (around large objects): they would end ours */
  constructor(limits: RoleLimits, oneTransaction: boolean) {
    this.#limits = limits;
    this.#oneTransaction = oneTransaction;
  }

  /** True when every statement will be run. */
  get isEmpty(): boolean {
    const { otherRoles, otherExtensions, givenSchemas, tablespaces } = this.#limits;
    return (
      !this.#oneTransaction &&
      tablespaces === undefined &&
      [otherRoles, otherExtensions, givenSchemas].every(({ size }) => size === 0)
    );
  }

  /** Whether this statement is not to be run. Fails with `not_an_archive` when it would undo what was loaded. */
  leavesOut(statement: Statement): boolean {
    if (this.#oneTransaction && UNDOING_WORDS.has(statement.firstWord)) {
      throw new AppError(
        "not_an_archive",
        "load the archive in one transaction: its text rolls back by itself",
      );
    }
    if (TRANSACTION_WORDS.has(statement.firstWord)) return this.#oneTransaction;
    if (statement.firstWord === "drop") this.#drops = true;
    if (!OMITTABLE.has(statement.firstWord)) return false;
    if (statement.firstWord === "create") return this.#createsGivenSchema(statement.tokens());
    const reason = this.#reason(statement.tokens());
    if (reason === undefined) return false;
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
    return true;
  }

  /** A line for each kind of thing that was left out. */
  list(): string[] {
    return [...this.#counts].map(([reason, count]) => `${reason} (${counted(count, "statement")})`);
  }

  /** `CREATE SCHEMA public` and nothing else; it is there, so nothing is missing and there is nothing to tell. */
  #createsGivenSchema(tokens: readonly Token[]): boolean {
    const [, kind, name] = tokens;
    const isSchema = tokens.length === 3 && kind?.kind === "word" && kind.value === "schema";
    return isSchema && !this.#drops && this.#limits.givenSchemas.has(name?.value ?? "");
  }

  #reason(tokens: readonly Token[]): string | undefined {
    const words = tokens.map((token) => (token.kind === "word" ? token.value : ""));
    const { otherRoles, otherExtensions, tablespaces } = this.#limits;
    if (words[0] === "set" && words[1] === "default_tablespace") {
      const name = tokens[3]?.value ?? "";
      // Another server rarely has the same ones, and where rows lie says nothing about them.
      const isThere = name === "" || tablespaces === undefined || tablespaces.has(name);
      return isThere ? undefined : `tablespace ${name}, which the server does not have`;
    }
    if (words[0] === "comment" && words[2] === "extension") {
      const name = tokens[3]?.value ?? "";
      return otherExtensions.has(name)
        ? `comment on extension ${name}, which belongs to another role`
        : undefined;
    }
    const role = this.#actingFor(words, tokens);
    if (role === undefined || !otherRoles.has(role)) return undefined;
    if (words[0] === "set") return `grants in the name of role ${role}: made in the restoring role's name`;
    return words[1] === "default" ? `default privileges of role ${role}` : `ownership of role ${role}`;
  }

  /** The role that the statement gives something to, or speaks for. */
  #actingFor(words: readonly string[], tokens: readonly Token[]): string | undefined {
    const after = (first: string, second: string): string | undefined => {
      const at = words.findIndex((word, n) => word === first && words[n + 1] === second);
      return at === -1 ? undefined : tokens[at + 2]?.value;
    };
    if (words[0] === "set") return after("session", "authorization");
    return words[1] === "default" ? after("for", "role") : after("owner", "to");
  }
}
