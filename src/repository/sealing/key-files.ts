import { link, mkdir, readFile, rm } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { AppError, errorCode, inOperation } from "../../errors.ts";
import { type Identity, newIdentity, parseIdentity } from "../../lib/age/keys.ts";
import { isAgeFile, openByPassphrase } from "../../lib/age/passphrase.ts";
import { syncFolder, temporaryName, writeDurable } from "../../lib/durable.ts";
import type { Runtime } from "../../lib/runtime.ts";

/**
 * The identities in the files that the command line or HANDLED_IDENTITY named. Errors: `usage` for a file that is none or
 * cannot be read.
 */
export async function readIdentities(runtime: Runtime, _signal: AbortSignal): Promise<Identity[]> {
  const fromEnvironment = runtime.env["HANDLED_IDENTITY"] ?? "";
  const files =
    runtime.keys.identityFiles.length > 0
      ? runtime.keys.identityFiles
      : fromEnvironment === ""
        ? []
        : [fromEnvironment];
  const identities: Identity[] = [];
  for (const file of files) identities.push(...(await readIdentityFile(runtime, file)));
  return identities;
}

async function readIdentityFile(runtime: Runtime, path: string): Promise<Identity[]> {
  const operation = `read identity file ${path}`;
  let data: Buffer;
  try {
    data = await readFile(path);
  } catch (cause) {
    throw new AppError(
      "usage",
      `${operation}: ${errorCode(cause) === "ENOENT" ? "there is no such file" : (errorCode(cause) ?? "it cannot be read")}`,
      { cause },
    );
  }
  if (!isAgeFile(data)) return parseIdentities(runtime, data, operation);
  const passphrase = await passphraseOf(runtime, path);
  try {
    return parseIdentities(runtime, openByPassphrase(data, passphrase), operation);
  } catch (error) {
    throw inOperation(operation, error);
  }
}

/** Of HANDLED_PASSPHRASE, else from whoever sits there. It protects the file alone, never what is in a repository. */
async function passphraseOf(runtime: Runtime, path: string): Promise<string> {
  const given = runtime.env["HANDLED_PASSPHRASE"] ?? "";
  const passphrase = given === "" ? ((await runtime.keys.askPassphrase?.(path)) ?? "") : given;
  runtime.secrets.add(passphrase);
  if (passphrase !== "") return passphrase;
  throw new AppError("wrong_key", `read identity file ${path}: a passphrase protects it, and none is given`, {
    hint: "run it at a terminal, which asks for it, or set HANDLED_PASSPHRASE",
  });
}

/** Lines of age's format: comments, and an identity a line. */
function parseIdentities(runtime: Runtime, data: Buffer, operation: string): Identity[] {
  const lines = data
    .toString("utf8")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  for (const line of lines) runtime.secrets.add(line);
  try {
    if (lines.length === 0) throw new AppError("usage", "it has no identity");
    return lines.map(parseIdentity);
  } catch (error) {
    const { message, code } = inOperation(operation, error);
    throw new AppError(code, message, {
      cause: error,
      hint: "an identity is a line that begins with AGE-SECRET-KEY-1, as `handled key new` or `age-keygen` make it",
    });
  }
}

/** This host's key, or undefined where it has none yet. */
export async function readHostKey(runtime: Runtime, file: string | undefined): Promise<Identity | undefined> {
  const path = hostKeyPath(runtime, file);
  if (path === undefined) return undefined;
  let data: Buffer;
  try {
    data = await readFile(path);
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(cause) ?? "")) return undefined;
    throw new AppError("usage", `read the host key ${path}: ${errorCode(cause) ?? "it cannot be read"}`, {
      cause,
    });
  }
  return parseIdentities(runtime, data, `read the host key ${path}`)[0];
}

/** The same, made where there is none: durable before anything is sealed to it. */
export async function readOrMakeHostKey(runtime: Runtime, file: string | undefined): Promise<Identity> {
  const known = await readHostKey(runtime, file);
  if (known !== undefined) return known;
  const path = hostKeyPath(runtime, file);
  if (path === undefined) {
    throw new AppError("usage", "make this host's key: HOME is not set, so there is no place for it", {
      hint: "set HOME, or name a file in the strategy (`hostKey:` of the repository)",
    });
  }
  const identity = newIdentity();
  runtime.secrets.add(identity.text);
  const made = runtime.clock.now().toISOString();
  const text = `# host key of handled, made ${made}\n# public key: ${identity.recipient.text}\n${identity.text}\n`;
  const temporary = temporaryName(path);
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeDurable(temporary, text, 0o600);
    // Two first backups may run at once: the one that comes second takes the other's.
    await link(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    if (errorCode(cause) !== "EEXIST")
      throw new AppError(
        "usage",
        `write the host key ${path}: ${errorCode(cause) ?? "it cannot be written"}`,
        { cause },
      );
    const other = await readHostKey(runtime, file);
    if (other === undefined) throw cause;
    return other;
  } finally {
    await rm(temporary, { force: true });
  }
  runtime.reporter.note(
    `made this host's key, ${path}: with it backups can be written and listed here, not read`,
  );
  return identity;
}

/** Where the key of this host is looked for; undefined where nothing says where. */
export function hostKeyPath(runtime: Runtime, file: string | undefined): string | undefined {
  if (file !== undefined) return file;
  const xdg = runtime.env["XDG_CONFIG_HOME"] ?? "";
  if (isAbsolute(xdg)) return join(xdg, "handled/host.key");
  const home = runtime.env["HOME"] ?? "";
  return home === "" ? undefined : join(home, ".config/handled/host.key");
}
