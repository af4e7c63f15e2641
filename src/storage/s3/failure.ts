import { errorCode } from "../../errors.ts";

/** What a failed request says, whichever way it failed. */
export interface Failure {
  /** The server's own code (`NoSuchKey`), or the errno of the connection; empty where there is neither. */
  readonly code: string;
  /** Undefined when no answer came. */
  readonly status: number | undefined;
  /** The server's clock when it answered. */
  readonly serverTime: Date | undefined;
}

/** A body that ended before its announced length, or gave more. */
export class CutShort extends Error {
  override readonly name = "CutShort";
}

// An answer of another server on the way (a load balancer) may have no code.
const OVERLOADED = new Set([429, 500, 502, 503, 504]);
const TRANSIENT = new Set([
  "SlowDown",
  "SlowDownRead",
  "SlowDownWrite",
  "ServiceUnavailable",
  "Throttling",
  "ThrottlingException",
  "TooManyRequests",
  "TooManyRequestsException",
  "RequestLimitExceeded",
  "InternalError",
  "RequestTimeout",
  "RequestTimeoutException",
  "OperationAborted",
  // Two conditional writes met: whoever asks again learns who was first.
  "ConditionalRequestConflict",
]);

const SKEWED = new Set(["RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired"]);

// The name does not resolve, or nobody listens: a mistake in the address, unless the server answered before.
const NOBODY_THERE = new Set(["ENOTFOUND", "ECONNREFUSED", "EHOSTUNREACH", "ENETUNREACH", "EADDRNOTAVAIL"]);

/** Reads what the SDK threw. Never looks at a message. */
export function failureOf(error: unknown): Failure {
  const { name, $metadata, $response } = (typeof error === "object" && error !== null ? error : {}) as {
    readonly name?: string;
    readonly $metadata?: { readonly httpStatusCode?: number };
    readonly $response?: {
      readonly statusCode?: number;
      readonly headers?: Readonly<Record<string, string>>;
    };
  };
  // An answer that is no XML (a proxy's page) breaks the SDK's parser, which leaves only the response.
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  const date = Date.parse($response?.headers?.["date"] ?? "");
  return {
    code: status === undefined ? (errnoOf(error) ?? name ?? "") : (name ?? ""),
    status,
    serverTime: Number.isNaN(date) ? undefined : new Date(date),
  };
}

/** An error that happened while connecting to several addresses holds one for each. */
function errnoOf(error: unknown): string | undefined {
  return errorCode(error) ?? (error instanceof AggregateError ? errorCode(error.errors[0]) : undefined);
}

/** Whether asking again may help. */
export function isTransient(error: unknown, { code, status }: Failure): boolean {
  if (error instanceof CutShort) return true;
  if (status !== undefined) return TRANSIENT.has(code) || OVERLOADED.has(status);
  return isOfConnection(code);
}

/** Whether the server found the time of the request wrong. */
export function isSkewed({ code }: Failure): boolean {
  return SKEWED.has(code);
}

/** Whether this looks like a wrong address rather than a disturbance. */
export function isNobodyThere({ code, status }: Failure): boolean {
  return status === undefined && NOBODY_THERE.has(code);
}

/** Whether the server may have done what it was asked, although no good answer came. */
export function isUncertain(error: unknown, failure: Failure): boolean {
  return isTransient(error, failure) && !isNobodyThere(failure);
}

/** Errnos of sockets, and the SDK's word for its time limits. TLS errors are none: they do not go away. */
function isOfConnection(code: string): boolean {
  if (code === "TimeoutError") return true;
  return /^E[A-Z_]+$/.test(code) && !code.startsWith("ERR_") && code !== "EPROTO";
}
