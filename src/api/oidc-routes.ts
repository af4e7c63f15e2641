import type { Access } from "../access/access.ts";
import { AppError } from "../errors.ts";
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
  /** Where browsers find us; undefined: under the name that they ask for. */
  readonly url: () => URL | undefined;
}

/** The addresses by which somebody is sent to another service to sign in, and comes back. */
export function addOidcRoutes(app: App, { access, oidc, url }: OidcParts): void {
  const { start, callback } = OIDC_ROUTES;
  const ends = (): string => (url()?.protocol === "https:" ? "; Secure" : "");
  app.get(
    start.path,
    { config: { role: start.role }, schema: { summary: start.summary, querystring: start.query } },
    async ({ query, headers }, reply) => {
      // The name was checked before anything else (`guard.ts`).
      const base = url()?.origin ?? `http://${headers.host}`;
      const begun = await oidc.begin(`${base}${callback.path}`, query.again !== undefined);
      // Lax: who comes back comes from another site.
      const kept = `${PENDING_COOKIE}=${begun.secret}; Path=${PATH}; Max-Age=600; HttpOnly; SameSite=Lax${ends()}`;
      return reply.header("set-cookie", kept).redirect(begun.url, 303);
    },
  );
  app.get(
    callback.path,
    { config: { role: callback.role }, schema: { summary: callback.summary } },
    async (request, reply) => {
      const gone = `${PENDING_COOKIE}=; Path=${PATH}; Max-Age=0; HttpOnly; SameSite=Lax${ends()}`;
      const query = request.url.split("?").slice(1).join("?");
      const source = sourceOf(request);
      let who = "somebody unknown";
      try {
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
        reply.header("set-cookie", [gone, sessionCookie(secret, ends() !== "")]);
        return await reply.redirect("/", 303);
      } catch (error) {
        if (!(error instanceof AppError) || error.code === "unexpected") throw error;
        if (error.code !== "page_missing")
          access.audit.append({ who, what: "sign-in refused", subject: error.message, source });
        reply.header("set-cookie", gone);
        // A browser stands there: the page says what the code means.
        return await reply.redirect(`/sign-in?refused=${error.code}`, 303);
      }
    },
  );
}
