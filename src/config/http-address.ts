import { z } from "zod";

/** Where something is listened for. */
export interface HttpAddress {
  /** A name or an IP address of this machine; an IPv6 address without its brackets. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
}

// Loopback: `/metrics` tells whoever reaches it the names of the databases and how they are.
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
    "Where it shows the dashboard and answers its API to those who have signed in, and tells Prometheus its metrics, for which nobody is asked who they are. `false`: nowhere. `--host`, `--port` and `--no-http` have the last word",
  );

/** Where browsers find it. */
export const PublicUrl = z
  .url({ protocol: /^https?$/, error: "must be a URL such as `https://handled.example.com`" })
  .refine((text) => ["/", ""].includes(new URL(text).pathname), "must have no path")
  .transform((text) => new URL(text))
  .optional()
  .meta({ title: "URL" })
  .describe(
    "Where browsers find the dashboard when a proxy on this machine stands in front of it: that name is answered to, too, and with https the session is kept to it. Who asks from where is then what the proxy says",
  );
