import type { FastifyReply, FastifyRequest } from "fastify";
import type { Access } from "../access/access.ts";
import type { Throttle } from "../access/throttle.ts";
import { AppError, type ErrorCode } from "../errors.ts";
import { sessionCookie } from "./access-routes.ts";
import { cookieOf, sourceOf } from "./caller.ts";
import { OIDC_ROUTES } from "./contract/oidc.ts";
import type { Oidc } from "./oidc.ts";
import type { App } from "./routes.ts";

const PENDING_COOKIE = "handled_oidc";
const PATH = "/api/oidc";

export interface OidcParts {
  readonly access: Access;
  readonly oidc: Oidc;
  readonly throttle: Throttle;
  /** Where browsers find us; undefined: under the name that they ask for. */
  readonly url: () => URL | undefined;
}

/** The addresses by which somebody is sent to another service to sign in, and comes back. */
export function addOidcRoutes(app: App, { access, oidc, throttle, url }: OidcParts): void {
  const { start, callback } = OIDC_ROUTES;
  const ends = (): string => (url()?.protocol === "https:" ? "; Secure" : "");
  /** A browser stands there: the page says what the code means. Throws what is no refusal. */
  const refuse = async (reply: FastifyReply, error: unknown): Promise<FastifyReply> => {
    if (!(error instanceof AppError) || error.code === "unexpected") throw error;
    return await reply.redirect(`/sign-in?refused=${error.code}`, 303);
  };
  app.get(
    start.path,
    { config: { role: start.role }, schema: { summary: start.summary, querystring: start.query } },
    async ({ query, headers }, reply) => {
      // The name was checked before anything else (`guard.ts`).
      const base = url()?.origin ?? `http://${headers.host}`;
      try {
        const begun = await oidc.begin(`${base}${callback.path}`, query.again !== undefined);
        // Lax: who comes back comes from another site.
        const kept = `${PENDING_COOKIE}=${begun.secret}; Path=${PATH}; Max-Age=600; HttpOnly; SameSite=Lax${ends()}`;
        return await reply.header("set-cookie", kept).redirect(begun.url, 303);
      } catch (error) {
        return await refuse(reply, error);
      }
    },
  );
  app.get(
    callback.path,
    { config: { role: callback.role }, schema: { summary: callback.summary } },
    async (request, reply) => {
      const gone = `${PENDING_COOKIE}=; Path=${PATH}; Max-Age=0; HttpOnly; SameSite=Lax${ends()}`;
      const query = request.url.split("?").slice(1).join("?");
      const source = sourceOf(request);
      const keys = keysOf(request);
      let who = "somebody unknown";
      try {
        throttle.check(keys);
        const { identity, provenAt } = await oidc.finish(
          cookieOf(request.headers.cookie, PENDING_COOKIE),
          query,
        );
        who = identity.name.slice(0, 64);
        const secret = access.record(
          () => {
            const { user, changes } = access.identities.signIn(identity);
            return { user, changes, secret: access.sessions.begin(user, "oidc", provenAt) };
          },
          ({ user, changes }) => {
            const signedIn = { what: "signed in", subject: `${oidc.name}, ${user.role}` };
            return [...changes, signedIn].map((act) => ({ who: user.name, ...act, source }));
          },
        ).secret;
        throttle.succeeded(keys);
        reply.header("set-cookie", [gone, sessionCookie(secret, ends() !== "")]);
        return await reply.redirect("/", 303);
      } catch (error) {
        // Whoever is kept waiting adds nothing to the log, which is never made shorter.
        if (error instanceof AppError && !UNTOLD.has(error.code)) {
          throttle.failed(keys);
          access.audit.append({ who, what: "sign-in refused", subject: error.message, source });
        }
        reply.header("set-cookie", gone);
        return await refuse(reply, error);
      }
    },
  );
}

const UNTOLD: ReadonlySet<ErrorCode> = new Set(["unexpected", "page_missing", "too_many_tries"]);

/**
 * By what refusals are counted. A page of another site can have a browser ask for this, but not with what it got when it began:
 * that must not keep whoever did begin there from signing in.
 */
function keysOf(request: FastifyRequest): string[] {
  const began = cookieOf(request.headers.cookie, PENDING_COOKIE) !== undefined;
  return [`${began ? "oidc" : "oidc, not begun,"} address ${sourceOf(request)}`];
}
