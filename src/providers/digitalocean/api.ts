import type { z } from "zod";
import { AppError, errorCode, isAppError, messageOf } from "../../errors.ts";
import { PROGRAM } from "../../lib/program.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { answers, rateLimit } from "./contract.ts";

// No client library: what is needed of HTTP is little, and what matters here, when the service wants to be asked again and that
// no error carries the token, is held by what can be read below.

export interface ApiSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly token: string;
  /** Milliseconds one answer may take. */
  readonly timeoutMs?: number;
}

type Method = "GET" | "POST" | "PUT" | "DELETE";

const TIMEOUT_MS = 30_000;
const TRIES = 4;
const FIRST_WAIT_MS = 500;
// The contract's limit by the minute is over after one; that by the hour nobody waits for.
const LONGEST_WAIT_MS = 90_000;

/** The service over HTTP. Errors name method, path and reason; never the token, never a body that was sent. */
export class Api {
  readonly #runtime: Runtime;
  readonly #settings: ApiSettings;

  constructor(runtime: Runtime, settings: ApiSettings) {
    runtime.secrets.add(settings.token);
    this.#runtime = runtime;
    this.#settings = settings;
  }

  // All but POST are sent again where the service is overloaded or out of order: twice is the same as once.
  async get<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    return this.#parsed(`GET ${path}`, schema, await this.#send("GET", path, undefined, signal));
  }

  /** Sent again only when it was refused for coming too fast: who knows what else became of it. */
  async post<T>(path: string, body: object, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    return this.#parsed(`POST ${path}`, schema, await this.#send("POST", path, body, signal));
  }

  async put(path: string, body: object, signal: AbortSignal): Promise<void> {
    await this.#send("PUT", path, body, signal);
  }

  async delete(path: string, signal: AbortSignal): Promise<void> {
    await this.#send("DELETE", path, undefined, signal);
  }

  #parsed<T>(what: string, schema: z.ZodType<T>, answer: unknown): T {
    const parsed = schema.safeParse(answer);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new AppError(
      "provider_refused",
      `${what}: the answer is not what the contract says: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`,
      { hint: "is `endpoint` that of the service? it may also be newer than this Handled" },
    );
  }

  async #send(method: Method, path: string, body: object | undefined, signal: AbortSignal): Promise<unknown> {
    for (let tried = 1; ; tried++) {
      try {
        this.#runtime.observer("before", `provider ${method} ${path}`);
        const answer = await this.#once(method, path, body, signal);
        this.#runtime.observer("after", `provider ${method} ${path}`);
        return answer;
      } catch (error) {
        if (!isAppError(error, "provider_unreachable") || tried === TRIES) throw error;
        const { status, waitMs } = error.details;
        if (method === "POST" && status !== 429) throw error;
        const wait = typeof waitMs === "number" ? waitMs : FIRST_WAIT_MS * 2 ** (tried - 1);
        if (wait > LONGEST_WAIT_MS) throw error;
        await this.#runtime.clock.wait(wait, signal);
      }
    }
  }

  async #once(method: Method, path: string, body: object | undefined, signal: AbortSignal): Promise<unknown> {
    const { endpoint, token, timeoutMs = TIMEOUT_MS } = this.#settings;
    const what = `${method} ${path}`;
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const answer = await fetch(`${endpoint}${path}`, {
        method,
        headers: {
          "user-agent": PROGRAM,
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // The token goes to nobody else.
        redirect: "manual",
        signal: AbortSignal.any([signal, timeout]),
      });
      const text = await answer.text();
      if (!answer.ok) throw refusal(this.#runtime, what, answer, text);
      return text === "" ? undefined : jsonOf(text);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof AppError) throw error;
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      const reason = timeout.aborted
        ? `no answer in ${timeoutMs / 1000} s`
        : messageOf(cause) || errorCode(cause) || messageOf(error);
      throw new AppError("provider_unreachable", `${what}: ${new URL(endpoint).host}: ${reason}`);
    }
  }
}

/** Of a cluster. */
export const pathOf = (id: string): string => `/v2/databases/${encodeURIComponent(id)}`;

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function refusal(runtime: Runtime, what: string, { status, headers }: Response, text: string): AppError {
  const said = answers.error.safeParse(jsonOf(text));
  const reason = said.success
    ? `${said.data.message}${said.data.request_id === undefined ? "" : ` (request ${said.data.request_id})`}`
    : "without a reason";
  const message = `${what}: answered ${status}: ${reason}`;
  if (status === 429 || status >= 500) {
    const waitMs = status === 429 ? waitOf(runtime, headers) : undefined;
    return new AppError("provider_unreachable", message, { details: { status, waitMs } });
  }
  const hint =
    status === 401 || status === 403
      ? "the service does not take the token: is it right, and may it read and create databases?"
      : undefined;
  return new AppError("provider_refused", message, { hint, details: { status } });
}

/** Milliseconds until the service wants to be asked again; undefined where it does not say. */
function waitOf({ clock }: Runtime, headers: Headers): number | undefined {
  const after = headers.get(rateLimit.retryAfter);
  if (after !== null && /^\d+$/.test(after)) return Number(after) * 1000;
  const reset = headers.get(rateLimit.reset);
  if (reset === null || !/^\d+$/.test(reset)) return undefined;
  return Math.max(0, Number(reset) * 1000 - clock.now().getTime());
}
