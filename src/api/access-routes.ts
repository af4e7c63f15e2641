import type { FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import type { Access } from "../access/access.ts";
import { checkedLog, shownEntry } from "../access/audit.ts";
import type { Throttle } from "../access/throttle.ts";
import { shownUser, type User } from "../access/users.ts";
import { AppError } from "../errors.ts";
import { callerOf, SESSION_COOKIE, sourceOf } from "./caller.ts";
import type { Confirm } from "./confirm.ts";
import { ACCESS_ROUTES, type SessionJson } from "./contract/access.ts";
import { described } from "./described.ts";
import type { App } from "./routes.ts";
import type { SetUpSecret } from "./set-up.ts";

export interface AccessParts {
  readonly access: Access;
  readonly throttle: Throttle;
  readonly confirm: Confirm;
  readonly setUp: SetUpSecret;
  /** Whether browsers reach us by https alone. */
  readonly isSecure: () => boolean;
  /** Name of the other service to sign in with; null: none. */
  readonly oidc: () => string | null;
}

/** The addresses by which somebody signs in, and admins say who may. */
export function addAccessRoutes(app: App, parts: AccessParts): void {
  const { access, throttle, confirm, setUp } = parts;
  const { users, sessions, tokens, audit } = access;
  const routes = ACCESS_ROUTES;
  const note = (request: FastifyRequest, who: string, what: string, subject: string): void =>
    void audit.append({ who, what, subject, source: sourceOf(request) });
  const sessionJson = (
    user: User | null,
    how: "password" | "oidc" | "token",
  ): z.infer<typeof SessionJson> => ({
    user: user === null ? null : { name: user.name, role: user.role, how },
    setUp: users.list().length > 0,
    oidc: parts.oidc(),
  });
  const begin = (reply: FastifyReply, user: User): void => {
    reply.header("set-cookie", sessionCookie(sessions.begin(user, "password"), parts.isSecure()));
  };

  app.get(routes.session.path, described(routes.session), async ({ caller }) => {
    if (caller === null) return sessionJson(null, "password");
    const how = caller.token === undefined ? (caller.session?.how ?? "password") : "token";
    return sessionJson({ ...caller.user, role: caller.role }, how);
  });
  app.post(routes.signIn.path, described(routes.signIn), async (request, reply) => {
    const { name, password } = request.body;
    const keys = [`name ${name.toLowerCase()}`, `address ${sourceOf(request)}`];
    throttle.check(keys);
    const user = await users.check(name, password);
    if (user === undefined) {
      throttle.failed(keys);
      note(request, users.find(name)?.name ?? "somebody unknown", "sign-in refused", "");
      throw new AppError("not_signed_in", "sign in: name or password is not right");
    }
    throttle.succeeded(keys);
    note(request, user.name, "signed in", "");
    begin(reply, user);
    return sessionJson(user, "password");
  });
  app.delete(routes.signOut.path, described(routes.signOut), async (request, reply) => {
    const { caller } = request;
    if (caller?.session !== undefined) {
      note(request, caller.name, "signed out", "");
      sessions.end(caller.session.hash);
    }
    reply.header("set-cookie", sessionCookie("", parts.isSecure()));
    return sessionJson(null, "password");
  });
  app.post(routes.setUp.path, described(routes.setUp), async (request, reply) => {
    const { token, name, password } = request.body;
    const keys = [`set up ${sourceOf(request)}`];
    throttle.check(keys);
    if (!setUp.is(token)) {
      throttle.failed(keys);
      throw new AppError("not_allowed", "set up: the link is not good, or no longer", {
        hint: "`handled serve` prints a new one at its start, as long as there is no user; `handled user add` makes one at a terminal",
      });
    }
    const user = await users.add({ name, role: "admin", password }, true);
    setUp.end();
    note(request, user.name, "set up", `user ${user.name}, admin`);
    begin(reply, user);
    return sessionJson(user, "password");
  });
  app.get(routes.users.path, described(routes.users), async () => ({ users: users.list().map(shownUser) }));
  app.post(routes.addUser.path, described(routes.addUser), async (request) => {
    const { confirm: given, ...added } = request.body;
    await confirm(request, given, added.name);
    const user = await users.add(added);
    note(request, callerOf(request).name, "user added", `${user.name}, ${user.role}`);
    return shownUser(user);
  });
  app.patch(routes.changeUser.path, described(routes.changeUser), async (request) => {
    const { name } = users.require(request.params.name);
    const { role, password, confirm: given } = request.body;
    await confirm(request, given, name);
    const { name: who } = callerOf(request);
    if (role !== undefined) {
      users.setRole(name, role);
      note(request, who, "user changed", `${name} is ${role}`);
    }
    if (password !== undefined) {
      await users.setPassword(name, password);
      note(request, who, "user changed", `${name} has a new password`);
    }
    return shownUser(users.require(name));
  });
  app.delete(routes.removeUser.path, described(routes.removeUser), async (request) => {
    const { name } = users.require(request.params.name);
    await confirm(request, request.body.confirm, name);
    users.remove(name);
    note(request, callerOf(request).name, "user removed", name);
    return { users: users.list().map(shownUser) };
  });
  app.post(routes.password.path, described(routes.password), async (request) => {
    const { password, newPassword } = request.body;
    const { user, session } = callerOf(request);
    await confirm(request, { name: user.name, password }, user.name);
    await users.setPassword(user.name, newPassword, session?.hash);
    note(request, user.name, "password changed", "");
    return sessionJson(user, session?.how ?? "password");
  });
  app.get(routes.tokens.path, described(routes.tokens), async (request) => {
    const { role, user } = callerOf(request);
    return { tokens: [...tokens.list(role === "admin" ? undefined : user.name)] };
  });
  app.post(routes.addToken.path, described(routes.addToken), async (request) => {
    const { user, role, name, token: by } = callerOf(request);
    // Whoever has one must not make one that is good for longer, or for more.
    if (by !== undefined) throw new AppError("not_allowed", "token: a token makes none");
    const made = tokens.make({ ...user, role }, request.body);
    const { label, dangerous, expiresAt } = made.token;
    note(
      request,
      name,
      "token made",
      `${label}, ${made.token.role}${dangerous ? ", dangerous" : ""}, until ${expiresAt}`,
    );
    return made;
  });
  app.delete(routes.revokeToken.path, described(routes.revokeToken), async (request) => {
    const { role, user, name } = callerOf(request);
    const token = tokens.require(request.params.id);
    if (token.user !== user.name && role !== "admin")
      throw new AppError("token_missing", `token ${token.id}: there is none`);
    tokens.revoke(token.id);
    note(request, name, "token revoked", `${token.label} of ${token.user}`);
    return { tokens: [...tokens.list(role === "admin" ? undefined : user.name)] };
  });
  app.get(routes.audit.path, described(routes.audit), async ({ query: { before, last, who, what } }) => {
    const found = audit.list(before ?? Number.MAX_SAFE_INTEGER, last + 1, { who, what });
    const entries = found.slice(0, last).map(shownEntry);
    return { entries, more: found.length > last };
  });
  app.get(routes.auditCheck.path, described(routes.auditCheck), async () => await checkedLog(audit));
}

/** @param secret empty: the cookie is to go */
export function sessionCookie(secret: string, isSecure: boolean): string {
  const ends = secret === "" ? "; Max-Age=0" : "";
  return `${SESSION_COOKIE}=${secret}; Path=/; HttpOnly; SameSite=Strict${isSecure ? "; Secure" : ""}${ends}`;
}
