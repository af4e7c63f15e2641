import { type Socket, connect } from "node:net";
import type pg from "pg";
import { isSocketFolder } from "./addresses.ts";
import type { Host } from "./connection.ts";

const LENGTH = 16;
/** What the protocol puts in the place of a version number to say that this is no login. */
const CANCEL_CODE = 80_877_102;
const TIMEOUT_MS = 2000;

/**
 * Asks the server to stop what the connection is doing; resolves when the server has taken note, at the latest after
 * two seconds. Best effort and never rejects: if the server is gone, so is the statement.
 */
export async function sendCancel(host: Host, client: pg.Client): Promise<void> {
  const { processID, secretKey } = client as pg.Client & { processID?: unknown; secretKey?: unknown };
  if (typeof processID !== "number" || typeof secretKey !== "number") return;
  const request = Buffer.alloc(LENGTH);
  request.writeInt32BE(LENGTH, 0);
  request.writeInt32BE(CANCEL_CODE, 4);
  request.writeInt32BE(processID, 8);
  request.writeInt32BE(secretKey, 12);
  const socket: Socket = isSocketFolder(host.host)
    ? connect(`${host.host}/.s.PGSQL.${host.port}`)
    : connect(host.port, host.host);
  const timer = setTimeout(() => socket.destroy(), TIMEOUT_MS);
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  // `close` follows, and there is nobody to tell.
  socket.on("error", () => undefined);
  socket.end(request);
  socket.resume();
  await closed;
  clearTimeout(timer);
}
