import { randomUUID, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { AppError, messageOf } from "../../errors.ts";
import { collect } from "../../lib/process.ts";
import type { Clock } from "../../lib/clock.ts";
import { ANSWERS, ErrorAnswer } from "./answers.ts";
import type { Faults } from "./faults.ts";
import { limitedUntil, type RateLimit } from "./rate-limit.ts";
import { errorId, Refusal } from "./refusal.ts";
import { type ApiAnswer, findRoute, type Route } from "./router.ts";
import { STATUS_PATH } from "./status-page.ts";

/** A request that came, whatever became of it. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

export interface ApiServer extends AsyncDisposable {
  readonly url: string;
}

export interface ApiServerOptions {
  readonly routes: readonly Route[];
  readonly token: string;
  readonly faults: Faults;
  readonly limit: RateLimit;
  readonly clock: Clock;
  readonly seen: (request: SeenRequest) => void;
  /** The public page on which the service tells of its outages; anybody may read it. */
  readonly statusPage: () => object;
}

// The largest request holds a hundred trusted sources.
const LONGEST_BODY = 256 * 1024;

const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };

/** Serves routes on a free port of 127.0.0.1. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const end = new AbortController();
  const server = createServer((request, response) => {
    // Whoever hangs up, or waits while we stop, gets no answer.
    answer(options, request, response, end.signal).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new AppError("unexpected", "start the emulated service: it has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      end.abort();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function answer(
  options: ApiServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  end: AbortSignal,
): Promise<void> {
  const { method = "", url = "" } = request;
  const { pathname: path, searchParams: query } = new URL(url, "http://localhost");
  if (path === STATUS_PATH) {
    response.writeHead(200, JSON_TYPE).end(JSON.stringify(options.statusPage()));
    return;
  }
  const text = await collect(request, LONGEST_BODY);
  const { exceeded, headers } = options.limit.count(options.clock.now());
  let given: ApiAnswer | "cut";
  let limited: Readonly<Record<string, string>> = {};
  try {
    authenticate(request, options.token);
    const body = readJson(text);
    options.seen({ method, path, body });
    if (exceeded) throw new Refusal(429, "too many requests");
    const slowness = options.faults.takeSlowness(method, path);
    if (slowness !== undefined) await options.clock.wait(slowness.ms, end);
    const failure = options.faults.takeFailure(method, path);
    const run = (): Promise<ApiAnswer> => carryOut(options.routes, { method, path, query, body });
    if (failure === undefined) given = await run();
    else {
      if (failure.carriedOut === true) await run();
      if (failure.status === 429)
        limited = limitedUntil(new Date(options.clock.now().getTime() + (failure.resetAfter ?? 1000)));
      given = failure.status === "cut" ? "cut" : errorAnswer(new Refusal(failure.status, "on demand"));
    }
  } catch (error) {
    if (end.aborted) throw error;
    given = errorAnswer(error instanceof Refusal ? error : new Refusal(500, messageOf(error)));
  }
  if (given === "cut") {
    response.destroy();
    return;
  }
  const json = given.body === undefined ? undefined : JSON.stringify(given.body);
  const type = json === undefined ? {} : JSON_TYPE;
  response.writeHead(given.status, { ...headers, ...limited, ...type }).end(json);
}

async function carryOut(
  routes: readonly Route[],
  { method, path, query, body }: { method: string; path: string; query: URLSearchParams; body: unknown },
): Promise<ApiAnswer> {
  const { route, params } = findRoute(routes, method, path);
  const given = await route.handle({ params, query, body });
  // An emulator that breaks the contract must not teach anybody to expect it.
  ANSWERS[route.answer].parse(given.body);
  return given;
}

function errorAnswer({ status, message }: Refusal): ApiAnswer {
  return { status, body: ErrorAnswer.parse({ id: errorId(status), message, request_id: randomUUID() }) };
}

function authenticate(request: IncomingMessage, token: string): void {
  const given = Buffer.from(request.headers.authorization ?? "");
  const wanted = Buffer.from(`Bearer ${token}`);
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw new Refusal(401, "unable to authenticate you");
}

function readJson(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new Refusal(400, "the body is no JSON");
    throw error;
  }
}
