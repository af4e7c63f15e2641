import { randomBytes } from "node:crypto";
import type { DatabaseSync } from "node:sqlite";
import { z } from "zod";
import { AppError } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";
import { mayAs, ROLES, type Role } from "./roles.ts";
import { newSecret, secretHash } from "./secret.ts";
import type { User, Users } from "./users.ts";

/** What each begins with, so that programs that look for leaked secrets know one. */
const TOKEN_PREFIX = "hnd_";

const Row = z.strictObject({
  id: z.string(),
  hash: z.string(),
  label: z.string(),
  user: z.string(),
  role: z.enum(ROLES),
  dangerous: z.number(),
  created_at: z.string(),
  expires_at: z.number(),
  used_at: z.string().nullable(),
});

/** What a program may do in somebody's name. */
export interface Token {
  readonly id: string;
  /** What it is for. */
  readonly label: string;
  readonly user: string;
  readonly role: Role;
  /** Whether it may do what asks people for their password again. */
  readonly dangerous: boolean;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly usedAt: string | null;
}

export interface TokenRequest {
  readonly label: string;
  readonly role: Role;
  readonly dangerous: boolean;
  readonly days: number;
}

/** What programs show instead of a password. */
export class Tokens {
  readonly #database: DatabaseSync;
  readonly #users: Users;
  readonly #clock: Clock;

  constructor(database: DatabaseSync, users: Users, clock: Clock) {
    this.#database = database;
    this.#users = users;
    this.#clock = clock;
  }

  /** @param user undefined: of everybody */
  list(user?: string): readonly Token[] {
    return this.#database
      .prepare("select * from tokens where ? is null or user = ? order by created_at desc, id")
      .all(user ?? null, user ?? null)
      .map(tokenOf);
  }

  /** Fails with `not_allowed` where it would do more than its user may. @returns the secret, which is kept nowhere */
  make(
    user: User,
    { label, role, dangerous, days }: TokenRequest,
  ): { readonly token: Token; readonly secret: string } {
    if (!mayAs(user.role, role))
      throw new AppError(
        "not_allowed",
        `token ${label}: ${user.name} is ${user.role}, and it would be ${role}`,
      );
    const now = this.#clock.now();
    const id = randomBytes(6).toString("hex");
    const secret = `${TOKEN_PREFIX}${newSecret()}`;
    const expires = now.getTime() + days * 86_400_000;
    this.#database
      .prepare(
        "insert into tokens (id, hash, label, user, role, dangerous, created_at, expires_at) values (?, ?, ?, ?, ?, ?, ?, ?)",
      )
      .run(id, secretHash(secret), label, user.name, role, dangerous ? 1 : 0, now.toISOString(), expires);
    return { token: this.require(id), secret };
  }

  /** Fails with `token_missing`. */
  require(id: string): Token {
    const row = this.#database.prepare("select * from tokens where id = ?").get(id);
    if (row !== undefined) return tokenOf(row);
    throw new AppError("token_missing", `token ${id}: there is none`);
  }

  /** Fails with `token_missing`. */
  revoke(id: string): void {
    this.require(id);
    this.#database.prepare("delete from tokens where id = ?").run(id);
  }

  /** The token of a secret, never more than its user may be now; undefined where there is none, or it has expired. */
  find(secret: string): Token | undefined {
    if (!secret.startsWith(TOKEN_PREFIX)) return undefined;
    const row = this.#database.prepare("select * from tokens where hash = ?").get(secretHash(secret));
    if (row === undefined) return undefined;
    const token = tokenOf(row);
    const now = this.#clock.now();
    if (Date.parse(token.expiresAt) <= now.getTime()) return undefined;
    const user = this.#users.find(token.user);
    if (user === undefined) return undefined;
    const today = now.toISOString().slice(0, 10);
    if (token.usedAt !== today)
      this.#database.prepare("update tokens set used_at = ? where id = ?").run(today, token.id);
    return { ...token, role: mayAs(user.role, token.role) ? token.role : user.role };
  }
}

function tokenOf(row: unknown): Token {
  const { hash: _, created_at, expires_at, used_at, dangerous, ...token } = Row.parse({ ...(row as object) });
  return {
    ...token,
    dangerous: dangerous === 1,
    createdAt: created_at,
    expiresAt: new Date(expires_at).toISOString(),
    usedAt: used_at,
  };
}

/** What the audit log has of one that was made. */
export function madeToken({ label, user, role, dangerous, expiresAt }: Token): string {
  return `${label} of ${user}, ${role}${dangerous ? ", dangerous" : ""}, until ${expiresAt}`;
}

/** What the audit log has of one that was revoked. */
export function revokedToken({ label, user, id }: Token): string {
  return `${label} of ${user} (${id})`;
}
