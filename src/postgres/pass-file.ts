import { open } from "node:fs/promises";
import { AppError, errorCode } from "../errors.ts";
import type { Runtime } from "../lib/runtime.ts";

/** One line of a password file. `*` stands for anything; the password has no wildcard. */
export interface PassEntry {
  readonly host: string;
  readonly port: string;
  readonly database: string;
  readonly user: string;
  readonly password: string;
}

/**
 * The entries of a password file (PostgreSQL manual, "The Password File"); none when there is no such file. A file
 * that others may read is left alone with a warning, as libpq does, so that our tools and we agree.
 */
export async function readPassFile(runtime: Runtime, path: string): Promise<PassEntry[]> {
  try {
    await using file = await open(path, "r");
    const stat = await file.stat();
    if (!stat.isFile()) {
      runtime.reporter.warn(`password file ${path} is not a plain file and is not used`);
      return [];
    }
    if ((stat.mode & 0o077) !== 0) {
      runtime.reporter.warn(
        `password file ${path} can be read by others and is not used: run \`chmod 600 ${path}\``,
      );
      return [];
    }
    return parsePassFile(await file.readFile("utf8"));
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    if (code === "EACCES" || code === "EPERM") {
      runtime.reporter.warn(`password file ${path} may not be read and is not used`);
      return [];
    }
    throw new AppError("usage", `read password file ${path}: ${code ?? "cannot be read"}`, { cause });
  }
}

function parsePassFile(text: string): PassEntry[] {
  const entries: PassEntry[] = [];
  for (const line of text.split(/\r?\n/)) {
    if (line === "" || line.startsWith("#")) continue;
    const fields = splitFields(line);
    const [host, port, database, user, password] = fields;
    if (host === undefined || port === undefined || database === undefined) continue;
    if (user === undefined || password === undefined) continue;
    entries.push({ host, port, database, user, password });
  }
  return entries;
}

/** The password of the first line that fits; undefined when none does. */
export function findPassword(
  entries: readonly PassEntry[],
  wanted: Omit<PassEntry, "password">,
): string | undefined {
  const fits = (pattern: string, value: string): boolean => pattern === WILDCARD || pattern === value;
  return entries.find(
    (entry) =>
      fits(entry.host, wanted.host) &&
      fits(entry.port, wanted.port) &&
      fits(entry.database, wanted.database) &&
      fits(entry.user, wanted.user),
  )?.password;
}

const WILDCARD = "*";

/** Cuts at unescaped colons; a backslash takes the next character as it is. What follows the fifth field is dropped. */
function splitFields(line: string): string[] {
  const fields = [""];
  for (let i = 0; i < line.length; i++) {
    let character = line.charAt(i);
    if (character === ":") {
      fields.push("");
      continue;
    }
    if (character === "\\" && i + 1 < line.length) {
      i += 1;
      character = line.charAt(i);
    }
    fields[fields.length - 1] += character;
  }
  return fields;
}
