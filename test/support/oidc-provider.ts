import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";

/** A real provider on loopback, with its own pages to sign in. Whoever gives a name is that one. */
export interface OidcProvider extends AsyncDisposable {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/**
 * @param redirectUri where browsers may be sent back to
 * @param claims what it tells of somebody, by the name that they sign in with
 */
export async function oidcProvider(
  redirectUri: string,
  claims: Readonly<Record<string, Record<string, unknown>>>,
): Promise<OidcProvider> {
  const server = createServer();
  server.listen({ host: "127.0.0.1", port: 0 });
  await once(server, "listening");
  // Not the address that we are asked under, so that no cookie of the one comes to the other.
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`;
  const client = { clientId: "handled", clientSecret: "a secret of the client alone" };
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: client.clientId,
        client_secret: client.clientSecret,
        redirect_uris: [redirectUri],
        response_types: ["code"],
        grant_types: ["authorization_code"],
      },
    ],
    claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
    scopes: ["openid", "profile", "groups"],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...claims[id] }) }),
    features: { devInteractions: { enabled: true } },
    cookies: { keys: ["a key of the test"] },
  });
  const answer = provider.callback();
  server.on("request", (request, response) => void answer(request, response));
  return {
    issuer,
    ...client,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** What a browser does: follows where it is led, keeps cookies by site, and fills in the provider's forms. */
export class Visitor {
  readonly #cookies = new Map<string, Map<string, string>>();
  readonly #name: string;
  readonly #at: string;

  /** @param name that they sign in with @param at origin at which they want to arrive */
  constructor(name: string, at: string) {
    this.#name = name;
    this.#at = at;
  }

  /** The cookies of the site that they arrive at. */
  get cookie(): string {
    return this.#header(this.#at);
  }

  /** Goes there, signs in where asked, and stops where the site that they want has no further place to go. @returns the last address at that site */
  async visit(url: string): Promise<URL> {
    let next: { readonly url: URL; readonly form?: URLSearchParams } = { url: new URL(url) };
    for (let steps = 0; steps < 20; steps++) {
      const { url: asked, form } = next;
      const answer = await fetch(asked, {
        redirect: "manual",
        headers: { cookie: this.#header(asked.origin) },
        ...(form === undefined ? {} : { method: "POST", body: form }),
      });
      this.#keep(asked.origin, answer.headers.getSetCookie());
      const location = answer.headers.get("location");
      if (location !== null) {
        next = { url: new URL(location, asked) };
        if (next.url.origin === this.#at && !next.url.pathname.startsWith("/api/")) return next.url;
        continue;
      }
      const page = await answer.text();
      const action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1];
      if (action === undefined) throw new Error(`${asked.href}: ${answer.status} ${page}`);
      const prompt = /name="prompt" value="(\w+)"/.exec(page)?.[1] ?? "";
      const typed = prompt === "login" ? { login: this.#name, password: "anything" } : {};
      next = { url: new URL(action, asked), form: new URLSearchParams({ prompt, ...typed }) };
    }
    throw new Error(`${url} leads nowhere`);
  }

  #header(origin: string): string {
    return Array.from(this.#cookies.get(origin) ?? [], ([name, value]) => `${name}=${value}`).join("; ");
  }

  #keep(origin: string, set: readonly string[]): void {
    const jar = this.#cookies.get(origin) ?? new Map<string, string>();
    this.#cookies.set(origin, jar);
    for (const cookie of set) {
      const [pair = ""] = cookie.split(";", 1);
      const at = pair.indexOf("=");
      const isGone = /max-age=0|expires=Thu, 01 Jan 1970/i.test(cookie);
      if (isGone) jar.delete(pair.slice(0, at));
      else jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
  }
}
