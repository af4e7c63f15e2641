import { spawn } from "node:child_process";
import { watchMemory } from "./process-memory.ts";

export type Env = Readonly<Record<string, string | undefined>>;

export interface Run {
  readonly seconds: number;
  /** Most memory resident, of all its processes together, in bytes. */
  readonly memory: number;
  readonly stdout: string;
}

const STDERR_KEPT = 4000;

/** Runs a program to its end and measures it. Throws unless it exits 0; aborting ends it and all that it started. */
export async function run(
  program: string,
  args: readonly string[],
  env: Env,
  signal: AbortSignal,
): Promise<Run> {
  signal.throwIfAborted();
  const started = performance.now();
  // A group of its own, so that all of a pipeline can be ended.
  const child = spawn(program, args, {
    env: env as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const { pid } = child;
  const stop = (): void => {
    if (pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-pid, "SIGTERM");
  };
  const watch = pid === undefined ? undefined : watchMemory(pid);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-STDERR_KEPT);
  });
  signal.addEventListener("abort", stop, { once: true });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    const seconds = (performance.now() - started) / 1000;
    signal.throwIfAborted();
    if (code !== 0)
      throw new Error(
        `${program} ${args.join(" ")}: exit code ${code}: ${(stderr || stdout).trim().slice(-STDERR_KEPT)}`,
      );
    return { seconds, memory: watch?.end() ?? 0, stdout };
  } finally {
    watch?.end();
    signal.removeEventListener("abort", stop);
  }
}

/** Runs a line of shell; every program of a pipeline must succeed. */
export async function shell(line: string, env: Env, signal: AbortSignal): Promise<Run> {
  return await run("bash", ["-c", `set -eo pipefail; ${line}`], env, signal);
}
