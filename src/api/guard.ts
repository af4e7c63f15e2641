import type { IncomingMessage, ServerResponse } from "node:http";
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

/**
 * Why a request is not even looked at; undefined where it may be. Nobody is asked who they are yet, so only this machine's
 * own users may ask, and a site whose name was made to lead here (DNS rebinding) is told by the name it was asked for.
 */
export function refusalOf(request: IncomingMessage): AppError | undefined {
  const { socket, headers, method } = request;
  if (!isLoopback(socket.localAddress ?? "")) {
    return new AppError("host_refused", "the API answers on a loopback address only");
  }
  const host = headers.host ?? "";
  const [, six, name] = /^(?:\[([\da-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(host) ?? [];
  if (!isLoopback(six ?? name ?? "")) {
    return new AppError("host_refused", "the API was asked under a name that is not this machine's own", {
      hint: "ask `127.0.0.1` or `localhost`; elsewhere, an SSH tunnel brings it to you",
    });
  }
  const hasBody = headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0;
  if (hasBody && (method === "GET" || method === "HEAD")) {
    return new AppError("usage", `${method} takes no body`);
  }
  return undefined;
}
