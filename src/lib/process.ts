import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { basename } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { AppError, errorCode, messageOf } from "../errors.ts";
import { endTree } from "./end-processes.ts";
import type { Runtime } from "./runtime.ts";

// A tool that fails says why in its last lines; a tool that goes wild must not fill our memory.
const STDERR_KEPT = 8192;
// A program that never ends its line must not fill it either.
const LONGEST_LINE = 64 * 1024;
// Enough of a line for a message, and far from where a long one was cut, which may be within a secret.
const LINE_KEPT = 2000;
// How long a tool may take to end after SIGTERM before it gets SIGKILL.
const GRACE_MS = 5000;

export interface ToolCall<T> {
  /** Absolute path or name of the program. */
  readonly program: string;
  /** Arguments. Never a secret: every user of the machine can read them. */
  readonly args: readonly string[];
  /** The whole environment of the child; secrets belong here. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Fed to standard input; without it the child reads end-of-file. */
  readonly input?: Readable;
  /** Consumes standard output while the child runs; its result is the call's result. */
  readonly output: (stdout: Readable) => Promise<T>;
  /** Each line of standard error as it comes. Lines for which this returns `true` are not kept for messages. */
  readonly onLine?: (line: string) => boolean;
  /** When it is stopped, what it has started is ended with it. */
  readonly withChildren?: boolean;
  /** POSIX ids to run the child as (a PostgreSQL server refuses root). */
  readonly user?: { readonly uid: number; readonly gid: number };
}

/**
 * Runs a program to its end. Returns only if it exited 0 **and** its output was consumed **and** its input was fed
 * whole. Anything else throws: `client_missing` when it cannot be started, `tool_failed` with exit code or signal and
 * the end of its standard error, the consumer's own error when that came first, or the signal's reason when aborted.
 */
