import type { SMTPConnectionOptions } from "nodemailer/lib/smtp-connection";
import type { EmailChannel } from "../config/notify.ts";
import { resolveTemplate } from "../config/interpolate.ts";
import { AppError, errorCode, messageOf } from "../errors.ts";
import { PROGRAM } from "../lib/program.ts";
import type { Runtime } from "../lib/runtime.ts";
import { certificateError, isCertificateProblem } from "./http.ts";
import type { Notice } from "./notice.ts";

// By the last `@`: a password that comes from a variable may hold anything.
const ADDRESS = /^(smtps?):\/\/(?:([^:@/]*)(?::(.*))?@)?(\[[^\]]+\]|[^@/:?#[\]]+)(?::(\d{1,5}))?\/?$/is;
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|::1)$/i;

interface Server {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
  readonly login: { readonly user: string; readonly pass: string } | undefined;
}

/**
 * Sends a mail. With `smtps://` everything is encrypted; with `smtp://` the connection is, by STARTTLS, where the server can, and
 * it has to where there is a password to be told. On this machine, without a password, it is left away: certificates of mail
 * servers that only serve their own machine are rarely right. Certificates are checked otherwise.
 * @returns what did not go well though the server took the mail: those whom it does not send it to
 */
export async function sendEmail(
  runtime: Runtime,
  channel: EmailChannel,
  { subject, text, html, severity }: Notice,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const server = serverOf(runtime, resolveTemplate(runtime, channel.url).trim());
  const { createTransport } = await import("nodemailer");
  const transport = createTransport({
    ...connectionOf(server, timeoutMs),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  try {
    const { rejected } = await transport.sendMail({
      from: channel.from,
      to: [...channel.to],
      subject,
      text,
      html,
      priority: severity === "critical" ? "high" : "normal",
      // Nobody's holiday is to answer (RFC 3834).
      headers: { "auto-submitted": "auto-generated", "x-mailer": PROGRAM },
      // Ends the connection too: a mail that is given up is not to arrive beside the one of the next try.
      signal,
    });
    const refused = (rejected ?? []).map((to: string | { address: string }) =>
      typeof to === "string" ? to : to.address,
    );
    return refused.length === 0 ? undefined : `${server.host} does not take mail for ${refused.join(", ")}`;
  } catch (error) {
    signal.throwIfAborted();
    throw mailError(server, error);
  } finally {
    transport.close();
  }
}

function serverOf(runtime: Runtime, text: string): Server {
  const [, scheme = "", user, password = "", hostname = "", port] = ADDRESS.exec(text) ?? [];
  runtime.secrets.add(password);
  const pass = decoded(password);
  runtime.secrets.add(pass);
  const isSecure = scheme.toLowerCase() === "smtps";
  const host = hostname.replaceAll(/[[\]]/g, "");
  const number = port === undefined ? (isSecure ? 465 : 587) : Number(port);
  if (host === "" || number < 1 || number > 65_535) {
    throw new AppError("channel_refused", "its address is no smtps:// or smtp:// URL", {
      hint: "write `smtps://user:${PASSWORD}@mail.example.com:465`",
    });
  }
  const login = user === undefined || user === "" ? undefined : { user: decoded(user), pass };
  return { host, port: number, isSecure, login };
}

/** What no `%` encodes rightly is meant as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function connectionOf({ host, port, isSecure, login }: Server, timeoutMs: number) {
  const isHere = LOOPBACK.test(host) && login === undefined;
  return {
    host,
    port,
    secure: isSecure,
    requireTLS: !isSecure && login !== undefined,
    ignoreTLS: isHere,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    ...(login === undefined ? {} : { auth: login }),
  } satisfies SMTPConnectionOptions & { auth?: Server["login"] };
}

function mailError({ host, port, login }: Server, error: unknown): AppError {
  const at = `${host}:${port}`;
  const reason = messageOf(error).split("\n", 1).join();
  const code = errorCode(error);
  if (isCertificateProblem(fieldOf(error, "originalCode", "string"))) return certificateError(at, reason);
  const status = fieldOf(error, "responseCode", "number");
  // The first digit tells whether a later try may help (RFC 5321, 4.2.1).
  if (status !== undefined && status < 500)
    return new AppError("channel_unreachable", `${at}: ${reason}`, { cause: error });
  if (code === "EAUTH" || code === "ENOAUTH") {
    return new AppError(
      "channel_refused",
      `${at} refuses the login of ${login?.user ?? "nobody"}: ${reason}`,
      {
        cause: error,
        hint: "look at user and password in `url` of the channel; what is no letter or digit of a password may have to be written as `%` and its hexadecimal code",
      },
    );
  }
  if (code === "ETLS") {
    return new AppError("channel_refused", `${at} offers no encryption that works: ${reason}`, {
      cause: error,
      hint: "a password is sent over an encrypted connection only: `smtps://` where the server expects TLS from the first byte",
    });
  }
  // No status, and not the server's word: an address that is none.
  if (status !== undefined || code === "EENVELOPE" || code === "EMESSAGE")
    return new AppError("channel_refused", `${at} refuses the mail: ${reason}`, { cause: error });
  return new AppError("channel_unreachable", `${at}: ${reason}`, { cause: error });
}

/** A field that nodemailer adds to its errors: the server's own status, such as 550, or the code that its own code has hidden. */
function fieldOf(error: unknown, name: "responseCode", type: "number"): number | undefined;
function fieldOf(error: unknown, name: "originalCode", type: "string"): string | undefined;
function fieldOf(error: unknown, name: string, type: string): unknown {
  if (typeof error !== "object" || error === null || !(name in error)) return undefined;
  const value: unknown = Reflect.get(error, name);
  return typeof value === type ? value : undefined;
}
