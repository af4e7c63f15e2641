import { once } from "node:events";
import { createServer } from "node:net";
import { AppError, errorCode } from "../errors.ts";

/** A TCP port of 127.0.0.1 that nobody uses now; somebody else may take it before we do. */
export async function freePort(): Promise<number> {
  await using server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string")
    throw new AppError("unexpected", "find a free port: no address");
  return address.port;
}

/** True when nobody uses the port now. */
export async function isFree(port: number): Promise<boolean> {
  await using server = createServer();
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return true;
  } catch (error) {
    if (errorCode(error) === "EADDRINUSE") return false;
    throw error;
  }
}
