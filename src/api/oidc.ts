import type { Configuration, IDToken } from "openid-client";
import { newSecret, secretHash } from "../access/secret.ts";
import type { Identity } from "../access/identities.ts";
import type { OidcSettings } from "../config/oidc.ts";
import { AppError, messageOf } from "../errors.ts";
import type { Clock } from "../lib/clock.ts";

// Whoever is asked for a second factor needs a while.
const PENDING_MS = 10 * 60_000;
// Whoever begins again and again must not fill the memory.
const MOST_PENDING = 1_000;
// Providers change their keys; those are looked up when they are needed.
const METADATA_MS = 60 * 60_000;
const TIMEOUT_SECONDS = 10;
/** How long ago somebody may have shown the provider who they are, where they are asked to do it again. */
const AGAIN_SECONDS = 300;

interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly redirectUri: string;
  readonly again: boolean;
  readonly at: number;
}

interface Known {
  readonly key: string;
  readonly at: number;
  readonly configuration: Configuration;
}

/** Who came back from the provider. */
export interface Arrived {
  readonly identity: Identity;
  /** When they showed the provider who they are, in milliseconds since 1970; 0: it does not say. */
  readonly provenAt: number;
}

/**
 * Signs people in by another service: the authorization code flow of OpenID Connect Core 1.0 (3.1) with PKCE (RFC 7636), state and
 * nonce, all bound to the browser that began. What is under way is kept in memory: a restart has somebody begin again.
 */
export class Oidc {
  readonly #clock: Clock;
  readonly #settings: () => OidcSettings | undefined;
  readonly #secretOf: (settings: OidcSettings) => string;
  readonly #pending = new Map<string, Pending>();
  #known: Known | undefined;

  /** @param secretOf looks the client's secret up */
  constructor(
    clock: Clock,
    settings: () => OidcSettings | undefined,
    secretOf: (settings: OidcSettings) => string,
  ) {
    this.#clock = clock;
    this.#settings = settings;
    this.#secretOf = secretOf;
  }

  /** What the service is called; null: there is none. */
  get name(): string | null {
    return this.#settings()?.name ?? null;
  }

  /**
   * Where the browser is sent, and what it keeps until it is back. Fails with `sign_in_failed` where the provider does not answer.
   * @param again whether the provider has to ask who it is, though it knows
   */
  async begin(
    redirectUri: string,
    again: boolean,
  ): Promise<{ readonly url: string; readonly secret: string }> {
    const settings = this.#require();
    const client = await import("openid-client");
    const configuration = await this.#configuration(settings);
    const pending: Pending = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
      redirectUri,
      again,
      at: this.#clock.monotonic(),
    };
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: ["openid", "profile", ...settings.scopes].join(" "),
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: "S256",
      ...(again ? { prompt: "login", max_age: String(AGAIN_SECONDS) } : {}),
    });
    const secret = newSecret();
    this.#pending.set(secretHash(secret), pending);
    for (const key of this.#pending.keys()) {
      if (this.#pending.size <= MOST_PENDING) break;
      this.#pending.delete(key);
    }
    return { url: url.href, secret };
  }

  /**
   * Who it is. Fails with `sign_in_failed` where that is not shown, and with `not_allowed` for somebody without a role.
   * @param secret what the browser kept
   * @param query what the provider sent along
   */
  async finish(secret: string | undefined, query: string): Promise<Arrived> {
    const settings = this.#require();
    const pending = secret === undefined ? undefined : this.#take(secret);
    if (pending === undefined)
      throw new AppError("sign_in_failed", "sign in: it was not begun in this browser, or too long ago", {
        hint: "begin again",
      });
    const client = await import("openid-client");
    const configuration = await this.#configuration(settings);
    const url = new URL(pending.redirectUri);
    url.search = query;
    let claims: IDToken | undefined;
    try {
      const answer = await client.authorizationCodeGrant(configuration, url, {
        pkceCodeVerifier: pending.verifier,
        expectedState: pending.state,
        expectedNonce: pending.nonce,
        idTokenExpected: true,
        ...(pending.again ? { maxAge: AGAIN_SECONDS } : {}),
      });
      claims = answer.claims();
      // Some tell no more in the token than who it is.
      if (claims !== undefined && !(settings.nameClaim in claims && settings.roleClaim in claims)) {
        const more = await client.fetchUserInfo(configuration, answer.access_token, claims.sub);
        claims = { ...more, ...claims };
      }
    } catch (cause) {
      throw failed(settings, cause);
    }
    if (claims === undefined) throw failed(settings, new Error("it did not say who it is"));
    const provenAt = typeof claims.auth_time === "number" ? claims.auth_time * 1000 : 0;
    return { identity: identityOf(settings, claims), provenAt };
  }

  #require(): OidcSettings {
    const settings = this.#settings();
    if (settings !== undefined) return settings;
    throw new AppError("page_missing", "sign in: there is no other service to sign in with", {
      hint: "`daemon.oidc` in the strategy names one",
    });
  }

  /** Good once. */
  #take(secret: string): Pending | undefined {
    const hash = secretHash(secret);
    const pending = this.#pending.get(hash);
    this.#pending.delete(hash);
    if (pending === undefined || this.#clock.monotonic() - pending.at > PENDING_MS) return undefined;
    return pending;
  }

  async #configuration(settings: OidcSettings): Promise<Configuration> {
    const { issuer, clientId } = settings;
    const secret = this.#secretOf(settings);
    const key = secretHash(JSON.stringify([issuer, clientId, secret]));
    const now = this.#clock.monotonic();
    if (this.#known?.key === key && now - this.#known.at < METADATA_MS) return this.#known.configuration;
    const client = await import("openid-client");
    const url = new URL(issuer);
    try {
      const configuration = await client.discovery(
        url,
        clientId,
        undefined,
        client.ClientSecretBasic(secret),
        {
          timeout: TIMEOUT_SECONDS,
          // The strategy takes such an address on this machine alone.
          execute: url.protocol === "http:" ? [client.allowInsecureRequests] : [],
        },
      );
      this.#known = { key, at: now, configuration };
      return configuration;
    } catch (cause) {
      throw failed(settings, cause);
    }
  }
}

function failed({ name }: OidcSettings, cause: unknown): AppError {
  // Its texts tell what the provider said, and hold no secret.
  return new AppError("sign_in_failed", `sign in with ${name}: ${messageOf(cause)}`, {
    cause,
    hint: "`daemon.oidc` in the strategy says how the provider is asked; its own log may say more",
  });
}

function identityOf({ name, nameClaim, roleClaim, roles }: OidcSettings, claims: IDToken): Identity {
  const called = claims[nameClaim];
  if (typeof called !== "string" || called === "")
    throw new AppError("sign_in_failed", `sign in with ${name}: it does not say ${nameClaim}`, {
      hint: "`daemon.oidc.nameClaim` in the strategy names another claim, such as `email` or `sub`",
    });
  // An address that nobody has shown to be theirs is anybody's.
  if (nameClaim === "email" && claims["email_verified"] !== true)
    throw new AppError("not_allowed", `sign in with ${name}: ${called} is not verified there`);
  const identity = { issuer: claims.iss, subject: claims.sub, name: called };
  if (roles === undefined) return { ...identity, role: undefined };
  const given = [claims[roleClaim]].flat();
  const role = roles.findLast(([, values]) => values.some((value) => given.includes(value)))?.[0];
  if (role !== undefined) return { ...identity, role };
  throw new AppError("not_allowed", `sign in with ${name}: ${called} has no role here`, {
    hint: `\`daemon.oidc.roles\` in the strategy says which values of ${roleClaim} give one`,
  });
}
