import { AppError, errorCode, messageOf } from "../errors.ts";
import { PROGRAM } from "../lib/program.ts";
import type { Runtime } from "../lib/runtime.ts";

interface HttpRequest {
  readonly url: string;
  readonly contentType: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

// Of an answer that refuses, so much is told.
const MOST_TOLD = 200;
const MOST_READ = 4096;
// A shorter path is a word, such as `/alerts`, that would be blanked out wherever it stands.
const SECRET_PATH = 16;
/** Overloaded or restarting, as RFC 9110 and RFC 6585 word it. */
const TEMPORARY = [408, 425, 429];
const CERTIFICATE = /CERT|UNABLE_TO_(?:GET|VERIFY)|SELF_SIGNED/;

/**
 * Posts something; returns once it was answered with 2xx. Redirections are not followed: most would turn the message into a
 * question, which is answered with 200 too. Errors name the host alone, for the rest of such an address is often a secret:
 * `channel_unreachable` where a later try may help, else `channel_refused`.
 */
export async function post(runtime: Runtime, request: HttpRequest, signal: AbortSignal): Promise<void> {
  const url = addressOf(runtime, request.url);
  const user = userOf(url);
  const answer = await fetch(url, {
    method: "POST",
    body: request.body,
    headers: { "user-agent": PROGRAM, "content-type": request.contentType, ...user, ...request.headers },
    redirect: "manual",
    signal,
  }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw connectionError(url.host, cause);
  });
  try {
    if (answer.ok) return;
    throw refusal(url.host, answer, await beginOf(answer, signal));
  } finally {
    // Whatever else it says: the connection is not to be kept for it.
    await answer.body?.cancel().catch(() => undefined);
  }
}

function addressOf(runtime: Runtime, text: string): URL {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new AppError("channel_refused", "its address is no https:// or http:// URL", {
      hint: "look at `url` of the channel, and at the variable in it",
    });
  }
  const url = new URL(text);
  // Whoever has the path or the query of such an address may send to it.
  runtime.secrets.add(text);
  const path = `${url.pathname}${url.search}`;
  if (path.length >= SECRET_PATH) runtime.secrets.add(path);
  return url;
}

/** `fetch` takes no address with a user in it. */
function userOf(url: URL): Record<string, string> {
  if (url.username === "" && url.password === "") return {};
  const pair = [url.username, url.password].map(decodeURIComponent).join(":");
  url.username = "";
  url.password = "";
  return { authorization: `Basic ${Buffer.from(pair).toString("base64")}` };
}

/** What went wrong on the way, from what `fetch` hides in the cause of its error. */
function connectionError(host: string, error: unknown): AppError {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = errorCode(cause);
  const reason = messageOf(cause) || code || messageOf(error);
  if (code !== undefined && CERTIFICATE.test(code)) return certificateError(host, reason);
  return new AppError("channel_unreachable", `connect to ${host}: ${reason}`, { cause: error });
}

/** That of a server whose certificate nobody here trusts. */
export function certificateError(host: string, reason: string): AppError {
  return new AppError("channel_refused", `connect to ${host}: its certificate is not trusted: ${reason}`, {
    hint: "where an authority of your own signed it, set NODE_EXTRA_CA_CERTS to the file with its certificate",
  });
}

export function isCertificateProblem(code: string | undefined): boolean {
  return code !== undefined && CERTIFICATE.test(code);
}

function refusal(host: string, { status, headers }: Response, body: string): AppError {
  const said = body
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, MOST_TOLD);
  const message = `${host} answered ${status}${said === "" ? "" : `: ${said}`}`;
  if (status >= 500 || TEMPORARY.includes(status)) {
    const seconds = Number(headers.get("retry-after") ?? Number.NaN);
    const details = Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {};
    return new AppError("channel_unreachable", message, { details });
  }
  if (status >= 300 && status < 400) {
    return new AppError("channel_refused", `${message || host}: it sends on to another address`, {
      hint: "write the address that it sends to into `url` of the channel",
    });
  }
  return new AppError("channel_refused", message, {
    hint: "look at `url` of the channel: whoever made it may have taken it back",
  });
}

async function beginOf({ body }: Response, signal: AbortSignal): Promise<string> {
  if (body === null) return "";
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= MOST_READ) break;
    }
  } catch {
    // The status says that it failed; what came of the rest is only for people.
    signal.throwIfAborted();
  }
  return Buffer.concat(chunks).subarray(0, MOST_READ).toString("utf8");
}
