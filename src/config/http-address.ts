import { z } from "zod";

/** Where something is listened for. */
export interface HttpAddress {
  /** A name or an IP address of this machine; an IPv6 address without its brackets. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

// Loopback: whoever can reach it reads the names of the databases and how they are.
export const DEFAULT_HTTP: HttpAddress = { host: "127.0.0.1", port: 8420 };

/** Whether only this machine can reach it, by its name or address. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|(?:::ffff:)?127(?:\.\d{1,3}){3}|::1)$/i.test(host);
}

/** `127.0.0.1:8420`, `[::1]:8420` or `localhost:8420`; undefined where it is none of these. */
function parseHttpAddress(text: string): HttpAddress | undefined {
  const [, six, name, digits = ""] = /^(?:\[([\da-f:.]+)\]|([\w.-]+)):(\d{1,5})$/i.exec(text) ?? [];
  const host = six ?? name;
  const port = Number(digits);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** `false`: nothing listens. */
export const Http = z
  .union(
    [
      z.literal(false),
      z
        .string()
        .refine((text) => parseHttpAddress(text) !== undefined)
        .transform((text) => parseHttpAddress(text) ?? DEFAULT_HTTP),
    ],
    "must be an address and a port such as `127.0.0.1:8420`, or `false`",
  )
  .meta({ title: "host:port, or `false`" })
  .prefault(`${DEFAULT_HTTP.host}:${DEFAULT_HTTP.port}`)
  .describe(
    "Where it tells Prometheus its metrics and whoever asks whether it does its work; nobody is asked who they are. `false`: nowhere. `--host`, `--port` and `--no-http` have the last word",
  );
