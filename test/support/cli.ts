import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { bucketEnvironment } from "./in-bucket.ts";
import { builtProgram } from "./built-program.ts";
import { keyEnvironment, withRecipient } from "./keys.ts";
import { runCommandLine } from "../../src/cli/run.ts";
import type { Clock } from "../../src/lib/clock.ts";
import type { Observer } from "../../src/lib/runtime.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");

export interface CliResult {
  /** Null when a signal ended the process. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** On top of PATH and a HOME that does not exist. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly clock?: Clock;
  readonly observer?: Observer;
  readonly signal?: AbortSignal;
  /** What is piped into it. */
  readonly piped?: string;
  /** Standard error is a terminal. */
  readonly tty?: boolean;
}

/** Runs a command line in this process. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const written = { stdout: "", stderr: "" };
  const code = await runCommandLine(withRecipient(args), {
    env: cliEnvironment(options.env),
    cwd: options.cwd ?? tmpdir(),
    stdout: { write: (chunk) => void (written.stdout += chunk) },
    stderr: { write: (chunk) => void (written.stderr += chunk), isTTY: options.tty === true },
    stdin: undefined,
    piped: Readable.from(options.piped ?? ""),
    node: process.execPath,
    script: MAIN,
    signal: options.signal ?? new AbortController().signal,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.observer === undefined ? {} : { observer: options.observer }),
  });
  return { code, ...written };
}

/** What `--json` printed last. */
export function jsonOf(result: CliResult): Record<string, unknown> {
  const line = result.stdout.trim().split("\n").at(-1) ?? "";
  if (!line.startsWith("{")) throw new Error(`no JSON: ${result.stdout}${result.stderr}`);
  return JSON.parse(line) as Record<string, unknown>;
}

export interface CliProcess {
  readonly pid: number;
  readonly result: Promise<CliResult>;
  /** True once the process has ended. */
  readonly ended: () => boolean;
}

export interface SpawnOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Arguments of Node itself. */
  readonly node?: readonly string[];
  /** A program and its arguments that runs `node …` as its last arguments. */
  readonly wrapper?: readonly string[];
  /** In a process group of its own, as a shell starts a command. */
  readonly group?: boolean;
}

/** Starts the real program, as it is published. */
export function spawnCli(args: readonly string[], options: SpawnOptions = {}): CliProcess {
  const [program = process.execPath, ...all] = [
    ...(options.wrapper ?? []),
    process.execPath,
    ...(options.node ?? []),
    builtProgram("main"),
    ...args,
  ];
  const child = spawn(program, all, {
    env: cliEnvironment(options.env),
    cwd: options.cwd ?? tmpdir(),
    stdio: ["ignore", "pipe", "pipe"],
    detached: options.group === true,
  });
  const closed = new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const result = Promise.all([closed, text(child.stdout), text(child.stderr)]).then(
    ([code, stdout, stderr]) => ({ code, stdout, stderr }),
  );
  return {
    pid: child.pid ?? 0,
    result,
    ended: () => child.exitCode !== null || child.signalCode !== null,
  };
}

/** The environment of the program under test: nothing of ours but the PATH and where temporary files go. */
export function cliEnvironment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: process.env["PATH"] ?? "",
    HOME: join(tmpdir(), "handled-no-home"),
    TMPDIR: tmpdir(),
    // Compiled code is kept between the many processes that the tests start.
    NODE_COMPILE_CACHE: join(tmpdir(), "handled-test-compile-cache"),
    ...bucketEnvironment(),
    ...keyEnvironment(),
    ...env,
  };
}
