import { once } from "node:events";
import { type Socket, connect, createServer } from "node:net";

// BackendKeyData: `K`, a length of 12, process id, secret key.
const KEY_MESSAGE = Buffer.from([0x4b, 0, 0, 0, 12]);

/** Like a pooler it announces a process id that no server process has. Everything else passes unchanged. */
export async function lyingProxy(target: number): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    near.pipe(far);
    far.on("data", (bytes: Buffer) => {
      const at = bytes.indexOf(KEY_MESSAGE);
      if (at >= 0) bytes.writeInt32BE(2_000_000_000, at + KEY_MESSAGE.length);
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
