import { Readable } from "node:stream";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import type { RebuildSource } from "../../config/rebuild.ts";
import { messageOf } from "../../errors.ts";
import { runTool } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";

const SourceLook = z.object({
  /** Regular files that it means, and the sum of their sizes. */
  files: z.int().min(0),
  bytes: z.number().min(0),
  problem: z.object({ kind: z.enum(["missing", "unreadable"]), reason: z.string() }).nullable(),
});
export type SourceLook = z.infer<typeof SourceLook>;
const Line = SourceLook.extend({ at: z.int().min(0) });

export type SourceFacts = SourceLook & Pick<RebuildSource, "source">;

const WORKER_FILE = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./look-worker.ts" : "./look-worker.js", import.meta.url),
);
// A share that takes longer has to be looked at by somebody, and who waits for the look has better things to do.
const TIMEOUT_MS = 10_000;
// One that waits for a dead share must not keep the others waiting, and libuv has four threads unless it is told otherwise.
const THREADS = 32;

/**
 * Looks what there is of each source, by names and sizes alone. One of which nothing can be said in time is unreadable. A process of
 * its own does it, which is left behind where not even SIGKILL ends it. Throws only when interrupted.
 */
export async function lookAtSources(
  runtime: Runtime,
  sources: readonly RebuildSource[],
  signal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<SourceFacts[]> {
  if (sources.length === 0) return [];
  const found = new Map<number, SourceLook>();
  let failure = `nothing is known of it after ${counted(timeoutMs / 1000, "second")}`;
  const deadline = AbortSignal.timeout(timeoutMs);
  const whole = askWorker(runtime, sources, found, AbortSignal.any([signal, deadline]));
  const late = new Promise<void>((resolve) => {
    deadline.addEventListener("abort", () => resolve(), { once: true });
  });
  try {
    await Promise.race([whole, late]);
  } catch (error) {
    if (!deadline.aborted) failure = `it could not be looked at: ${messageOf(error)}`;
  }
  signal.throwIfAborted();
  // What comes of it later interests nobody.
  void whole.catch(() => undefined);
  return sources.map(({ source }, at) => {
    const look = found.get(at) ?? {
      files: 0,
      bytes: 0,
      problem: { kind: "unreadable" as const, reason: failure },
    };
    return { source, ...look };
  });
}

async function askWorker(
  runtime: Runtime,
  sources: readonly RebuildSource[],
  found: Map<number, SourceLook>,
  signal: AbortSignal,
): Promise<void> {
  await runTool(
    runtime,
    {
      program: process.execPath,
      args: [WORKER_FILE],
      env: { ...runtime.env, UV_THREADPOOL_SIZE: String(THREADS), NODE_OPTIONS: undefined },
      input: Readable.from([JSON.stringify(sources.map(({ path }) => path))]),
      output: async (stdout) => {
        for await (const line of createInterface({ input: stdout })) {
          const { at, ...look } = Line.parse(JSON.parse(line));
          found.set(at, look);
        }
      },
    },
    signal,
  );
}
