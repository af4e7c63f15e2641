import { chmod, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Emulator, type EmulatorOptions, startEmulator } from "../../src/demo/digitalocean/emulator.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { answers } from "../../src/providers/digitalocean/contract.ts";
import { type CliOptions, type CliResult, runCli } from "./cli.ts";
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

const ID = "/v2/databases/[^/?]+";
/** Which of the program's own schemas an answer has to fit, by the request. */
const KINDS: readonly (readonly [RegExp, keyof typeof answers])[] = [
  [/^GET \/v2\/account$/, "account"],
  [/^GET \/v2\/databases\/options$/, "options"],
  [/^GET \/v2\/databases(\?.*)?$/, "clusters"],
  [new RegExp(`^(POST /v2/databases|GET ${ID})$`), "cluster"],
  [new RegExp(`^GET ${ID}/backups$`), "backups"],
  [new RegExp(`^GET ${ID}/firewall$`), "firewall"],
  [new RegExp(`^GET ${ID}/users$`), "users"],
  [new RegExp(`^(POST ${ID}/users|GET ${ID}/users/[^/]+)$`), "user"],
  [new RegExp(`^GET ${ID}/dbs$`), "databases"],
  [new RegExp(`^(POST ${ID}/dbs|GET ${ID}/dbs/[^/]+)$`), "database"],
  [new RegExp(`^GET ${ID}/pools$`), "pools"],
  [new RegExp(`^(POST ${ID}/pools|GET ${ID}/pools/[^/]+)$`), "pool"],
  [new RegExp(`^GET ${ID}/events$`), "events"],
  [new RegExp(`^GET ${ID}/ca$`), "ca"],
];

/** What the program would make of the answer; fails where it would refuse it. */
function understood(asked: string, status: number, body: unknown): unknown {
  const kind = status >= 400 ? "error" : KINDS.find(([request]) => request.test(asked))?.[1];
  return kind === undefined ? body : answers[kind].parse(body);
}

/** Asks the service as anybody would, and reads its answer as the program does. */
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
  const said: unknown = text === "" ? undefined : JSON.parse(text);
  const { status, headers: heads } = answer;
  return { status, headers: heads, body: understood(`${method} ${path}`, status, said) };
}

export const NEW_CLUSTER = { engine: "pg", num_nodes: 1, size: "db-s-1vcpu-1gb", region: "fra1" } as const;

/** What a list of clusters says of one, as far as tests look at it. */
export interface SaidCluster {
  readonly name: string;
  readonly id: string;
  readonly status: string;
  readonly tags: readonly string[];
  readonly connection: { readonly port: number };
}

/** All clusters but the one of a name: those that were made from it. */
export async function clustersBeside(
  emulator: Pick<Emulator, "url" | "token">,
  name: string,
): Promise<SaidCluster[]> {
  const { body } = await ask(emulator, "GET", "/v2/databases");
  return (body.databases ?? []).filter((one: SaidCluster) => one.name !== name);
}

/**
 * The service's clock for a program that asks it: it waits hardly longer than the service needs, and asks not so often that this takes longer
 * than what it waits for. How long commands may take stays, and how often a lease is renewed.
 */
export function impatient({ clock }: Pick<Emulator, "clock">): Clock {
  return { ...clock, wait: (ms, signal) => clock.wait(ms >= 30_000 ? ms : Math.min(ms, 50), signal) };
}

/** What a command needs that works with the service, and keeps its state in the folder. */
export function serviceEnvironment(
  { token }: Pick<Emulator, "token">,
  folder: string,
): Record<string, string> {
  return { DIGITALOCEAN_TOKEN: token, XDG_STATE_HOME: join(folder, "state") };
}

/** Runs a command line in a folder whose strategy has a database in the service, by the service's clock. */
export async function runWithService(
  emulator: Emulator,
  folder: string,
  args: readonly string[],
  { env, ...options }: CliOptions = {},
): Promise<CliResult> {
  return await runCli(args, {
    cwd: folder,
    clock: impatient(emulator),
    env: { ...serviceEnvironment(emulator, folder), ...env },
    ...options,
  });
}
