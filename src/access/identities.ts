import type { DatabaseSync } from "node:sqlite";
import { AppError } from "../errors.ts";
import { inTransaction } from "./access-database.ts";
import type { Role } from "./roles.ts";
import type { User, Users } from "./users.ts";

/** Somebody, as another service knows them. */
export interface Identity {
  readonly issuer: string;
  /** With the issuer it is the one thing that stays theirs; names may be given to others (OpenID Connect Core 1.0, 5.7). */
  readonly subject: string;
  readonly name: string;
  /** What the other service says they may do; undefined: that is for us to say. */
  readonly role: Role | undefined;
}

/** What was changed of users, as the audit log has it. */
interface Change {
  readonly what: string;
  readonly subject: string;
}

/** Who of another service is which user. */
export class Identities {
  readonly #database: DatabaseSync;
  readonly #users: Users;

  constructor(database: DatabaseSync, users: Users) {
    this.#database = database;
    this.#users = users;
  }

  /**
   * The user of an identity; made, or bound to one whom an admin added without a password, when they come for the first time.
   * Fails with `not_allowed` for somebody who may not come in, `usage` for a name that cannot be, `last_admin`.
   * @returns also what was changed for that, for the audit log
   */
  signIn(identity: Identity): { readonly user: User; readonly changes: readonly Change[] } {
    return inTransaction(this.#database, () => this.#signIn(identity));
  }

  #signIn({ issuer, subject, name, role }: Identity): { user: User; changes: Change[] } {
    const changes: Change[] = [];
    const known = this.#find(issuer, subject);
    if (known === undefined) {
      const there = this.#users.find(name);
      if (there === undefined) {
        const made = this.#make(name, role);
        changes.push({ what: "user added", subject: `${made.name}, ${made.role}` });
      } else if (there.password !== null)
        throw new AppError("not_allowed", `sign in: ${there.name} signs in with a password here`, {
          hint: "an admin can remove that user; whoever has the same name elsewhere may be somebody else",
        });
      this.bind(issuer, subject, this.#users.require(name).name);
    }
    const user = this.#users.require(known ?? name);
    if (role !== undefined && role !== user.role) {
      this.#users.setRole(user.name, role);
      changes.push({ what: "user changed", subject: `${user.name} is ${role}` });
    }
    return { user: this.#users.require(user.name), changes };
  }

  #make(name: string, role: Role | undefined): User {
    if (role === undefined)
      throw new AppError("not_allowed", `sign in: no admin has added ${name}`, {
        hint: "an admin adds users in the settings, or with `handled user add`",
      });
    // Else nobody could make the first admin any more.
    if (role !== "admin" && this.#users.list().length === 0)
      throw new AppError("not_allowed", `sign in: ${name} would be the first user, and is ${role}`, {
        hint: "an admin comes first: by the link that `handled serve` prints, or `handled user add`",
      });
    return this.#users.add({ name, role, password: null });
  }

  #find(issuer: string, subject: string): string | undefined {
    const row = this.#database
      .prepare("select user from identities where issuer = ? and subject = ?")
      .get(issuer, subject);
    return row === undefined ? undefined : String(row["user"]);
  }

  /** By what another service knows a user; undefined: by nothing. */
  of(user: string): Pick<Identity, "issuer" | "subject"> | undefined {
    const row = this.#database.prepare("select issuer, subject from identities where user = ?").get(user);
    return row === undefined ? undefined : { issuer: String(row["issuer"]), subject: String(row["subject"]) };
  }

  /** Says who a user is to another service. Fails with `not_allowed` where that is said already. */
  bind(issuer: string, subject: string, user: string): void {
    const taken = this.#database.prepare("select 1 from identities where user = ?").get(user);
    if (taken !== undefined)
      throw new AppError("not_allowed", `sign in: ${user} is somebody else's name here`, {
        hint: "an admin can remove that user; whoever comes next under the name gets it",
      });
    this.#database
      .prepare("insert into identities (issuer, subject, user) values (?, ?, ?)")
      .run(issuer, subject, user);
  }
}
