import { randomBytes } from "node:crypto";
import type { TrialApplication } from "../../config/assertions.ts";
import { AppError, isAppError, messageOf } from "../../errors.ts";
import { endMarked, type ProcessGroup, startGroup } from "../../lib/process-group.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { counted } from "../../lib/text.ts";
import type { ConnectionSettings } from "../../postgres/connection.ts";
import { connectionUrl } from "../../postgres/connection-url.ts";
import { freePort, isFree } from "../../postgres/free-port.ts";
import type { ApplicationResult } from "../../repository/asserted.ts";
import { commonEnvironment } from "../common-environment.ts";
import { stopApplication, waitUntilHealthy } from "../application.ts";
import { isMakerGone, makerTag } from "../../repository/maker.ts";

export interface Trial {
  readonly application: TrialApplication;
  /** The restored copy. */
  readonly settings: ConnectionSettings;
  /** It is on a throw-away server, which listens on 127.0.0.1, too: not every driver knows Unix sockets. */
  readonly isOurs: boolean;
}

const MARK = "HANDLED_TRIAL";
const STOP_TIMEOUT_MS = 60_000;
const FREE_MS = 3000;
const LOOK_EVERY_MS = 50;
const LINES_SHOWN = 6;

/**
 * Starts the application on a restored copy, waits until it is healthy, and ends it with all that it started, whatever came of
 * it. That it does not become healthy is a result; throws only when interrupted, or where nothing can be started at all.
 */
export async function tryApplication(
  runtime: Runtime,
  { application, settings, isOurs }: Trial,
  signal: AbortSignal,
): Promise<ApplicationResult> {
  await endLeftBehind(runtime);
  for (const { password } of settings.hosts) runtime.secrets.add(password);
  const port = await freePort();
  const env = environmentFor(runtime, application, urlOf(settings, isOurs), port);
  const mark = { name: MARK, value: `${await makerTag()}-${randomBytes(4).toString("hex")}` };
  const started = runtime.clock.monotonic();
  const group = await startGroup(runtime, { command: application.start, env, mark });
  let reason: string | null = null;
  let ms = 0;
  try {
    await becomeHealthy(runtime, group, application, port, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (!isAppError(error, "application_failed")) throw error;
    reason = withOutput(messageOf(error), group.tail());
  } finally {
    ms = Math.round(runtime.clock.monotonic() - started);
    await end(runtime, group, application, env);
  }
  if (reason === null && !(await becomesFree(port)))
    reason = `something that is not the application answers on its port ${port}, or it cannot be ended`;
  return { outcome: reason === null ? "healthy" : "failed", reason, ms };
}

/** A process that is gone may hold its sockets for a moment: until its last thread has ended. */
async function becomesFree(port: number): Promise<boolean> {
  const until = performance.now() + FREE_MS;
  while (!(await isFree(port))) {
    if (performance.now() > until) return false;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return true;
}

async function becomeHealthy(
  runtime: Runtime,
  group: ProcessGroup,
  { health, healthTimeout, stop }: TrialApplication,
  port: number,
  signal: AbortSignal,
): Promise<void> {
  const died = new AbortController();
  void group.ended.then(async ({ code, signal: by }) => {
    // A command that returns has put the application into the background.
    if (code === 0 && (stop !== undefined || (await group.isAlive()))) return;
    const how = by === null ? `exit code ${code}` : by;
    died.abort(new AppError("application_failed", `it ended (${how}) before it was healthy`));
  });
  const check = { health: `http://127.0.0.1:${port}${health}`, healthTimeoutMs: healthTimeout };
  await waitUntilHealthy(runtime, check, AbortSignal.any([signal, died.signal]));
  died.signal.throwIfAborted();
}

async function end(
  runtime: Runtime,
  group: ProcessGroup,
  { stop }: TrialApplication,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  if (stop !== undefined) {
    const commands = { stop, healthTimeoutMs: 0, commandTimeoutMs: STOP_TIMEOUT_MS };
    try {
      await stopApplication({ ...runtime, env }, commands, new AbortController().signal);
    } catch (error) {
      runtime.reporter.warn(`${messageOf(error)}; it is ended by signals`);
    }
  }
  const left = await group.end();
  if (left > 0)
    runtime.reporter.warn(
      `killed ${counted(left, "process", "processes")} that the application left running in the background`,
    );
}

/** What checks that were killed left running. */
async function endLeftBehind(runtime: Runtime): Promise<void> {
  const left = await endMarked(MARK, async (value) => await isMakerGone(value.split("-")[0] ?? ""));
  if (left > 0)
    runtime.reporter.note(
      `killed ${counted(left, "process", "processes")} of an application, left behind by a check that was killed`,
    );
}

function environmentFor(
  runtime: Runtime,
  { environment, databaseVariable, portVariable }: TrialApplication,
  url: string,
  port: number,
): Record<string, string> {
  return {
    ...commonEnvironment(runtime, environment),
    [databaseVariable]: url,
    [portVariable]: String(port),
  };
}

function urlOf(settings: ConnectionSettings, isOurs: boolean): string {
  if (!isOurs) return connectionUrl(settings);
  const hosts = settings.hosts.map((host) => ({ ...host, host: "127.0.0.1" }));
  // Without `sslmode`: nothing is said of a server without TLS, and some drivers do not know the word.
  return connectionUrl({ ...settings, hosts, sslMode: "prefer" });
}

/** `wait for the application: …: connection refused: Error: listen EADDRINUSE; …`. */
function withOutput(message: string, output: string): string {
  const said = output === "" ? "" : `: ${output.split("\n").slice(-LINES_SHOWN).join("; ")}`;
  return `${message.replace(/^wait for the application: /, "")}${said}`;
}
