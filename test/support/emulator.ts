import { chmod, rm } from "node:fs/promises";
import { type Emulator, type EmulatorOptions, startEmulator } from "../../src/demo/digitalocean/emulator.ts";
import { clusterFolder } from "./cluster-folder.ts";
import { noAbort, testRuntime } from "./runtime.ts";

/** An emulated managed-database service whose servers are as fast as can be. */
export async function testEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const home = await clusterFolder();
  const runtime = testRuntime({ env: { TMPDIR: home } });
  const settings = { autovacuum: "off", log_min_messages: "fatal", ...options.settings };
  // The servers may run as another user, who must be able to pass through.
  await chmod(home, 0o711);
  const emulator = await startEmulator(runtime, { ...options, settings }, noAbort());
  return {
    ...emulator,
    [Symbol.asyncDispose]: async () => {
      await emulator[Symbol.asyncDispose]();
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** What the service said. */
export interface Said {
  readonly status: number;
  readonly headers: Headers;
  // Tests look into answers of many shapes.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** Asks the service as anybody would. */
export async function ask(
  { url, token }: Pick<Emulator, "url" | "token">,
  method: string,
  path: string,
  body?: object | string,
): Promise<Said> {
  const answer = await fetch(`${url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === "" ? undefined : JSON.parse(text) };
}

export const NEW_CLUSTER = { engine: "pg", num_nodes: 1, size: "db-s-1vcpu-1gb", region: "fra1" } as const;
