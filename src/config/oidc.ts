import { z } from "zod";
import type { Role } from "../access/roles.ts";
import { checked, text } from "./fields.ts";
import { isLoopback } from "./http-address.ts";
import type { Template } from "./interpolate.ts";

function issuerProblem(issuer: string): string | undefined {
  const url = URL.parse(issuer);
  if (url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname))) return undefined;
  return "must be an `https://` address";
}

const values = z.array(text()).min(1).optional();

/** `daemon.oidc` of the strategy, as it is written. */
export const OidcFile = z.strictObject({
  name: text().describe("What the button is called: `Example Login`"),
  issuer: checked(issuerProblem).describe("Address of the provider, as its own metadata names it"),
  clientId: text().describe("What the provider knows us by"),
  clientSecret: text().describe("The secret that belongs to it, as `${NAME}`"),
  nameClaim: text()
    .default("preferred_username")
    .describe("Which claim of the identity token somebody is called by here"),
  scopes: z
    .array(text())
    .prefault([])
    .describe("What is asked for beside `openid` and `profile`, where roles need it: `[groups]`"),
  roleClaim: text().default("groups").describe("Which claim says what somebody may do: a text, or a list"),
  roles: z
    .strictObject({
      viewer: values.describe("Values of that claim that make a viewer"),
      operator: values.describe("Values that make an operator"),
      admin: values.describe("Values that make an admin"),
    })
    .optional()
    .describe(
      "What somebody may do follows from that claim at each sign-in, and who has none of the values does not come in. Without it only " +
        "those whom an admin has added by name, without a password",
    ),
});

/** Another service with which people sign in (OpenID Connect). */
export interface OidcSettings {
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  /** Looked up when somebody signs in. */
  readonly clientSecret: Template;
  readonly nameClaim: string;
  readonly scopes: readonly string[];
  readonly roleClaim: string;
  /** The least role first; undefined: an admin says who may do what. */
  readonly roles: readonly (readonly [Role, readonly string[]])[] | undefined;
}

export function buildOidc(
  { roles, ...file }: z.output<typeof OidcFile>,
  clientSecret: Template,
): OidcSettings {
  const { viewer = [], operator = [], admin = [] } = roles ?? {};
  return {
    ...file,
    clientSecret,
    roles: roles && [
      ["viewer", viewer],
      ["operator", operator],
      ["admin", admin],
    ],
  };
}
