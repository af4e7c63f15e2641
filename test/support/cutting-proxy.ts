import { once } from "node:events";
import { type Socket, connect, createServer } from "node:net";

/**
 * Passes everything on, but loses the server's answer: once a client has sent all of these texts, in this order and on one
 * connection, its side is cut off. The server gets what was sent and goes on to the end.
 */
export async function cuttingProxy(
  target: number,
  texts: readonly string[],
): Promise<{ port: number; readonly cuts: () => number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  let cuts = 0;
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    const waiting = [...texts];
    far.pipe(near);
    near.on("data", (bytes: Buffer) => {
      far.write(bytes);
      while (waiting.length > 0 && bytes.includes(waiting[0] ?? "")) waiting.shift();
      if (waiting.length > 0) return;
      cuts += 1;
      far.unpipe(near);
      near.destroy();
      // What was sent arrives before the end of it.
      far.end();
    });
    near.on("close", () => far.end());
    far.on("close", () => near.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    cuts: () => cuts,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
