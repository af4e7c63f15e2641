import type { FastifyRequest } from "fastify";
import { isIP } from "node:net";
import type { Access } from "../access/access.ts";
import { mayAs, type Role } from "../access/roles.ts";
import type { Session } from "../access/sessions.ts";
import type { Token } from "../access/tokens.ts";
import type { User } from "../access/users.ts";
import { AppError } from "../errors.ts";

/** Who asks. */
export interface Caller {
  readonly user: User;
  readonly role: Role;
  /** As the audit log and jobs name them. */
  readonly name: string;
  readonly session?: Session;
  readonly token?: Token;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks; null where nobody knows. */
    caller: Caller | null;
  }
  interface FastifyContextConfig {
    /** The least that whoever asks has to be; `public`: nobody in particular. */
    role?: Role | "public";
  }
}

export const SESSION_COOKIE = "handled_session";

/** Who asks, by a token or a session; null where nobody knows. */
export function identify({ headers }: FastifyRequest, { sessions, tokens, users }: Access): Caller | null {
  const [, bearer] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? "") ?? [];
  if (bearer !== undefined) {
    const token = tokens.find(bearer);
    const user = token === undefined ? undefined : users.find(token.user);
    if (token === undefined || user === undefined) return null;
    return { user, role: token.role, name: `${user.name} (token ${token.label})`, token };
  }
  const secret = cookieOf(headers.cookie, SESSION_COOKIE);
  const session = secret === undefined ? undefined : sessions.find(secret);
  if (session === undefined) return null;
  const { user } = session;
  return { user, role: user.role, name: user.name, session };
}

/** Whoever asks. Fails with `not_signed_in`. */
export function callerOf({ caller }: FastifyRequest): Caller {
  if (caller !== null) return caller;
  throw new AppError("not_signed_in", "nobody knows who asks", { hint: "sign in, or send a token" });
}

/** Fails with `not_signed_in` or `not_allowed`. @param what that takes the role */
export function requireRole(request: FastifyRequest, least: Role, what: string): Caller {
  const caller = callerOf(request);
  if (mayAs(caller.role, least)) return caller;
  throw new AppError("not_allowed", `${what}: ${caller.name} is ${caller.role}, and it takes ${least}`);
}

/** From where, for the audit log: an address. */
export function sourceOf({ ip }: FastifyRequest): string {
  return isIP(ip) === 0 ? "unknown" : ip;
}

/** The value of a cookie (RFC 6265, 4.2.1): ours has nothing that needs decoding. */
function cookieOf(header: string | undefined, name: string): string | undefined {
  for (const pair of (header ?? "").split(";")) {
    const [key, value] = pair.trim().split("=", 2);
    if (key === name) return value;
  }
  return undefined;
}
