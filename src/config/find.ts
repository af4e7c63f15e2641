import { stat } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { AppError, errorCode } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";

const FILE_NAME = "handled.yaml";

/** Where a strategy is looked for when none is named, first match wins. */
export function strategyPlaces(runtime: Runtime, cwd: string): string[] {
  const home = runtime.env["HOME"];
  const xdg = runtime.env["XDG_CONFIG_HOME"];
  // The XDG specification: a relative path there is invalid and to be ignored.
  const configFolder = xdg !== undefined && isAbsolute(xdg) ? xdg : home && join(home, ".config");
  return [
    join(cwd, FILE_NAME),
    ...(configFolder ? [join(configFolder, "handled", FILE_NAME)] : []),
    join("/etc/handled", FILE_NAME),
  ];
}

/**
 * The absolute path of the strategy file: the one that was named (`--config`), else the first of `strategyPlaces`, else
 * undefined. Fails with `strategy_missing` when the named one is not there.
 */
export async function findStrategy(
  runtime: Runtime,
  explicit: string | undefined,
  cwd: string,
): Promise<string | undefined> {
  if (explicit !== undefined) {
    const path = resolve(cwd, explicit);
    if (await exists(path)) return path;
    throw new AppError("strategy_missing", `find strategy ${path}: there is no such file`, {
      hint: "`handled init` writes one",
    });
  }
  for (const path of strategyPlaces(runtime, cwd)) {
    if (await existsOrWarn(runtime, path)) return path;
  }
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw new AppError(
      "strategy_invalid",
      `find strategy ${path}: it cannot be reached (${code ?? "unknown"})`,
      {
        cause: error,
      },
    );
  }
}

/** A folder that is closed to us (root's /etc/handled) must not stop a command that has all it needs; yet it is said. */
async function existsOrWarn(runtime: Runtime, path: string): Promise<boolean> {
  try {
    return await exists(path);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    runtime.reporter.warn(error.message);
    return false;
  }
}
