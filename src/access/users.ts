import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { AppError } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import { inTransaction } from "./access-database.ts";
import { isPassword, type PasswordHash } from "./passwords.ts";
import { ROLES, type Role } from "./roles.ts";

/** As it stands in logs and addresses: no blanks at its ends, nothing that steers a terminal. */
export const USER_NAME = /^[\p{L}\p{N}](?:[\p{L}\p{N}._@+ -]{0,62}[\p{L}\p{N}._@+-])?$/u;

const Row = z.strictObject({
  name: z.string(),
  role: z.enum(ROLES),
  password: z.string().nullable(),
  created_at: z.string(),
});

/** Somebody who may sign in. */
export interface User {
  readonly name: string;
  readonly role: Role;
  /** What is kept of the password; null: they sign in elsewhere. */
  readonly password: PasswordHash | null;
  readonly createdAt: string;
}

/** Who may sign in, and as what. */
export class Users {
  readonly #database: DatabaseSync;
  readonly #clock: Clock;

  constructor(database: DatabaseSync, clock: Clock) {
    this.#database = database;
    this.#clock = clock;
  }

  /** By name. */
  list(): readonly User[] {
    return this.#database.prepare("select * from users order by name").all().map(userOf);
  }

  find(name: string): User | undefined {
    const row = this.#database.prepare("select * from users where name = ?").get(name);
    return row === undefined ? undefined : userOf(row);
  }

  /** Fails with `user_missing`. */
  require(name: string): User {
    const user = this.find(name);
    if (user !== undefined) return user;
    throw new AppError("user_missing", `user ${name}: there is none of that name`);
  }

  /** The user, where name and password are right; takes as long where there is no such user. */
  async check(name: string, password: string): Promise<User | undefined> {
    const user = this.find(name);
    return (await isPassword(password, user?.password ?? null)) ? user : undefined;
  }

  /**
   * Fails with `usage` for a name that cannot be, and with `user_exists`.
   * @param password null: signs in elsewhere
   * @param onlyFirst fails with `user_exists` where there is any user at all
   */
  add({ name, role, password }: Omit<User, "createdAt">, onlyFirst = false): User {
    if (!USER_NAME.test(name)) {
      throw new AppError("usage", `user ${JSON.stringify(name)}: not a name`, {
        hint: "up to 64 letters, digits, blanks and `._@+-`, such as `ada` or `ada@example.com`",
      });
    }
    const user = { name, role, password, createdAt: this.#clock.now().toISOString() };
    inTransaction(this.#database, () => {
      if (this.find(name) !== undefined || (onlyFirst && this.list().length > 0))
        throw new AppError(
          "user_exists",
          onlyFirst ? "set up: there is a user already" : `user ${name}: there is one already`,
        );
      this.#insert(user);
    });
    return user;
  }

  /** Those of another machine, as they were there. Fails as `requireNone`. */
  bring(users: readonly User[]): void {
    inTransaction(this.#database, () => {
      this.requireNone();
      for (const user of users) this.#insert(user);
    });
  }

  /** Fails with `user_exists` where there is any user here, who would stand in the way of those of another machine. */
  requireNone(): void {
    if (this.list().length === 0) return;
    throw new AppError("user_exists", "take back users: there are users here already", {
      hint: "`handled user list` shows them; nothing was changed",
    });
  }

  /** What `noteKept` was told last of a place. */
  keptIn(place: string): string | undefined {
    const row = this.#database.prepare("select value from facts where name = ?").get(`users in ${place}`);
    return row === undefined ? undefined : String(row["value"]);
  }

  noteKept(place: string, what: string): void {
    this.#database
      .prepare(
        "insert into facts (name, value) values (?, ?) on conflict (name) do update set value = excluded.value",
      )
      .run(`users in ${place}`, what);
  }

  #insert({ name, role, password, createdAt }: User): void {
    this.#database
      .prepare("insert into users (name, role, password, created_at) values (?, ?, ?, ?)")
      .run(name, role, password, createdAt);
  }

  /** Ends the user's sessions but the one that is named. Errors: `user_missing`. */
  setPassword(name: string, password: PasswordHash, exceptSession?: string): void {
    inTransaction(this.#database, () => {
      const { name: exact } = this.require(name);
      this.#database.prepare("update users set password = ? where name = ?").run(password, exact);
      this.#database
        .prepare("delete from sessions where user = ? and hash <> ?")
        .run(exact, exceptSession ?? "");
    });
  }

  /** Tokens never may more than their user. Errors: `user_missing`, and `last_admin` where nobody would be left who can change that. */
  setRole(name: string, role: Role): void {
    inTransaction(this.#database, () => {
      const user = this.require(name);
      if (role !== "admin") this.#requireAnotherAdmin(user);
      this.#database.prepare("update users set role = ? where name = ?").run(role, user.name);
    });
  }

  /** With their sessions and tokens. Errors: as of `setRole`. */
  remove(name: string): void {
    inTransaction(this.#database, () => {
      const user = this.require(name);
      this.#requireAnotherAdmin(user);
      this.#database.prepare("delete from users where name = ?").run(user.name);
    });
  }

  #requireAnotherAdmin({ name, role }: User): void {
    if (role !== "admin" || this.list().some((user) => user.role === "admin" && user.name !== name)) return;
    throw new AppError("last_admin", `user ${name}: nobody else is admin`, {
      hint: "make somebody else admin first",
    });
  }
}

function userOf(row: unknown): User {
  const { created_at: createdAt, ...user } = Row.parse({ ...(row as object) });
  // Nothing else is ever written there.
  return { ...user, password: user.password as PasswordHash | null, createdAt };
}

/** A user as others may see them: nothing of the password. */
export function shownUser({ name, role, password, createdAt }: User) {
  return { name, role, hasPassword: password !== null, createdAt };
}
