import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { AppError, errorCode } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";
import { homeFolder } from "../lib/home-folder.ts";
import { type Parameters, checkParameterName } from "./parameters.ts";

// Where Debian's libpq looks when PGSYSCONFDIR is unset.
const SYSTEM_FOLDER = "/etc/postgresql-common";

/**
 * The parameters of a service, from the user's service file (`file`, PGSERVICEFILE or `~/.pg_service.conf`) or, when
 * it is not in there, the system's. Fails with `usage` when no file has it or the file cannot be read.
 */
export async function readService(
  runtime: Runtime,
  service: string,
  file: string | undefined,
  signal: AbortSignal,
): Promise<Parameters> {
  const own = file ?? join(homeFolder(runtime), ".pg_service.conf");
  const files = [own, join(runtime.env["PGSYSCONFDIR"] ?? SYSTEM_FOLDER, "pg_service.conf")];
  for (const path of files) {
    const text = await readIfThere(path, signal);
    if (text === undefined) continue;
    const found = parseServiceFile(text, service, path);
    if (found !== undefined) return found;
  }
  throw new AppError("usage", `read service ${JSON.stringify(service)}: no such service`, {
    hint: `define it as \`[${service}]\` in ${files.join(" or ")}`,
  });
}

async function readIfThere(path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await readFile(path, { encoding: "utf8", signal });
  } catch (cause) {
    signal.throwIfAborted();
    const code = errorCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new AppError("usage", `read service file ${path}: ${code ?? "cannot be read"}`, {
      cause,
      hint: "check that it is a file and may be read",
    });
  }
}

/** One section of a service file; undefined when the file has no such section. The first of two equal keys counts. */
function parseServiceFile(text: string, service: string, path: string): Parameters | undefined {
  let found: Record<string, string> | undefined;
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    if (line.startsWith("[")) {
      if (found !== undefined) return found;
      if (line === `[${service}]`) found = {};
      continue;
    }
    if (found === undefined) continue;
    const where = `service file ${path}, line ${index + 1}`;
    const equals = line.indexOf("=");
    // The line may hold a password, so it is not repeated.
    if (equals < 0) throw new AppError("usage", `read ${where}: not in the form keyword=value`);
    const name = line.slice(0, equals).trim();
    checkParameterName(name, where, true);
    if (name === "service" || name === "servicefile") {
      throw new AppError("usage", `read ${where}: a service cannot name another service`);
    }
    if (!(name in found)) found[name] = line.slice(equals + 1);
  }
  return found;
}
