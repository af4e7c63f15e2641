import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import PostalMime, { type Email } from "postal-mime";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";

/** A mail as it arrived. */
interface Arrived {
  readonly mail: Email;
  /** To whom the server was asked to send it. */
  readonly recipients: readonly string[];
  readonly user: string | undefined;
  readonly encrypted: boolean;
}

export interface MailServer extends AsyncDisposable {
  readonly port: number;
  readonly arrived: Arrived[];
}

interface MailServerOptions {
  /** Without it nobody has to log in. */
  readonly login?: { readonly user: string; readonly password: string };
  /** Key and certificate; `now` encrypts from the first byte, `later` by STARTTLS. */
  readonly tls?: { readonly key: string; readonly cert: string; readonly when: "now" | "later" };
  /** Why a recipient is refused, with its status. */
  readonly refuse?: (address: string) => { readonly status: number; readonly message: string } | undefined;
}

/** A real SMTP server on a port of this machine, which keeps what it gets. */
export async function mailServer(options: MailServerOptions = {}): Promise<MailServer> {
  const { login, tls, refuse } = options;
  const arrived: Arrived[] = [];
  const settings: SMTPServerOptions = {
    secure: tls?.when === "now",
    ...(tls === undefined ? {} : { key: tls.key, cert: tls.cert }),
    disabledCommands: [
      ...(tls?.when === "later" ? [] : ["STARTTLS"]),
      ...(login === undefined ? ["AUTH"] : []),
    ],
    // The client is to refuse to tell a password in the clear, not the server.
    allowInsecureAuth: true,
    authOptional: login === undefined,
    logger: false,
    closeTimeout: 100,
    disableReverseLookup: true,
    onAuth: ({ username, password }, _session, callback) => {
      if (username === login?.user && password === login?.password) callback(null, { user: username });
      else callback(new Error("Invalid username or password"));
    },
    onRcptTo: ({ address }, _session, callback) => {
      const refusal = refuse?.(address);
      if (refusal === undefined) callback();
      else callback(Object.assign(new Error(refusal.message), { responseCode: refusal.status }));
    },
    onData: (stream, session, callback) => {
      buffer(stream)
        .then(async (raw) => {
          arrived.push({
            mail: await PostalMime.parse(raw),
            recipients: session.envelope.rcptTo.map(({ address }) => address),
            user: session.user as string | undefined,
            encrypted: session.secure,
          });
          callback();
        })
        .catch(callback);
    },
  };
  const server = new SMTPServer(settings);
  // A client that breaks off, as one that trusts no certificate does, is no error of the test.
  server.on("error", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  const address = server.server.address();
  if (address === null || typeof address === "string") throw new Error("the mail server has no port");
  return {
    port: address.port,
    arrived,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(resolve);
      }),
  };
}
