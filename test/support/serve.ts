import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { ServeEventJson } from "../../src/json/serve.ts";
import { builtProgram } from "./built-program.ts";
import { cliEnvironment } from "./cli.ts";

/** A running `handled serve --json`. */
export interface Served extends AsyncDisposable {
  readonly pid: number;
  /** Waits until so many events of a kind have come; returns those. Fails when it ends before. */
  events(kind: ServeEventJson["event"], count: number): Promise<ServeEventJson[]>;
  all(): readonly ServeEventJson[];
  /** Where it answers, once it does: `http://127.0.0.1:PORT`. */
  url(): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Waits until it sleeps: it has looked at all its jobs. */
  looked(): Promise<void>;
  /** @returns its exit code; null where the signal ended it */
  stop(name: NodeJS.Signals): Promise<number | null>;
}

/** Starts the daemon in a folder with a strategy. */
export function serve(
  folder: string,
  {
    main = builtProgram("main"),
    env,
    port = 0,
  }: {
    readonly main?: string;
    readonly env?: Readonly<Record<string, string>>;
    /** Null: the strategy says. */
    readonly port?: number | null;
  } = {},
): Served {
  const listenAt = port === null ? [] : ["--port", String(port)];
  const child = spawn(process.execPath, [main, "serve", "--json", ...listenAt], {
    cwd: folder,
    env: cliEnvironment(env),
    stdio: ["ignore", "pipe", "inherit"],
    detached: true,
  });
  const all: ServeEventJson[] = [];
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  let heard = Promise.withResolvers<void>();
  createInterface({ input: child.stdout }).on("line", (line) => {
    all.push(ServeEventJson.parse(JSON.parse(line)));
    heard.resolve();
    heard = Promise.withResolvers();
  });
  const pid = child.pid ?? 0;
  const events: Served["events"] = async (kind, count) => {
    for (;;) {
      const found = all.filter(({ event }) => event === kind);
      if (found.length >= count) return found;
      const isOver = await Promise.race([heard.promise.then(() => false), ended.then(() => true)]);
      if (isOver) throw new Error(`it ended before ${count} × ${kind}: ${JSON.stringify(all)}`);
    }
  };
  return {
    pid,
    all: () => all,
    events,
    url: async () => {
      const [listening] = await events("listening", 1);
      return new URL(/http:\S+/.exec(listening?.message ?? "")?.[0] ?? "").origin;
    },
    signal: (name) => void process.kill(pid, name),
    looked: async () => {
      // Read again on SIGHUP, after it had looked at everything: it does one thing after the other.
      // Before the first time, the signal would end it.
      const before = (await events("reloaded", 1)).length;
      process.kill(pid, "SIGHUP");
      await events("reloaded", before + 1);
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
    },
    stop: async (name) => {
      process.kill(pid, name);
      return await ended;
    },
  };
}
