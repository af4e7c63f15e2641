import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { Socket } from "node:net";

/** A request on its way, as faults are chosen by. */
export interface Passing {
  /** Counts all requests, from 1. */
  readonly number: number;
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What becomes of a request. */
export type Fate =
  | "pass"
  /** Answered with this status; the server never hears of it. */
  | { readonly refuse: number; readonly code?: string }
  /** The connection breaks after so many bytes of the request's body; the server gets no more. */
  | { readonly cutRequestAfter: number }
  /** The server does as it was asked, and the connection breaks after so many bytes of the answer's body; -1: before any answer. */
  | { readonly cutAnswerAfter: number }
  /** Where the server answers with the first status, the client is told the second. */
  | { readonly instead: readonly [answered: number, told: number] }
  | { readonly delayMs: number }
  /** Let through once this is done. */
  | { readonly after: Promise<unknown> };

/** A proxy in front of an HTTP server, that disturbs what it is told to. */
export interface HttpProxy extends AsyncDisposable {
  readonly endpoint: string;
  readonly requests: readonly Passing[];
}

/** @param fate may be asked for every request; `pass` lets it through as it is */
export async function httpProxy(target: string, fate: (passing: Passing) => Fate): Promise<HttpProxy> {
  const sockets = new Set<Socket>();
  const requests: Passing[] = [];
  const server = createServer((incoming, outgoing) => {
    const { method = "", url = "", headers } = incoming;
    const passing = { number: requests.length + 1, method, path: url, headers };
    requests.push(passing);
    meet(target, incoming, outgoing, fate(passing));
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function meet(target: string, incoming: IncomingMessage, outgoing: ServerResponse, fate: Fate): void {
  if (fate !== "pass" && "refuse" in fate) {
    incoming.resume();
    incoming.once("end", () => refuse(outgoing, fate.refuse, fate.code));
    return;
  }
  if (fate !== "pass" && "delayMs" in fate) {
    setTimeout(() => meet(target, incoming, outgoing, "pass"), fate.delayMs);
    return;
  }
  if (fate !== "pass" && "after" in fate) {
    fate.after.then(
      () => meet(target, incoming, outgoing, "pass"),
      () => outgoing.destroy(),
    );
    return;
  }
  const { method, url, headers } = incoming;
  const forward = request(`${target}${url}`, { method: method ?? "GET", headers, agent: false }, (answer) => {
    if (fate !== "pass" && "cutAnswerAfter" in fate) {
      cutAnswer(answer, outgoing, fate.cutAnswerAfter);
      return;
    }
    if (fate !== "pass" && "instead" in fate && answer.statusCode === fate.instead[0]) {
      answer.resume();
      outgoing.writeHead(fate.instead[1]).end();
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
    answer.pipe(outgoing);
  });
  forward.on("error", () => outgoing.destroy());
  outgoing.on("close", () => void (outgoing.writableFinished || forward.destroy()));
  if (fate !== "pass" && "cutRequestAfter" in fate)
    cutRequest(incoming, forward, outgoing, fate.cutRequestAfter);
  else incoming.pipe(forward);
}

function refuse(outgoing: ServerResponse, status: number, code = "SlowDown"): void {
  outgoing.writeHead(status, { "content-type": "application/xml" });
  outgoing.end(
    `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>no</Message></Error>`,
  );
}

function cutRequest(
  incoming: IncomingMessage,
  forward: ReturnType<typeof request>,
  outgoing: ServerResponse,
  limit: number,
): void {
  let left = limit;
  incoming.on("data", (chunk: Buffer) => {
    if (left > 0) forward.write(chunk.subarray(0, left));
    left -= chunk.length;
    if (left > 0) return;
    forward.destroy();
    outgoing.destroy();
  });
  incoming.once("end", () => {
    forward.destroy();
    outgoing.destroy();
  });
}

function cutAnswer(answer: IncomingMessage, outgoing: ServerResponse, limit: number): void {
  if (limit < 0) {
    // The server is heard out, so that what it was asked is done.
    answer.resume();
    answer.once("end", () => outgoing.destroy());
    return;
  }
  outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
  outgoing.flushHeaders();
  let left = limit;
  answer.on("data", (chunk: Buffer) => {
    if (left > 0) outgoing.write(chunk.subarray(0, left));
    left -= chunk.length;
  });
  // The server is heard out here, too; what was let through arrives before the connection breaks.
  answer.once("end", () => outgoing.socket?.destroySoon());
}
