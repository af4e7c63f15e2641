import { once } from "node:events";
import { type Socket, connect, createServer } from "node:net";

// DataRow whose first column is a version number: `150018`, as text of six bytes.
const VERSION_COLUMN = Buffer.from([0, 0, 0, 6]);

/** A server of another version, as far as its `server_version_num` goes. Everything else passes unchanged. */
export async function versionProxy(
  target: number,
  version: string,
): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    near.pipe(far);
    far.on("data", (bytes: Buffer) => {
      const at = bytes.indexOf(VERSION_COLUMN);
      if (at >= 0 && /^1\d{5}$/.test(bytes.toString("latin1", at + 4, at + 10)))
        bytes.write(version, at + 4, "latin1");
      near.write(bytes);
    });
    far.on("close", () => near.destroy());
    near.on("close", () => far.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
