import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { text } from "node:stream/consumers";

export interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HttpReceiver extends AsyncDisposable {
  readonly url: string;
  readonly requests: ReceivedRequest[];
}

/** What a request is answered with; `silence`: never. */
type Answer =
  | number
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  | "silence";

/** A real HTTP server on a port of this machine, which keeps what it is asked. */
export async function httpReceiver(
  answer: (request: ReceivedRequest, number: number) => Answer = () => 200,
  tls?: { readonly key: string; readonly cert: string },
): Promise<HttpReceiver> {
  const requests: ReceivedRequest[] = [];
  const server = (tls === undefined ? createServer() : createSecureServer(tls)).on(
    "request",
    (incoming, outgoing) => {
      text(incoming).then(
        (body) => {
          const { method = "", url = "", headers } = incoming;
          const request = { method, path: url, headers, body };
          requests.push(request);
          const given = answer(request, requests.length);
          if (given === "silence") return;
          const {
            status,
            headers: more = {},
            body: said = "ok",
          } = typeof given === "number" ? { status: given } : given;
          outgoing.writeHead(status, more).end(said);
        },
        () => undefined,
      );
    },
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${address.port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
