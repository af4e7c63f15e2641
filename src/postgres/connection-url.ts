import type { ConnectionSettings, Host } from "./connection.ts";

/** The connection URL of these settings, password included, as libpq and most drivers read it (PostgreSQL manual, "Connection URIs"). */
export function connectionUrl(settings: ConnectionSettings): string {
  const { hosts, user, database, sslMode, sslRootCert, sslCert, sslKey, options } = settings;
  const password = hosts.find((host) => host.password !== undefined)?.password;
  const login = [user, ...(password === undefined ? [] : [password])].map(encodeURIComponent).join(":");
  const more = Object.entries({
    // The default of libpq; some drivers take it for a demand.
    sslmode: sslMode === "prefer" ? undefined : sslMode,
    sslrootcert: sslRootCert,
    sslcert: sslCert,
    sslkey: sslKey,
    options,
  }).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]));
  const query = more.length === 0 ? "" : `?${more.join("&")}`;
  return `postgresql://${login}@${hosts.map(address).join(",")}/${encodeURIComponent(database)}${query}`;
}

function address({ host, port }: Host): string {
  return `${host.includes(":") ? `[${host}]` : encodeURIComponent(host)}:${port}`;
}
