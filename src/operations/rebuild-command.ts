import { randomBytes } from "node:crypto";
import type { Rebuild } from "../config/rebuild.ts";
import { AppError } from "../errors.ts";
import { startGroup } from "../lib/process-group.ts";
import type { Runtime } from "../lib/runtime.ts";
import { counted, formatDuration } from "../lib/text.ts";
import type { ConnectionSettings } from "../postgres/connection.ts";
import { connectionUrl } from "../postgres/connection-url.ts";
import { commonEnvironment } from "./common-environment.ts";
import { makerTag } from "../repository/maker.ts";

/** A variable of their environment by which processes of a rebuild are known; its value begins with their maker's tag. */
export const REBUILD_MARK = "HANDLED_REBUILD";
const LINES_SHOWN = 6;

export interface RebuildCommandCall {
  /** The name in the strategy. */
  readonly database: string;
  readonly rebuild: Rebuild;
  readonly command: Rebuild["commands"][number];
  /** The database to fill. */
  readonly settings: ConnectionSettings;
}

/**
 * Runs one command of a rebuild to its end, with the URL of the database to fill and no variable of ours that could lead it to
 * another one. Whatever it started and left running is ended. Fails with `tool_failed` and the last lines of its output
 * where it does not end with exit code 0 in its time, and with the signal's reason.
 */
export async function runRebuildCommand(
  runtime: Runtime,
  { database, rebuild, command, settings }: RebuildCommandCall,
  signal: AbortSignal,
): Promise<void> {
  const { name, run, timeout } = command;
  const url = connectionUrl(settings);
  for (const { password } of settings.hosts) runtime.secrets.add(password);
  const group = await startGroup(runtime, {
    command: run,
    directory: rebuild.directory,
    env: { ...commonEnvironment(runtime, rebuild.environment), [rebuild.databaseVariable]: url },
    mark: { name: REBUILD_MARK, value: `${await makerTag()}-${randomBytes(4).toString("hex")}` },
  });
  const started = runtime.clock.monotonic();
  const late = AbortSignal.timeout(timeout);
  try {
    runtime.observer("before", `rebuild command ${name}`);
    const ended = await orAborted(group.ended, AbortSignal.any([signal, late]));
    runtime.observer("after", `rebuild command ${name}`);
    signal.throwIfAborted();
    if (ended?.code !== 0)
      throw failed(`rebuild ${database}: ${name}: ${reasonOf(ended, timeout)}`, group.tail());
  } finally {
    const left = await group.end();
    if (left > 0)
      runtime.reporter.warn(`killed ${counted(left, "process", "processes")} that ${name} left running`);
  }
  runtime.reporter.note(`${name}: done in ${formatDuration(runtime.clock.monotonic() - started)}`);
}

/** Undefined where the signal came first. */
async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const aborted = Promise.withResolvers<undefined>();
  const abort = (): void => aborted.resolve(undefined);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function reasonOf(
  ended: { readonly code: number | null; readonly signal: NodeJS.Signals | null } | undefined,
  timeout: number,
): string {
  if (ended === undefined) return `not done after ${formatDuration(timeout)}, and ended`;
  return ended.signal === null ? `exit code ${ended.code}` : `ended by ${ended.signal}`;
}

function failed(message: string, output: string): AppError {
  const lines = output.trim() === "" ? [] : output.trim().split("\n").slice(-LINES_SHOWN);
  return new AppError(
    "tool_failed",
    [message, ...(lines.length === 0 ? [] : [lines.join("; ")])].join(": "),
    {
      hint: "nothing of it is left; run it by hand on an empty database to see all it says, and go on",
    },
  );
}
