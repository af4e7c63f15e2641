import type { FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import type { Access } from "../access/access.ts";
import { checkedLog, shownEntry } from "../access/audit.ts";
import { hashPassword } from "../access/passwords.ts";
import type { Throttle } from "../access/throttle.ts";
import { madeToken, revokedToken } from "../access/tokens.ts";
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
  /** Does something in somebody's name, unless it cannot be written down. */
  const record = <Result>(
    request: FastifyRequest,
    who: string,
    work: () => Result,
    what: string,
    subject: (result: Result) => string,
  ): Result =>
    access.record(work, (result) => ({ who, what, subject: subject(result), source: sourceOf(request) }));
  const sessionJson = (
    user: User | null,
    how: "password" | "oidc" | "token",
  ): z.infer<typeof SessionJson> => ({
    user: user === null ? null : { name: user.name, role: user.role, how },
    setUp: users.list().length > 0,
    oidc: parts.oidc(),
  });
  const begin = (reply: FastifyReply, secret: string): void => {
    reply.header("set-cookie", sessionCookie(secret, parts.isSecure()));
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
    const enter = (): string => sessions.begin(user, "password");
    begin(
      reply,
      record(request, user.name, enter, "signed in", () => ""),
    );
    return sessionJson(user, "password");
  });
  app.delete(routes.signOut.path, described(routes.signOut), async (request, reply) => {
    const { caller } = request;
    if (caller?.session !== undefined) {
      const { hash } = caller.session;
      record(
        request,
        caller.name,
        () => sessions.end(hash),
        "signed out",
        () => "",
      );
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
    const kept = await hashPassword(password);
    const make = () => {
      const user = users.add({ name, role: "admin", password: kept }, true);
      return { user, secret: sessions.begin(user, "password") };
    };
    const { user, secret } = record(request, name, make, "set up", () => `user ${name}, admin`);
    setUp.end();
    begin(reply, secret);
    return sessionJson(user, "password");
  });
  app.get(routes.users.path, described(routes.users), async () => ({ users: users.list().map(shownUser) }));
  app.post(routes.addUser.path, described(routes.addUser), async (request) => {
    const { confirm: given, name, role, password } = request.body;
    await confirm(request, given, name);
    const kept = password === null ? null : await hashPassword(password);
    const add = (): User => users.add({ name, role, password: kept });
    return shownUser(record(request, callerOf(request).name, add, "user added", () => `${name}, ${role}`));
  });
  app.patch(routes.changeUser.path, described(routes.changeUser), async (request) => {
    const { name } = users.require(request.params.name);
    const { role, password, confirm: given } = request.body;
    await confirm(request, given, name);
    const { name: who } = callerOf(request);
    const kept = password === undefined ? undefined : await hashPassword(password);
    const change = (): string[] => {
      if (role !== undefined) users.setRole(name, role);
      if (kept !== undefined) users.setPassword(name, kept);
      return [
        ...(role === undefined ? [] : [`${name} is ${role}`]),
        ...(kept === undefined ? [] : [`${name} has a new password`]),
      ];
    };
    access.record(change, (changes) =>
      changes.map((subject) => ({ who, what: "user changed", subject, source: sourceOf(request) })),
    );
    return shownUser(users.require(name));
  });
  app.delete(routes.removeUser.path, described(routes.removeUser), async (request) => {
    const { name } = users.require(request.params.name);
    await confirm(request, request.body.confirm, name);
    record(
      request,
      callerOf(request).name,
      () => users.remove(name),
      "user removed",
      () => name,
    );
    return { users: users.list().map(shownUser) };
  });
  app.post(routes.password.path, described(routes.password), async (request) => {
    const { password, newPassword } = request.body;
    const { user, session } = callerOf(request);
    await confirm(request, { name: user.name, password }, user.name);
    const kept = await hashPassword(newPassword);
    const change = (): void => users.setPassword(user.name, kept, session?.hash);
    record(request, user.name, change, "password changed", () => "");
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
    const make = (): ReturnType<typeof tokens.make> => tokens.make({ ...user, role }, request.body);
    return record(request, name, make, "token made", ({ token }) => madeToken(token));
  });
  app.delete(routes.revokeToken.path, described(routes.revokeToken), async (request) => {
    const { role, user, name } = callerOf(request);
    const token = tokens.require(request.params.id);
    if (token.user !== user.name && role !== "admin")
      throw new AppError("token_missing", `token ${token.id}: there is none`);
    record(
      request,
      name,
      () => tokens.revoke(token.id),
      "token revoked",
      () => revokedToken(token),
    );
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
