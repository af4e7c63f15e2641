import { z } from "zod";

/** The addresses by which a browser signs in with another service. They answer with where it goes next. */
export const OIDC_ROUTES = {
  start: {
    method: "GET",
    path: "/api/oidc/start",
    role: "public",
    summary: "Sends a browser to the other service that one can sign in with",
    query: z.strictObject({
      again: z
        .literal("true")
        .optional()
        .describe("`true`: it has to ask who it is, though it knows; needed before something dangerous"),
    }),
  },
  callback: {
    method: "GET",
    path: "/api/oidc/callback",
    role: "public",
    summary: "Where the other service sends the browser back to",
  },
} as const;
