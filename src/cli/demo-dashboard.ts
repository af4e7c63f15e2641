import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { DemoPlace } from "../demo/demo.ts";
import { AppError, messageOf } from "../errors.ts";
import { ServeEventJson } from "../json/serve.ts";
import { writeDurable } from "../lib/durable.ts";
import { quoteForShell } from "../operations/schedule/quoting.ts";
import type { Cli } from "./cli.ts";

/**
 * Has the daemon serve the strategy of the demo on a free port of this machine, prints the link that makes the first user, and
 * waits until the signal; the daemon has ended then, with all that it had running. Fails with `tool_failed` where it ends by itself.
 */
export async function serveDemo(cli: Cli, { folder, env }: DemoPlace): Promise<void> {
  const { output, signal, node, script } = cli;
  if (signal.aborted) return;
  const wrapper = join(folder, "handled");
  await writeDurable(wrapper, wrapperText(cli, { folder, env }), 0o700);
  const child = spawn(node, [script, "serve", "--json", "--host", "127.0.0.1", "--port", "0"], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "inherit"],
    // The terminal's Ctrl-C is for us: a second one would end the daemon before it has stopped what it runs.
    detached: true,
  });
  const end = (): void => {
    output.note("\nTaking everything away again …");
    child.kill("SIGTERM");
  };
  signal.addEventListener("abort", end, { once: true });
  try {
    const ended = endOf(child);
    const listened = hear(child.stdout, (event) => {
      if (event.event === "set up") invite(cli, wrapper, event.message);
      if (event.event === "not listening") output.warn(event.message);
    });
    const [how] = await Promise.all([ended, listened]);
    if (!signal.aborted)
      throw new AppError("tool_failed", `demo: the dashboard ended by itself, with ${how}`);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** `handled` in the demo's own environment, for another terminal. */
function wrapperText({ node, script }: Cli, { folder, env }: DemoPlace): string {
  const variables = Object.entries(env).map(([name, value]) => `export ${name}=${quoteForShell(value)}`);
  const program = [node, script].map(quoteForShell).join(" ");
  return ["#!/bin/sh", `cd ${quoteForShell(folder)} || exit`, ...variables, `exec ${program} "$@"`, ""].join(
    "\n",
  );
}

function invite({ output }: Cli, wrapper: string, message: string): void {
  const link = /http:\S+/.exec(message)?.[0] ?? message;
  output.note(`\n${output.paint("bold", "▸ Now look for yourself")}`);
  output.note("  The dashboard is up until you press Ctrl-C, which takes everything away again.");
  output.note(`  At another terminal: ${wrapper} status, ${wrapper} --help`);
  output.note("  This link makes the first user, and works once:\n");
  // Alone, and the last that is said: what is looked for is found.
  if (output.options.json) output.note(link);
  else output.text(link);
}

async function hear(stream: Readable, onEvent: (event: ServeEventJson) => void): Promise<void> {
  for await (const line of createInterface({ input: stream }))
    onEvent(ServeEventJson.parse(JSON.parse(line)));
}

/** How it ended, in words. */
function endOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => {
      reject(new AppError("tool_failed", `start ${child.spawnfile}: ${messageOf(cause)}`, { cause }));
    });
    child.once("close", (code, name) => resolve(name ?? `exit code ${code}`));
  });
}
