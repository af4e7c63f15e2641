import { randomInt } from "node:crypto";
import { isFree } from "../../src/postgres/free-port.ts";

// Below those that the kernel gives to whoever asks for any, as the servers of all other tests do meanwhile.
const [LOWEST, HIGHEST] = [20_000, 32_000];

/** A free port for a server that takes it seconds later, or gives it up and takes it again, or for none at all. */
export async function keptPort(): Promise<number> {
  for (;;) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await isFree(port)) return port;
  }
}
