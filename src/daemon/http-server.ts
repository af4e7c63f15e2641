import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { HttpAddress } from "../config/http-address.ts";
import { AppError, errorCode, messageOf } from "../errors.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/** What is answered to GET and HEAD, by path. */
export type HttpRoutes = Readonly<Record<string, () => Promise<HttpAnswer>>>;

export interface HttpServer extends AsyncDisposable {
  readonly url: string;
}

export const PLAIN_TEXT = "text/plain; charset=utf-8";

/** What is answered beside the routes. */
export interface HttpMounts {
  /** Everything at and below `/api`. */
  readonly api?: RequestListener;
  /** Everything that is neither there nor a route. */
  readonly pages?: RequestListener;
}

/**
 * Listens and answers until it is disposed. Fails with `usage` where it cannot listen there.
 * @param onFailure hears why something could not be answered; whoever asked does not
 */
export async function startHttpServer(
  { host, port }: HttpAddress,
  routes: HttpRoutes,
  onFailure: (path: string, error: unknown) => void,
  { api, pages }: HttpMounts = {},
): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const path = request.url?.split("?", 1)[0] ?? "";
    if (api !== undefined && (path === "/api" || path.startsWith("/api/"))) api(request, response);
    else if (pages !== undefined && !Object.hasOwn(routes, path)) pages(request, response);
    else void answer(routes, onFailure, request, response);
  });
  // Whoever connects and says nothing must not hold a descriptor for long.
  server.requestTimeout = 10_000;
  server.headersTimeout = 10_000;
  try {
    // Rejects when the server says `error` before.
    const listening = once(server, "listening");
    server.listen({ host, port });
    await listening;
  } catch (error) {
    throw cannotListen({ host, port }, error);
  }
  // Such as too many open files while a connection is accepted: that one is lost, the next may come through.
  server.on("error", () => undefined);
  const { address, port: taken } = server.address() as AddressInfo;
  return {
    url: `http://${address.includes(":") ? `[${address}]` : address}:${taken}`,
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function cannotListen({ host, port }: HttpAddress, cause: unknown): AppError {
  const where = `listen on port ${port} of ${host}`;
  const code = errorCode(cause);
  if (code === "EADDRINUSE") {
    return new AppError("usage", `${where}: another process has it`, {
      cause,
      hint: `\`ss -ltnp 'sport = :${port}'\` says which; \`--port\`, or \`daemon.http\` in the strategy, takes another one`,
    });
  }
  if (code === "EACCES") {
    return new AppError("usage", `${where}: this user may not`, {
      cause,
      hint: "choose a port from 1024 on with `--port`, or `daemon.http` in the strategy",
    });
  }
  return new AppError("usage", `${where}: ${messageOf(cause)}`, {
    cause,
    hint: "`--host`, or `daemon.http` in the strategy, names an address of this machine",
  });
}

async function answer(
  routes: HttpRoutes,
  onFailure: (path: string, error: unknown) => void,
  { method = "", url = "" }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, type, body, ...more } = await answerTo(routes, onFailure, method, url);
  response.writeHead(status, {
    "content-type": type,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...more.headers,
  });
  response.end(method === "HEAD" ? undefined : body);
}

async function answerTo(
  routes: HttpRoutes,
  onFailure: (path: string, error: unknown) => void,
  method: string,
  url: string,
): Promise<HttpAnswer & { readonly headers?: Readonly<Record<string, string>> }> {
  const path = url.split("?", 1)[0] ?? "";
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return { status: 404, type: PLAIN_TEXT, body: "there is no such page\n" };
  if (method !== "GET" && method !== "HEAD")
    return { status: 405, type: PLAIN_TEXT, body: "only GET and HEAD\n", headers: { allow: "GET, HEAD" } };
  try {
    return await route();
  } catch (error) {
    onFailure(path, error);
    // A stranger may ask: what went wrong inside is not for them.
    return { status: 500, type: PLAIN_TEXT, body: "this cannot be answered\n" };
  }
}
