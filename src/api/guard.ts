import type { IncomingMessage, ServerResponse } from "node:http";
import { isIP } from "node:net";
import { isLoopback } from "../config/http-address.ts";
import { AppError } from "../errors.ts";

/** Nothing is loaded, framed or sent from an answer, and no answer is kept. There is no CORS: other sites read nothing. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-store",
};

export function setSecurityHeaders(response: ServerResponse): void {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
}

/** Under which names we may be asked. */
export interface Names {
  /** Where browsers find us, when something stands in front of us: `https://handled.example.com`. */
  readonly url: URL | undefined;
}

/**
 * Why a request is not even looked at; undefined where it may be. A site whose name was made to lead here (DNS rebinding) is told by
 * the name it was asked for: our own, an address, or `localhost`. And what another site has a browser send is refused whatever it carries.
 */
export function refusalOf({ headers, method }: IncomingMessage, { url }: Names): AppError | undefined {
  const host = headers.host ?? "";
  const [, six, name] = /^(?:\[([\da-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(host) ?? [];
  const asked = six ?? name ?? "";
  if (!isLoopback(asked) && isIP(asked) === 0 && host.toLowerCase() !== url?.host) {
    return new AppError("host_refused", "this was asked under a name that is not ours", {
      hint: "ask `127.0.0.1` or `localhost`, or the address of this machine; `daemon.url` in the strategy gives it a name",
    });
  }
  if (method === "GET" || method === "HEAD") {
    const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
    return hasBody ? new AppError("usage", `${method} takes no body`) : undefined;
  }
  const { origin, "sec-fetch-site": site } = headers;
  const own = [`http://${host}`, `https://${host}`, ...(url === undefined ? [] : [url.origin])];
  if (
    (origin !== undefined && !own.includes(origin)) ||
    (site !== undefined && site !== "same-origin" && site !== "none")
  )
    return new AppError("host_refused", "another site asked for this");
  return undefined;
}
