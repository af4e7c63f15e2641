import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AppError, errorCode, isAppError, messageOf } from "../errors.ts";
import { collect, runTool } from "../lib/process.ts";
import type { Runtime } from "../lib/runtime.ts";
import { formatDuration } from "../lib/text.ts";
import type { HealthCheck } from "./application-health.ts";

export { waitUntilHealthy } from "./application-health.ts";

// A service manager answers in seconds. A command that never returns would keep the database swap waiting for ever.
const COMMAND_TIMEOUT_MS = 5 * 60_000;
// A command that fails says why in its last lines.
const OUTPUT_KEPT = 8192;

/** How the application in front of a database is stopped, started and asked whether it works; a strategy's `Application` fits. */
export interface ApplicationCommands extends HealthCheck {
  /** Shell command line that returns once the application has stopped. */
  readonly stop?: string | undefined;
  /** Shell command line that returns once the application has been started (it may still be coming up). */
  readonly start?: string | undefined;
  /** Milliseconds that a command may take; five minutes when left out. */
  readonly commandTimeoutMs?: number | undefined;
}

/** A command that ended well. */
export interface CommandReport {
  readonly durationMs: number;
}

/**
 * Stops the application with its configured command; undefined when there is none. Throws `application_failed` when
 * the command fails or takes too long, and the signal's reason when aborted.
 */
export async function stopApplication(
  runtime: Runtime,
  app: ApplicationCommands,
  signal: AbortSignal,
): Promise<CommandReport | undefined> {
  return await runCommand(runtime, app, "stop", signal);
}

/** Starts the application with its configured command; otherwise like `stopApplication`. */
export async function startApplication(
  runtime: Runtime,
  app: ApplicationCommands,
  signal: AbortSignal,
): Promise<CommandReport | undefined> {
  return await runCommand(runtime, app, "start", signal);
}

// The command line comes through the environment, not through the arguments: it may hold an interpolated secret, and
// everybody can read arguments. Its output goes to a file, not to a pipe: a server that a start command leaves running
// in the background would keep the pipe open, and we would wait for its end.
const WRAPPER =
  'command=$HANDLED_COMMAND; exec >>"$HANDLED_OUTPUT" 2>&1; unset HANDLED_COMMAND HANDLED_OUTPUT; eval "$command"';

async function runCommand(
  runtime: Runtime,
  app: ApplicationCommands,
  action: "stop" | "start",
  signal: AbortSignal,
): Promise<CommandReport | undefined> {
  const command = app[action];
  if (command === undefined) return undefined;
  const shown = runtime.secrets.redact(command);
  await using output = await outputFile();
  const limit = app.commandTimeoutMs ?? COMMAND_TIMEOUT_MS;
  using deadline = startDeadline(runtime, limit);
  const started = runtime.clock.monotonic();
  try {
    await runTool(
      runtime,
      {
        program: "/bin/sh",
        args: ["-c", WRAPPER],
        env: { ...runtime.env, HANDLED_COMMAND: command, HANDLED_OUTPUT: output.path },
        output: (stdout) => collect(stdout, OUTPUT_KEPT),
      },
      AbortSignal.any([signal, deadline.signal]),
    );
  } catch (cause) {
    signal.throwIfAborted();
    const reason = deadline.signal.aborted ? `no end after ${formatDuration(limit)}` : failureOf(cause);
    const text = runtime.secrets.redact(await output.tail());
    const said = text === "" ? "" : `: ${text.split("\n").slice(-6).join("; ")}`;
    throw new AppError("application_failed", `${action} the application: \`${shown}\`: ${reason}${said}`, {
      cause,
      hint: `run it by hand to see what is wrong: \`${shown}\``,
      details: { command: shown, output: text },
    });
  }
  const durationMs = runtime.clock.monotonic() - started;
  runtime.reporter.note(`${action === "stop" ? "stopped" : "started"} the application: ${shown}`);
  return { durationMs };
}

/** Why the shell ended, without the name of the shell: `exit code 3`. */
function failureOf(cause: unknown): string {
  if (!isAppError(cause, "tool_failed")) return messageOf(cause);
  const { exitCode, signal } = cause.details;
  return typeof exitCode === "number" ? `exit code ${exitCode}` : `ended by ${String(signal)}`;
}

interface OutputFile extends AsyncDisposable {
  readonly path: string;
  /** The last lines that the command wrote. */
  tail(): Promise<string>;
}

async function outputFile(): Promise<OutputFile> {
  const folder = await mkdtemp(join(tmpdir(), "handled-command-"));
  const path = join(folder, "output");
  return {
    path,
    tail: async () => {
      try {
        await using file = await open(path, "r");
        const { size } = await file.stat();
        const buffer = Buffer.alloc(Math.min(size, OUTPUT_KEPT));
        await file.read(buffer, 0, buffer.length, Math.max(0, size - OUTPUT_KEPT));
        return buffer.toString("utf8").trim();
      } catch (error) {
        // The shell could not even be started, so nothing was written.
        if (errorCode(error) === "ENOENT") return "";
        throw error;
      }
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

function startDeadline(runtime: Runtime, ms: number): Deadline {
  const over = new AbortController();
  const done = new AbortController();
  runtime.clock.wait(ms, done.signal).then(
    () => over.abort(new AppError("application_failed", `run a command: no end after ${formatDuration(ms)}`)),
    // Rejects only because the command ended in time.
    () => undefined,
  );
  return { signal: over.signal, [Symbol.dispose]: () => done.abort() };
}
