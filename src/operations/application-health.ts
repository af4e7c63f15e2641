import { AppError, errorCode, messageOf } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted, formatDuration } from "../lib/text.ts";

const POLL_EVERY_MS = 500;
// One stuck connection must not use up the whole time that the application has to come up.
const REQUEST_TIMEOUT_MS = 5000;
// Even the last request before the end gets the time that a busy server needs to answer.
const REQUEST_AT_LEAST_MS = 1000;

/** How to ask an application whether it works. */
export interface HealthCheck {
  /** Address that answers 2xx when the application works. */
  readonly health?: string | undefined;
  /** Milliseconds that the application may take to become healthy. */
  readonly healthTimeoutMs: number;
}

/** An application that answered. */
export interface HealthReport {
  /** HTTP status of the answer. */
  readonly status: number;
  readonly attempts: number;
  readonly durationMs: number;
}

/**
 * Asks the health address until it answers 2xx; undefined when none is configured. Throws `application_failed` with
 * the last answer once `healthTimeoutMs` has passed, and the signal's reason when aborted.
 */
export async function waitUntilHealthy(
  runtime: Runtime,
  app: HealthCheck,
  signal: AbortSignal,
): Promise<HealthReport | undefined> {
  if (app.health === undefined) return undefined;
  const request = healthRequest(runtime, app.health);
  const started = runtime.clock.monotonic();
  for (let attempts = 1; ; attempts++) {
    const left = app.healthTimeoutMs - (runtime.clock.monotonic() - started);
    const answer = await ask(request, requestTimeout(left), signal);
    const durationMs = runtime.clock.monotonic() - started;
    if ("healthy" in answer) {
      runtime.reporter.note(`application healthy after ${formatDuration(durationMs)}`);
      return { status: answer.healthy, attempts, durationMs };
    }
    if (durationMs + POLL_EVERY_MS > app.healthTimeoutMs) {
      const asked = `asked ${counted(attempts, "time")} in ${formatDuration(durationMs)}`;
      throw new AppError(
        "application_failed",
        `wait for the application: ${request.shown} is not healthy: ${answer.problem} (${asked})`,
        {
          hint: "look into the application's own log; `application.healthTimeout` in the strategy says how long to wait",
          details: { attempts, durationMs, lastAnswer: answer.problem },
        },
      );
    }
    await runtime.clock.wait(POLL_EVERY_MS, signal);
  }
}

function requestTimeout(msLeft: number): number {
  return Math.ceil(Math.min(REQUEST_TIMEOUT_MS, Math.max(REQUEST_AT_LEAST_MS, msLeft)));
}

interface HealthRequest {
  readonly url: string;
  /** The address without user and password. */
  readonly shown: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Moves user and password of an address into a header: `fetch` refuses addresses that carry them. */
function healthRequest(runtime: Runtime, address: string): HealthRequest {
  if (!URL.canParse(address)) {
    throw new AppError("usage", `wait for the application: ${runtime.secrets.redact(address)} is no URL`);
  }
  const url = new URL(address);
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  url.username = "";
  url.password = "";
  const shown = runtime.secrets.redact(url.href);
  if (user === "" && password === "") return { url: url.href, shown, headers: {} };
  const basic = Buffer.from(`${user}:${password}`).toString("base64");
  runtime.secrets.add(password);
  runtime.secrets.add(basic);
  return { url: url.href, shown, headers: { authorization: `Basic ${basic}` } };
}

type Answer = { readonly healthy: number } | { readonly problem: string };

async function ask(request: HealthRequest, timeoutMs: number, signal: AbortSignal): Promise<Answer> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    // A redirect is no answer of the application: a proxy's login or maintenance page would look healthy.
    const response = await fetch(request.url, {
      headers: request.headers,
      redirect: "manual",
      signal: AbortSignal.any([signal, timeout]),
    });
    await response.body?.cancel();
    return response.ok ? { healthy: response.status } : { problem: describeStatus(response) };
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) return { problem: `no answer within ${formatDuration(timeoutMs)}` };
    // `fetch` says only "fetch failed"; the reason is its cause.
    const reason = error instanceof Error && error.cause !== undefined ? error.cause : error;
    return { problem: errorCode(reason) === "ECONNREFUSED" ? "connection refused" : messageOf(reason) };
  }
}

function describeStatus(response: Response): string {
  const location = response.headers.get("location");
  return `HTTP ${response.status}${location === null ? "" : ` to ${location}`}`;
}
