import { open } from "node:fs/promises";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { AppError, errorCode, isAppError, messageOf } from "../errors.ts";
import { collect, runTool } from "../lib/process.ts";
import type { Runtime } from "../lib/runtime.ts";
import { formatDuration } from "../lib/text.ts";
import { makeTemporaryFolder } from "../repository/temporary-folder.ts";
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
  /** Shell command line that restarts it, whether it runs or not; without it `stop`, then `start`. */
  readonly restart?: string | undefined;
  /** Variables of our environment that its commands do not get. */
  readonly withheld?: readonly string[] | undefined;
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

/**
 * Starts the application again, so that it reads its variables anew: with its `restart` command, otherwise by stopping and
 * starting it. May be called again whatever came of it before. Aborted while it is stopped, it is started all the same; aborted
 * while it is started, that is ended, for it may hang, and a warning says so. Fails as `stopApplication` does.
 */
export async function restartApplication(
  runtime: Runtime,
  app: ApplicationCommands,
  signal: AbortSignal,
): Promise<CommandReport | undefined> {
  if (app.restart !== undefined) return await runCommand(runtime, app, "restart", signal);
  let stopped: CommandReport | undefined;
  try {
    stopped = await stopApplication(runtime, app, signal);
    signal.throwIfAborted();
  } catch (error) {
    await startAgain(runtime, app);
    throw error;
  }
  const started = await startStopped(runtime, app, signal);
  if (stopped === undefined && started === undefined) return undefined;
  return { durationMs: (stopped?.durationMs ?? 0) + (started?.durationMs ?? 0) };
}

async function startStopped(
  runtime: Runtime,
  app: ApplicationCommands,
  signal: AbortSignal,
): Promise<CommandReport | undefined> {
  try {
    return await startApplication(runtime, app, signal);
  } catch (error) {
    if (signal.aborted)
      runtime.reporter.warn(
        `the application was stopped, and starting it was interrupted: it may not run; by hand: \`${runtime.secrets.redact(app.start ?? "")}\``,
      );
    throw error;
  }
}

/** Starts an application after stopping it was no use; a failure is a warning, for there is another error to tell. */
export async function startAgain(runtime: Runtime, app: ApplicationCommands): Promise<void> {
  try {
    await startApplication(runtime, app, new AbortController().signal);
  } catch (error) {
    runtime.reporter.warn(`the application was stopped and could not be started again: ${messageOf(error)}`);
  }
}

// The command line comes through the environment, not through the arguments: it may hold an interpolated secret, and
// everybody can read arguments. Its output goes to a file, not to a pipe: a server that a start command leaves running
// in the background would keep the pipe open, and we would wait for its end.
const WRAPPER =
  'command=$HANDLED_COMMAND; exec >>"$HANDLED_OUTPUT" 2>&1; unset HANDLED_COMMAND HANDLED_OUTPUT; eval "$command"';

const DONE = { stop: "stopped", start: "started", restart: "restarted" } as const;

async function runCommand(
  runtime: Runtime,
  app: ApplicationCommands,
  action: keyof typeof DONE,
  signal: AbortSignal,
): Promise<CommandReport | undefined> {
  const command = app[action];
  if (command === undefined) return undefined;
  const shown = runtime.secrets.redact(command);
  await using output = await outputFile(runtime);
  const limit = app.commandTimeoutMs ?? COMMAND_TIMEOUT_MS;
  using deadline = startDeadline(runtime, limit);
  const started = runtime.clock.monotonic();
  try {
    await runTool(
      runtime,
      {
        program: "/bin/sh",
        args: ["-c", WRAPPER],
        env: { ...environmentFor(runtime, app), HANDLED_COMMAND: command, HANDLED_OUTPUT: output.path },
        output: (stdout) => collect(stdout, OUTPUT_KEPT),
        // The command is a child of the shell. In a group of its own it would have no terminal, by which `sudo` asks for a password.
        withChildren: true,
      },
      AbortSignal.any([signal, deadline.signal]),
    );
  } catch (cause) {
    signal.throwIfAborted();
    const reason = deadline.signal.aborted ? `no end after ${formatDuration(limit)}` : failureOf(cause);
    // pm2 colours even what goes to a file.
    const text = runtime.secrets.redact(stripVTControlCharacters(await output.tail()));
    const said = text === "" ? "" : `: ${text.split("\n").slice(-6).join("; ")}`;
    throw new AppError("application_failed", `${action} the application: \`${shown}\`: ${reason}${said}`, {
      cause,
      hint: hintFor(cause, shown),
      details: { command: shown, output: text },
    });
  }
  const durationMs = runtime.clock.monotonic() - started;
  runtime.reporter.note(`${DONE[action]} the application: ${shown}`);
  return { durationMs };
}

/** What Node and dotenv find in the environment wins over the `.env` file, and ours may still lead to the old server. */
function environmentFor(runtime: Runtime, { withheld = [] }: ApplicationCommands): Runtime["env"] {
  return Object.fromEntries(Object.entries(runtime.env).filter(([name]) => !withheld.includes(name)));
}

/** Why the shell ended, without the name of the shell: `exit code 3`. */
function failureOf(cause: unknown): string {
  if (!isAppError(cause, "tool_failed")) return messageOf(cause);
  const { exitCode, signal } = cause.details;
  return typeof exitCode === "number" ? `exit code ${exitCode}` : `ended by ${String(signal)}`;
}

// POSIX: what a shell ends with that did not find a program.
const NOT_FOUND = 127;

function hintFor(cause: unknown, shown: string): string {
  if (isAppError(cause, "tool_failed") && cause.details["exitCode"] === NOT_FOUND)
    return "a program in it is not found: install it, or write its absolute path; cron and systemd have a shorter PATH than your shell";
  return `run it by hand to see what is wrong: \`${shown}\``;
}

interface OutputFile extends AsyncDisposable {
  readonly path: string;
  /** The last lines that the command wrote. */
  tail(): Promise<string>;
}

async function outputFile(runtime: Runtime): Promise<OutputFile> {
  const folder = await makeTemporaryFolder(runtime, "command");
  const path = join(folder.path, "output");
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
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
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
