import { once } from "node:events";
import { createServer } from "node:http";
import { messageOf } from "../../src/errors.ts";

/**
 * An address that answers with something the whole run shares, as JSON, and makes it when it is asked for the first time: the
 * tests that ask run in processes of their own.
 * @param make what is answered, and how to be rid of it
 */
export async function onDemand<Made>(
  make: () => Promise<{ readonly made: Made } & AsyncDisposable>,
): Promise<{ readonly url: string } & AsyncDisposable> {
  let making: Promise<{ readonly made: Made } & AsyncDisposable> | undefined;
  const server = createServer((_, response) => {
    making ??= make();
    making.then(
      ({ made }) => response.end(JSON.stringify(made)),
      (error: unknown) => response.writeHead(500).end(messageOf(error)),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the address has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await (await making?.catch(() => undefined))?.[Symbol.asyncDispose]();
    },
  };
}

/** Asks such an address. Fails with what kept it from being made. */
export async function demand<Made>(url: string): Promise<Made> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`it could not be made: ${await response.text()}`);
  return (await response.json()) as Made;
}