export async function runTool<T>(runtime: Runtime, call: ToolCall<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const name = basename(call.program);
  runtime.observer("before", `child ${name}`);
  const child = start(name, call);
  const stopper = call.withChildren === true ? makeTreeStopper(child) : makeStopper(child);
  const onAbort = (): void => stopper.stop();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const closed = closing(child);
    const stderr = keepTail(runtime, child.stderr, call.onLine);
    let cause: { readonly error: unknown } | undefined;
    const settle = <R>(
      work: Promise<R>,
      isCause: (error: unknown) => boolean,
    ): Promise<{ value: R } | { error: unknown }> =>
      work.then(
        (value) => ({ value }),
        (error: unknown) => {
          if (isCause(error)) {
            cause ??= { error };
            stopper.stop();
          }
          return { error };
        },
      );
    const consume = async (): Promise<T> => await call.output(child.stdout);
    const [end, output, input] = await Promise.all([
      closed,
      // Nobody would read the rest: the child would wait for ever. At the end of the output there is no rest, and
      // that it was too short may be because the child failed.
      settle(consume(), () => !child.stdout.readableEnded),
      // A child that closed its input has what it needs and may still work: its exit tells whether all is well.
      settle(feed(child, call.input), (error) => !isBrokenPipe(error)),
    ]);
    await stopper.over();
    signal.throwIfAborted();
    if ("startError" in end) throw cannotStart(name, end.startError);
    // A child that ended early breaks the pipes on both sides; its own exit tells why, so it comes first. When our
    // consumer or our input failed first, we stopped the child, and then the exit (a signal, or what the child made
    // of it) only tells that.
    if (cause !== undefined && (stopper.ended(end) || end.code === 0)) throw cause.error;
    if (end.code !== 0) throw toolFailed(runtime, name, end, stderr());
    if ("error" in output) throw output.error;
    if ("error" in input) throw input.error;
    runtime.observer("after", `child ${name}`);
    return output.value;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Runs a program for its standard output, as text; at most 16 MiB of it. */
export async function runForText(
  runtime: Runtime,
  call: Omit<ToolCall<string>, "output">,
  signal: AbortSignal,
): Promise<string> {
  return await runTool(runtime, { ...call, output: (stdout) => collect(stdout, 16 * 1024 * 1024) }, signal);
}

/** The whole of a stream as text; fails rather than hold more than `limit` bytes. */
export async function collect(stream: Readable, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new AppError("unexpected", `read output: more than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

type End =
  | { code: number | null; signal: NodeJS.Signals | null }
  | { startError: Error; code: null; signal: null };

function closing(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    // Each signal that could not be sent is an error, too.
    child.on("error", (startError) => {
      if (child.pid === undefined) resolve({ startError, code: null, signal: null });
    });
    // `close`, not `exit`: only then are the pipes drained.
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
}

/** What cannot be started is told by an event, or at once (arguments too long, no permission to change the user). */
function start<T>(name: string, call: ToolCall<T>): ChildProcessWithoutNullStreams {
  try {
    return spawn(call.program, call.args, {
      env: call.env as NodeJS.ProcessEnv,
      cwd: call.cwd,
      stdio: ["pipe", "pipe", "pipe"],
      ...call.user,
    });
  } catch (error) {
    call.input?.destroy();
    throw cannotStart(name, error);
  }
}

interface Stopper {
  stop(): void;
  /** Whether the child ended because of us: by a signal of ours, or by exiting after one. */
  ended(end: End): boolean;
  /** Resolves once nothing is left of what was stopped. */
  over(): Promise<void>;
}

function makeStopper(child: ChildProcess): Stopper {
  const sent = new Set<NodeJS.Signals>();
  let stopped = false;
  const send = (signal: NodeJS.Signals): void => {
    if (!isOver(child) && child.kill(signal)) sent.add(signal);
  };
  return {
    stop: () => {
      if (stopped) return;
      stopped = true;
      if (isOver(child)) {
        letGo(child);
        return;
      }
      send("SIGTERM");
      const timer = setTimeout(() => send("SIGKILL"), GRACE_MS);
      timer.unref();
      child.once("exit", () => {
        clearTimeout(timer);
        letGo(child);
      });
    },
    ended: (end) => sent.size > 0 && (end.signal === null || sent.has(end.signal)),
    over: async () => {},
  };
}

function makeTreeStopper(child: ChildProcess): Stopper {
  const alone = makeStopper(child);
  let ending: Promise<void> | undefined;
  return {
    stop: () => {
      // What it has left running in the background is not to be stopped once it has ended itself.
      ending ??= (isOver(child) || child.pid === undefined ? Promise.resolve() : endTree(child.pid)).finally(
        () => alone.stop(),
      );
      // It is told by `over`, which may be asked later.
      ending.catch(() => undefined);
    },
    ended: () => ending !== undefined,
    over: async () => await ending,
  };
}

function isOver({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/** A grandchild may hold the pipes open long after the child's end; nobody wants what it writes any more. */
function letGo(child: ChildProcess): void {
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream?.destroy();
}

async function feed(child: ChildProcess, input: Readable | undefined): Promise<void> {
  // Out of file handles, Node makes no pipes; `closing` reports that.
  if (child.stdin === null || child.stdin === undefined) return;
  if (input === undefined) {
    // A child that could not be started errors here too; `closing` reports that.
    child.stdin.on("error", () => undefined);
    child.stdin.end();
    return;
  }
  await pipeline(input, child.stdin);
}

/** Keeps the end of what a child writes, line by line and without secrets; the result gives it. */
export function keepTail(
  runtime: Runtime,
  stream: Readable | null | undefined,
  onLine?: (line: string) => boolean,
): () => string {
  let kept = "";
  let line = "";
  const endLine = (): void => {
    const ended = line;
    line = "";
    if (ended === "" || onLine?.(ended) === true) return;
    // Before anything is cut: what is left of half a secret would not be found.
    const shown = runtime.secrets.redact(ended);
    const short = shown.length > LINE_KEPT ? `${shown.slice(0, LINE_KEPT)}…` : shown;
    kept = `${kept}${short}\n`.slice(-STDERR_KEPT);
  };
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    const [rest = "", ...others] = chunk.split(/[\r\n]+/);
    line = `${line}${rest}`.slice(0, LONGEST_LINE);
    for (const piece of others) {
      endLine();
      line = piece;
    }
  });
  stream?.once("end", endLine);
  return () => kept.trim();
}

/** True for what it looks like on our side when the other end of a pipe is closed: a consequence, never the cause. */
export function isBrokenPipe(error: unknown): boolean {
  const code = errorCode(error);
  return code === "EPIPE" || code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE";
}

function cannotStart(name: string, cause: unknown): AppError {
  return new AppError("client_missing", `start ${name}: ${messageOf(cause)}`, {
    cause,
    hint: `install the package that brings \`${name}\`, or put it on the PATH`,
  });
}

function toolFailed(runtime: Runtime, name: string, end: End, stderr: string): AppError {
  const how = end.signal === null ? `exit code ${end.code}` : `ended by ${end.signal}`;
  const text = runtime.secrets.redact(stderr);
  const reason = text === "" ? "" : `: ${text.split("\n").slice(-6).join("; ")}`;
  return new AppError("tool_failed", `run ${name}: ${how}${reason}`, {
    details: { tool: name, exitCode: end.code, signal: end.signal, stderr: text },
  });
}
