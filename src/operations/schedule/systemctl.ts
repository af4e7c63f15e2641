import { stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { AppError, errorCode, isAppError } from "../../errors.ts";
import { runForText } from "../../lib/process.ts";
import type { Runtime } from "../../lib/runtime.ts";
import { homeFolder } from "../../lib/home-folder.ts";
import { quoteForShell } from "./quoting.ts";

/** Which systemd runs the timers, and where its units lie. */
export interface SystemdScope {
  /** The machine's own systemd or that of the current user. */
  readonly kind: "system" | "user";
  readonly folder: string;
  /** There only while that systemd runs. */
  readonly runFolder: string;
}

/** The machine's systemd for root, otherwise the user's own. */
export function defaultScope(runtime: Runtime, uid: number): SystemdScope {
  if (uid === 0) return { kind: "system", folder: "/etc/systemd/system", runFolder: "/run/systemd/system" };
  const config = runtime.env["XDG_CONFIG_HOME"];
  const base = config !== undefined && isAbsolute(config) ? config : join(homeFolder(runtime), ".config");
  const runtimeFolder = runtime.env["XDG_RUNTIME_DIR"] ?? `/run/user/${uid}`;
  return { kind: "user", folder: join(base, "systemd/user"), runFolder: join(runtimeFolder, "systemd") };
}

/** Runs `systemctl` commands; where that systemd does not run, gives them back for the user to type. */
export async function runOrTell(
  runtime: Runtime,
  scope: SystemdScope,
  commands: readonly (readonly string[])[],
  signal: AbortSignal,
): Promise<string[]> {
  if (!(await isRunning(scope))) return typedCommands(scope, commands);
  for (const args of commands) await systemctl(runtime, scope, args, signal);
  return [];
}

/** The same as lines for a shell. */
export function typedCommands(scope: SystemdScope, commands: readonly (readonly string[])[]): string[] {
  return commands.map((args) =>
    ["systemctl", ...scopeArguments(scope), ...args].map(quoteForShell).join(" "),
  );
}

/** Runs one `systemctl` command. Throws `tool_failed` or `client_missing`. */
export async function systemctl(
  runtime: Runtime,
  scope: SystemdScope,
  args: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  try {
    await runForText(
      runtime,
      {
        program: "systemctl",
        args: [...scopeArguments(scope), ...args],
        env: { ...runtime.env, LC_ALL: "C" },
      },
      signal,
    );
  } catch (cause) {
    if (!isAppError(cause)) throw cause;
    throw new AppError(cause.code, `switch timers in ${scope.folder}: ${cause.message}`, {
      cause,
      hint: "the unit files are written; once `systemctl` works, run the same command again",
      details: cause.details,
    });
  }
}

function scopeArguments(scope: SystemdScope): string[] {
  return scope.kind === "user" ? ["--user"] : [];
}

/** Whether the systemd of this scope runs: in a container there may be none. */
export async function isRunning(scope: SystemdScope): Promise<boolean> {
  try {
    return (await stat(scope.runFolder)).isDirectory();
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return false;
    throw error;
  }
}
