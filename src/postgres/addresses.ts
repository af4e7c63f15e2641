import { access } from "node:fs/promises";
import { isIP } from "node:net";
import { AppError, errorCode } from "../errors.ts";
import type { UsedParameter } from "./parameters.ts";

const DEFAULT_PORT = 5432;
// Debian, Red Hat and the server's own default put sockets here or there.
const SOCKET_FOLDERS = ["/var/run/postgresql", "/tmp"] as const;

/** Where one server may be reached. */
export interface Address {
  readonly host: string;
  readonly port: number;
  /** The name under which the password file lists it. */
  readonly passName: string;
}

/**
 * Pairs the comma lists `host`, `hostaddr` and `port` by position, one port serving all hosts if alone.
 * Fails with `usage` when they do not fit together.
 */
export async function readAddresses(
  all: Partial<Record<UsedParameter, string>>,
  checksHostName: boolean,
): Promise<Address[]> {
  const names = list(all.host);
  const numbers = list(all.hostaddr);
  if (names.length > 0 && numbers.length > 0) {
    if (names.length !== numbers.length) throw mismatch("host names", "host addresses");
    // We connect to what we check: the certificate of an address does not carry the name.
    if (checksHostName) {
      throw new AppError(
        "usage",
        "read the connection settings: hostaddr cannot be used with sslmode verify-full",
        {
          hint: "name the host only",
        },
      );
    }
  }
  for (const number of numbers) {
    if (number !== "" && isIP(number) === 0) {
      throw new AppError("usage", "read the connection settings: hostaddr is not an IP address");
    }
  }
  const count = Math.max(names.length, numbers.length, 1);
  const ports = list(all.port);
  if (ports.length > 1 && ports.length !== count) throw mismatch("hosts", "ports");
  const socketFolder = await defaultSocketFolder();
  return Array.from({ length: count }, (_, index) => {
    const name = names[index] ?? "";
    const host = numbers[index] || name || socketFolder;
    const isDefaultSocket = host === socketFolder;
    return {
      host,
      port: readPort(ports.length === 1 ? ports[0] : ports[index]),
      passName: isDefaultSocket ? "localhost" : name || host,
    };
  });
}

/** True for the folder of a Unix socket. */
export function isSocketFolder(host: string): boolean {
  return host.startsWith("/");
}

function list(value: string | undefined): string[] {
  return value === undefined || value === "" ? [] : value.split(",").map((item) => item.trim());
}

function readPort(text: string | undefined): number {
  if (text === undefined || text === "") return DEFAULT_PORT;
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new AppError("usage", "read the connection settings: a port is not a number from 1 to 65535");
}

function mismatch(some: string, others: string): AppError {
  return new AppError("usage", `read the connection settings: the numbers of ${some} and ${others} differ`);
}

async function defaultSocketFolder(): Promise<string> {
  const [first, fallback] = SOCKET_FOLDERS;
  try {
    await access(first);
    return first;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return fallback;
  }
}
