import { readFile } from "node:fs/promises";
import { type ConnectionOptions, getCACertificates } from "node:tls";
import { AppError, errorCode } from "../errors.ts";
import { isSocketFolder } from "./addresses.ts";
import { type ConnectionSettings, type Host, describeHost } from "./connection.ts";

/** One way to try a host: in the clear (`false`) or with these TLS options. */
export type TlsChoice = false | ConnectionOptions;

/**
 * The ways to try a host, in libpq's order. Two only for `allow` (clear first) and `prefer` (TLS first); Unix sockets
 * are never encrypted. Fails with `usage` when a certificate that is needed cannot be read.
 */
export async function tlsChoices(settings: ConnectionSettings, host: Host): Promise<TlsChoice[]> {
  if (isSocketFolder(host.host) || settings.sslMode === "disable") return [false];
  const options = await tlsOptions(settings, host);
  switch (settings.sslMode) {
    case "allow":
      return [false, options];
    case "prefer":
      return [options, false];
    case "require":
    case "verify-ca":
    case "verify-full":
      return [options];
  }
}

async function tlsOptions(settings: ConnectionSettings, host: Host): Promise<ConnectionOptions> {
  const mustVerify = settings.sslMode === "verify-ca" || settings.sslMode === "verify-full";
  const authorities = await readAuthorities(settings, host, mustVerify);
  const own = await readOwnCertificate(settings);
  // As in libpq, a root certificate that is there is used to check the chain even when the mode does not ask for it.
  if (authorities === undefined) return { ...own, rejectUnauthorized: false };
  const checked = { ...own, ca: authorities, rejectUnauthorized: true };
  if (settings.sslMode === "verify-full") return checked;
  return { ...checked, checkServerIdentity: () => undefined };
}

// The value of `sslrootcert` that stands for the authorities the operating system trusts.
const SYSTEM = "system";

async function readAuthorities(
  settings: ConnectionSettings,
  host: Host,
  mustVerify: boolean,
): Promise<string[] | undefined> {
  if (settings.sslRootCert === SYSTEM) return getCACertificates("system");
  if (settings.sslRootCert !== undefined) {
    try {
      return [await readFile(settings.sslRootCert, "utf8")];
    } catch (cause) {
      if (errorCode(cause) !== "ENOENT") throw unreadable(settings.sslRootCert, cause);
    }
  }
  if (!mustVerify) return undefined;
  const file = settings.sslRootCert ?? "~/.postgresql/root.crt";
  throw new AppError("usage", `connect to ${describeHost(host)}: root certificate ${file} does not exist`, {
    hint: `sslmode ${settings.sslMode} checks the server's certificate: name the authority's with sslrootcert, or write \`sslrootcert=system\``,
  });
}

async function readOwnCertificate(settings: ConnectionSettings): Promise<ConnectionOptions> {
  const { sslCert, sslKey } = settings;
  if (sslCert === undefined) return {};
  if (sslKey !== undefined) return { cert: await readPem(sslCert), key: await readPem(sslKey) };
  throw new AppError("usage", `read certificate ${sslCert}: there is no key for it`, {
    hint: "name the key file with sslkey",
  });
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

function unreadable(path: string, cause: unknown): AppError {
  return new AppError("usage", `read certificate or key ${path}: ${errorCode(cause) ?? "cannot be read"}`, {
    cause,
  });
}
