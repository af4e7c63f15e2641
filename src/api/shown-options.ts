import { parseConnectionUri } from "../postgres/connection-uri.ts";
import type { JobRequest, PlanRequest } from "./contract/jobs.ts";

/**
 * What was asked for, as it may be kept and shown: an address is without its password. Fails with `usage` for one that cannot be read, and
 * never repeats it.
 */
export function shownOptions(request: JobRequest | PlanRequest): JobRequest["options"] {
  if (request.kind !== "recover" || request.options.to === undefined) return request.options;
  const to = request.options.to.map(({ database, url }) => ({ database, url: withoutPassword(url) }));
  return { ...request.options, to };
}

/** Built anew from what it says, so that nothing of a password stays, wherever in it that stood. */
function withoutPassword(url: string): string {
  const { user, host = "", port = "", dbname = "" } = parseConnectionUri(url);
  const ports = port.split(",");
  const hosts = host.split(",").map((name, at) => {
    const known = name.includes(":") ? `[${name}]` : encodeURIComponent(name);
    return ports[at] === undefined || ports[at] === "" ? known : `${known}:${ports[at]}`;
  });
  const whose = user === undefined ? "" : `${encodeURIComponent(user)}@`;
  return `postgresql://${whose}${hosts.join(",")}/${encodeURIComponent(dbname)}`;
}
